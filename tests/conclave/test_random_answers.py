"""Random queries over random tables, computed by three parties in one process, against DuckDB over the pooled rows."""

import datetime
import decimal
import math
import os
import random
import time
from collections import Counter

import duckdb
import pytest

from conclave.ir.errors import QueryProblem
from conclave.sql.parse import parse
from renderer.answer import rows_of
from renderer.read_off import TrialProblem
from renderer.trial import parse_tables, prepare
from tests.conclave.firsts import Firsts
from tests.conclave.queries import OWNERS, TABLES, Queries, make_files

SEEDS = [int(seed) for seed in os.environ.get("CCD_FUZZ_SEEDS", "1 2 3 4").split()]
# For each seed, whichever ends first: a slow machine tries fewer of the same queries, none tries others.
SECONDS = float(os.environ.get("CCD_FUZZ_SECONDS", "45"))
N_QUERIES = int(os.environ.get("CCD_FUZZ_QUERIES", "120"))
LEAST_COMPARED = 0.6  # of the queries; the others are refused, for reasons that have tests of their own


@pytest.mark.deep
@pytest.mark.parametrize("seed", SEEDS)
def test_three_parties_answer_random_queries_as_duckdb_does(seed, tmp_path):
    options, queries = make_files(seed, tmp_path), Queries(seed)
    n_compared, n_made, until = 0, 0, time.monotonic() + SECONDS
    with duckdb.connect() as connection:
        connection.execute("SET error_on_division_by_zero = false; SET ieee_floating_point_ops = false")
        for table in TABLES:
            connection.execute(f"CREATE VIEW {table} AS FROM '{tmp_path}/{table}*.parquet'")
        while n_made < N_QUERIES and time.monotonic() < until:
            sql = queries.query()
            n_made += 1
            n_compared += compared(sql, options, connection)
    assert n_compared >= LEAST_COMPARED * n_made


@pytest.mark.deep
@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_rows_of_all_orders_are_those_of_duckdb(seed, tmp_path):
    options, queries, rng = make_files(seed, tmp_path), Firsts(seed), random.Random(seed)
    n_compared, n_made, until = 0, 0, time.monotonic() + SECONDS
    with duckdb.connect() as connection:
        connection.execute("SET error_on_division_by_zero = false; SET ieee_floating_point_ops = false")
        for table in TABLES:
            connection.execute(f"CREATE VIEW {table} AS FROM '{tmp_path}/{table}*.parquet'")
        while n_made < N_QUERIES and time.monotonic() < until:
            sql, n_made = queries.query(), n_made + 1
            # Owners pick less where one of them gets the answer. Three parties compute one query of some, one plan all.
            n_compared += compared(sql, options, connection, rng.choice((None, None, *OWNERS["f"])), rng.random() < 0.9)
    assert n_compared >= LEAST_COMPARED * n_made


def compared(sql, options, connection, recipient=None, alone=False):
    """Whether the query could be run and gave the same; an answer that differs is an error."""
    used = [option for option in options if any(f"{option.split('=')[0]} t" in part for part in [sql])]
    try:
        wanted = connection.sql(sql.replace("MODE(", "LIST(")).fetchall()  # of values that come as often either will do
    except duckdb.Error:
        return False  # what DuckDB does not take says nothing of us
    try:
        trial = prepare(sql, parse_tables(used), recipient)
        answer = trial.run_alone()[0] if alone else trial.run(lambda _: None).answer
    except (QueryProblem, TrialProblem):
        return False
    got = [tuple(map(plain, row.values())) for row in rows_of(answer)]
    wanted = [tuple(map(plain, row)) for row in wanted]
    if parse(sql).args.get("order") is None:
        assert not (left_over := unmatched(got, wanted)), f"{sql}\n{left_over}"
    else:
        assert len(got) == len(wanted), f"{sql}\n{got}\n{wanted}"
        assert all(map(is_same_row, got, wanted)), f"{sql}\n{got}\n{wanted}"
    return True


def unmatched(got, wanted):
    """Return the rows of either side that the other has none like, each row being used once."""
    missing, left = [], list(got)
    for row in wanted:
        match = next((n for n, other in enumerate(left) if is_same_row(other, row)), None)
        if match is None:
            missing.append(row)
        else:
            del left[match]
    return [("missing", missing), ("extra", left)] if missing or left else []


def is_same_row(row, other):
    return len(row) == len(other) and all(map(is_same, row, other))


def is_same(value, other):
    if isinstance(other, Counter):
        return other[value] == max(other.values()) if other else value is None
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=1e-6, abs_tol=2e-5)
    return value == other


def plain(value):
    match value:
        case bool() | None | str():
            return value
        case list():
            return Counter(plain(each) for each in value if each is not None)
        case float() if math.isnan(value):  # CORR of what does not vary
            return None
        case int() | float() | decimal.Decimal():
            return float(value)
        case datetime.datetime():
            return value.date().isoformat()
        case datetime.date():
            return value.isoformat()
    return value
