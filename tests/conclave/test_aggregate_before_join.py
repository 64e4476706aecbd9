"""Aggregates over joins whose keys repeat on both sides: as DuckDB's, over as many pairs as there may be, or refused."""

import random

import duckdb
import pytest

from conclave.ir.nodes import Join
from conclave.plan.steps import MpcStep
from renderer.answer import rows_of
from renderer.read_off import TrialProblem
from renderer.trial import parse_tables, prepare
from tests.conclave.test_random_answers import plain, unmatched

LEFT = "k INTEGER, g SMALLINT, x INTEGER, b BIGINT, d DECIMAL(9,2), f DOUBLE, s VARCHAR"
RIGHT = "j INTEGER, h SMALLINT, y INTEGER, e DECIMAL(7,3), t VARCHAR"


def random_rows(columns, n_rows, seed, key=None):
    """Return rows of few different values, some NULL; `key` stands in the first column of all."""
    rng, kinds = random.Random(seed), [column.split(" ")[1] for column in columns.split(", ")]

    def value(kind):
        if rng.random() < 0.2:
            return "NULL"
        number = rng.choice((0, 1, 2, 3, -1, rng.randint(-900, 900)))
        return f"'{number}'" if kind == "VARCHAR" else str(number / 4 if kind == "DOUBLE" else number)

    made = [[value(kind) for kind in kinds] for _ in range(n_rows)]
    return [[key or row[0], *row[1:]] for row in made]


CASES = {
    "some rows": (random_rows(LEFT, 14, 1), random_rows(RIGHT, 11, 2)),
    "one key": (random_rows(LEFT, 6, 3, "7"), random_rows(RIGHT, 5, 4, "7")),
    "no key at all": (random_rows(LEFT, 5, 5, "NULL"), random_rows(RIGHT, 4, 6, "NULL")),
    "nothing on the left": ([], random_rows(RIGHT, 5, 9)),
    "nothing on the right": (random_rows(LEFT, 5, 10), []),
}
QUERIES = {
    "by the left": "SELECT g, SUM(x) AS a, SUM(y) AS b, COUNT(*) AS n, COUNT(x) AS c, COUNT(y) AS d FROM l JOIN r ON k = j GROUP BY g",
    "by the right": "SELECT h, MIN(x) AS a, MAX(e) AS b, AVG(d) AS c, AVG(e) AS m FROM l JOIN r ON k = j GROUP BY h",
    "by the key": "SELECT k, SUM(f) AS a, SUM(d) AS b, MIN(t) AS c, MAX(s) AS m FROM l JOIN r ON k = j GROUP BY k",
    "of all rows": "SELECT SUM(b) AS a, COUNT(*) AS n, SUM(e) AS c, COUNT(e) AS m, AVG(f) AS f FROM l JOIN r ON k = j",
    "with conditions": "SELECT g, SUM(x + 1) AS a, COUNT(*) AS n FROM l JOIN r ON k = j AND x > j WHERE y > -1 GROUP BY g",
    "that are computed": "SELECT g, SUM(y * 2 + h) AS a, MAX(x - g) AS b, COUNT(y + h) AS c FROM l JOIN r ON k = j GROUP BY g",
    "by two keys": "SELECT s, COUNT(*) AS n, SUM(y) AS a FROM l JOIN r ON k = j AND g = h GROUP BY s",
    "of spreads": "SELECT g, VAR_POP(y) AS v, SUM(y) AS a FROM l JOIN r ON k = j GROUP BY g",
    "of rows without a match": "SELECT g, COUNT(*) AS n, COUNT(y) AS c, SUM(x) AS a, SUM(y) AS b, MIN(e) AS m FROM l LEFT JOIN r ON k = j GROUP BY g",
    "by what is not matched": "SELECT h, COUNT(*) AS n, COUNT(x) AS c, SUM(x) AS a, SUM(y) AS b FROM l LEFT JOIN r ON k = j GROUP BY h",
    "of none of the columns": "SELECT DISTINCT g FROM l JOIN r ON k = j",
    "of three tables": "SELECT SUM(l.x) AS a, COUNT(q.y) AS c, COUNT(*) AS n FROM l JOIN r ON k = r.j JOIN r q ON q.j = k",
    "over a chain": "SELECT m.s, SUM(l.x) AS a, COUNT(*) AS n FROM l JOIN r ON k = j JOIN l m ON m.g = r.h GROUP BY m.s",
    "in a question": "SELECT g FROM l WHERE x < (SELECT COUNT(*) FROM l m JOIN r ON m.k = j) GROUP BY g",
    "of a sum over groups": "SELECT MAX(a) AS a FROM (SELECT g, SUM(x) AS a FROM l JOIN r ON k = j GROUP BY g) z",
}

# What is read of both sides besides keys and aggregates is read of pairs.
OF_PAIRS = {
    "grouped by both sides": "SELECT g, h, COUNT(*) AS n FROM l JOIN r ON k = j GROUP BY g, h",
    "of different values": "SELECT g, COUNT(DISTINCT y) AS n FROM l JOIN r ON k = j GROUP BY g",
    "with a condition on both": "SELECT COUNT(*) AS n FROM l JOIN r ON k = j WHERE x < y",
    "over both": "SELECT MAX(x + y) AS n FROM l JOIN r ON k = j",
    "a quantile": "SELECT MEDIAN(x) AS n, SUM(y) AS a FROM l JOIN r ON k = j",
    "what stands beside a missing row": "SELECT g, SUM(COALESCE(y, 1)) AS n FROM l LEFT JOIN r ON k = j GROUP BY g",
}

