"""Every query in docs/sql.md is understood, and answers as DuckDB does."""

import re
from pathlib import Path

import pytest

from conclave.local.sqltext import to_sql
from conclave.passes.optimise import optimise
from conclave.sql.bind import bind
from tests.conclave.sql.federation import RECIPIENTS, TABLES, assert_same_rows, pooled, run

DOCS = (Path(__file__).parents[3] / "docs" / "sql.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("sql", QUERIES, ids=range(len(QUERIES)))
def test_a_query_of_the_documentation_answers_as_duckdb_does(sql):
    with pooled(3, 12) as connection:
        best = optimise(bind(sql, TABLES, RECIPIENTS))
        assert_same_rows(run(connection, to_sql(best)), run(connection, sql), ordered=False)


def test_the_columns_that_the_documentation_names_are_there():
    for table, names in re.findall(r"`(\w+) \(([^`]*)\)` *(?:and|of|,)?", DOCS):
        if table in TABLES:
            assert [f.name for f in TABLES[table].schema] == names.split(", ")
