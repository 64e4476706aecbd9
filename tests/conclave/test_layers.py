"""Parts of queries on top of one another: as DuckDB answers them, and each step's rows as the plan says that they are."""

import os
import random
import time

import duckdb
import pytest

from conclave.ir.errors import QueryProblem
from renderer.answer import rows_of
from renderer.read_off import TrialProblem
from renderer.trial import parse_tables, prepare
from tests.conclave.facts import held_facts
from tests.conclave.layers import TABLES, Layers, make_files
from tests.conclave.test_random_answers import plain, unmatched

__all__ = ["held_facts"]
SEEDS = [int(seed) for seed in os.environ.get("CCD_FUZZ_SEEDS", "1 2 3").split()]
# For each seed, whichever ends first: a slow machine tries fewer of the same queries, none tries others.
SECONDS = float(os.environ.get("CCD_FUZZ_SECONDS", "8"))
N_QUERIES = int(os.environ.get("CCD_FUZZ_QUERIES", "20"))
COUNTED = (("l", "k"), ("l", "g"), ("r", "j"), ("r", "h"), ("q", "qj"), ("l", "s"), ("r", "u"))
MOST_ROWS = 2000  # of an answer: more take too long to compare


@pytest.mark.deep
@pytest.mark.parametrize("seed", SEEDS)
def test_layers_are_answered_as_duckdb_does_and_rows_are_as_the_plan_says(seed, tmp_path, held_facts):
    options, queries, rng = make_files(seed, tmp_path), Layers(seed), random.Random(seed)
    n_compared, n_made, until = 0, 0, time.monotonic() + SECONDS
    with duckdb.connect() as connection:
        for table in TABLES:
            connection.execute(f"CREATE TABLE {table} AS FROM '{tmp_path}/{table}*.parquet'")
        most = {at: most_alike(*at, connection) for at in COUNTED}
        while n_made < N_QUERIES and time.monotonic() < until:
            sql, n_made = queries.query(), n_made + 1
            said = {at: n for at, n in most.items() if at[0] in queries.used and rng.random() < 0.5}
            told = [table for table in sorted(queries.used) if rng.random() < 0.3]
            used = [option for option in options if option.partition("=")[0] in queries.used]
            held_facts.clear()
            n_compared += compared(sql, used, said, told, connection)
    assert n_compared >= n_made // 2


def most_alike(table, column, connection):
    counts = f"SELECT COUNT(*) AS n FROM {table} WHERE {column} IS NOT NULL GROUP BY {column}"
    return connection.execute(f"SELECT COALESCE(MAX(n), 1) FROM ({counts})").fetchall()[0][0]


def compared(sql, options, most_matches, countable, connection):
    """Whether the query could be run and gave the same; an answer that differs is an error."""
    wanted = [tuple(map(plain, row)) for row in connection.execute(sql).fetchall()]
    if len(wanted) > MOST_ROWS:
        return False
    try:
        made = prepare(sql, parse_tables(options), None, countable=countable, most_matches=most_matches)
        answer, _ = made.run_alone()
    except (QueryProblem, TrialProblem) as problem:
        refused = str(problem)
    else:
        refused = ""
    assert "say a larger number" not in refused, (sql, most_matches)  # what is said is true
    if refused:
        return False
    got = [tuple(map(plain, row.values())) for row in rows_of(answer)]
    assert not (left_over := unmatched(got, wanted)), f"{sql}\n{most_matches} {countable}\n{left_over}"
    return True