FULL = ("some rows", "one key")
OF_NOTHING = ("of all rows", "of rows without a match")  # which have rows for it


@pytest.fixture
def trial(tmp_path):
    """Compile a query over `l`, of alpha and bravo, and `r`, of carol and alpha; with DuckDB over all their rows."""

    def make(sql, left, right):
        options = []
        database = duckdb.connect()
        for table, columns, rows, owners in (
            ("l", LEFT, left, ("alpha", "bravo")),
            ("r", RIGHT, right, ("carol", "alpha")),
        ):
            database.execute(f"CREATE TABLE {table} ({columns})")
            parts = []
            for n, owner in enumerate(owners):
                database.execute(f"CREATE TABLE {table}{n} ({columns})")
                for row in rows[n::2]:
                    database.execute(f"INSERT INTO {table}{n} VALUES ({', '.join(row)})")
                database.execute(f"INSERT INTO {table} FROM {table}{n}")
                database.execute(f"COPY {table}{n} TO '{tmp_path}/{table}{n}.parquet'")
                parts.append(f"{owner}:{tmp_path}/{table}{n}.parquet")
            options.append(f"{table}={','.join(parts)}")
        return prepare(sql, parse_tables(options), None), database

    return make


def joins_of(plan):
    return [step for step in plan.steps if isinstance(step, MpcStep) and isinstance(step.operator, Join)]


def assert_answers(sql, made, database):
    wanted = [tuple(map(plain, row)) for row in database.sql(sql).fetchall()]
    got = [tuple(map(plain, row.values())) for row in rows_of(made.run(lambda _: None).answer)]
    assert not (left_over := unmatched(got, wanted)), f"{sql}\n{left_over}"


@pytest.mark.parametrize("sql", QUERIES.values(), ids=QUERIES)
def test_no_pairs_are_compared(sql, trial):
    made, _ = trial(sql, *CASES["some rows"])
    assert all(step.unique_side is not None and not step.checks_keys for step in joins_of(made.plan))


@pytest.mark.parametrize("sql", OF_PAIRS.values(), ids=OF_PAIRS)
def test_what_reads_both_sides_of_a_pair_is_left_as_it_is(sql, trial):
    made, _ = trial(sql, *CASES["some rows"])
    assert [step.unique_side for step in joins_of(made.plan)] == [None]


@pytest.mark.parametrize("title", ["by the left", "of rows without a match"])
def test_the_answer_is_duckdbs(title, trial):
    assert_answers(QUERIES[title], *trial(QUERIES[title], *CASES["some rows"]))


EMPTY = [("by the left", case) for case in CASES] + [(title, case) for title in OF_NOTHING for case in CASES]


@pytest.mark.deep
@pytest.mark.parametrize(
    ("title", "case"), dict.fromkeys([*((title, case) for title in QUERIES for case in FULL), *EMPTY])
)
def test_extremes_are_as_duckdb_has_them(title, case, trial):
    assert_answers(QUERIES[title], *trial(QUERIES[title], *CASES[case]))


@pytest.mark.parametrize(("number", "n_rows", "fits"), [(1 << 58, 4, True), (-(1 << 58), 4, True), (1 << 61, 8, False)])
def test_a_sum_that_outgrows_its_word_by_how_often_it_counts_is_refused(number, n_rows, fits, trial):
    left, right = [["1", "1", "1", str(number), "1", "1", "'a'"]], [["1", "1", "1", "1", "'b'"]] * n_rows
    made, database = trial("SELECT SUM(b) AS a, COUNT(*) AS n FROM l JOIN r ON k = j", left, right)
    if fits:
        assert_answers("SELECT SUM(b) AS a, COUNT(*) AS n FROM l JOIN r ON k = j", made, database)
    else:
        with pytest.raises(TrialProblem, match=r"outgrow|too large|larger"):
            made.run(lambda _: None)


def test_more_pairs_than_may_be_compared_are_none(tmp_path):
    rows = "SELECT (i % 3)::INTEGER AS {}, (i % 1000)::INTEGER AS {} FROM range(5000) t(i)"
    with duckdb.connect() as database:
        for name, columns in (("l", ("k", "x")), ("r", ("j", "y"))):
            database.execute(f"COPY ({rows.format(*columns)}) TO '{tmp_path}/{name}.parquet'")
            database.execute(f"CREATE VIEW {name} AS FROM '{tmp_path}/{name}.parquet'")
        tables = parse_tables([f"l=alpha:{tmp_path}/l.parquet", f"r=bravo:{tmp_path}/r.parquet"])
        sql = "SELECT k, SUM(x) AS a, SUM(y) AS b, COUNT(*) AS n FROM l JOIN r ON k = j GROUP BY k"
        assert_answers(sql, prepare(sql, tables, None), database)
        with pytest.raises(TrialProblem, match="pair by pair"):
            prepare("SELECT SUM(x * y) AS a FROM l JOIN r ON k = j", tables, None).run(lambda _: None)
