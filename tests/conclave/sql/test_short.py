"""What is short for something longer is the longer form: one tree, so that passes and policies see nothing that is new."""

import pytest

from conclave.ir.show import show
from conclave.passes.optimise import optimise
from conclave.sql.bind import bind
from tests.conclave.sql.federation import FIXTURES, RECIPIENTS, TABLES, assert_same_rows, pooled, queries, run

PAIRS = [(title, *sql.split("\n-- is short for\n")) for title, sql in queries(FIXTURES / "sql" / "short.sql")]


@pytest.mark.parametrize(("short", "long"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_what_is_short_is_compiled_as_what_is_longer_and_answers_as_duckdb_does(short, long):
    trees = [optimise(bind(sql, TABLES, RECIPIENTS)) for sql in (short, long)]
    assert show(trees[0]) == show(trees[1])
    assert trees[0] == trees[1]
    with pooled(3, 12) as connection:
        assert_same_rows(run(connection, short), run(connection, long), ordered=False)
