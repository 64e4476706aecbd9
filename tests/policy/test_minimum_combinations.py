"""An independent word on what a minimum means: nothing that can be computed from an answer is of fewer people than that.

Sums and counts are linear in what they are over, so an answer of them is a matrix: how much each of its numbers changes
with each person's values, or with how often each person's rows count. What recipients can compute by adding and
subtracting is the space that its rows span. If that holds a vector of fewer people than the minimum, somebody is told
of them: the difference of two groups, of a total and its parts, of two conditions.
"""

import itertools
import random
from decimal import Decimal

import duckdb
import numpy as np
import pytest

import policy.verify
from tests.policy.conftest import COLUMNS
from tests.policy.test_interference import load, to_sql
from tests.policy.test_minimum_interference import accepted, asks

LEAST, N_PEOPLE, N_QUERIES = 4, 12, 250
UNIT = 1000  # a value's; one is added to it, so that no order changes


class Questions:
    """Random sums and counts over visits, of the kinds that analysts ask, and that could be taken from one another."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def pick(self, *choices):
        return self.random.choice(choices)

    def query(self) -> str:
        match self.pick("one", "one", "one", "union", "with", "window", "joined", "nested"):
            case "union":
                left, right = self.pick("'all'", "dept"), self.pick("dept", "'part'")
                group = [f" GROUP BY {key}" if key == "dept" else "" for key in (left, right)]
                call = self.call()
                return (
                    f"SELECT {left} AS k, {call} AS c FROM visits{self.where()}{group[0]} UNION ALL "
                    f"SELECT {right} AS k, {self.pick(call, self.call())} AS c FROM visits{self.where()}{group[1]}"
                )
            case "with":
                key, call = self.key(), self.call()
                return (
                    f"WITH g AS (SELECT {key} AS k, {call} AS c FROM visits{self.where()} GROUP BY {key}), "
                    f"t AS (SELECT {self.pick(call, self.call())} AS c FROM visits{self.where()}) "
                    f"SELECT g.k, {self.pick('g.c AS g', 't.c - g.c AS g', '1.0 * g.c AS g')}, t.c AS t FROM g CROSS JOIN t"
                )
            case "window":
                key, call = self.key(), self.call()
                return f"SELECT {key} AS k, {call} AS c, SUM({self.pick(call, self.call())}) OVER () AS t FROM visits{self.where()} GROUP BY {key}"
            case "joined":
                on = self.pick("age = income", "ssn = pid", "id = pid", "pay = income")
                how = self.pick("", "LEFT ", "SEMI ", "ANTI ")
                keys = (
                    self.pick("", "dept")
                    if how in ("SEMI ", "ANTI ")
                    else self.pick("", "dept", "region", "region, dept")
                )
                return f"SELECT {keys + ', ' if keys else ''}{self.calls()} FROM visits {how}JOIN people ON {on}{self.where()}{f' GROUP BY {keys}' if keys else ''}"
            case "nested":
                inner = self.pick("id", "id, dept", "dept, age", "ssn, dept", "age")
                call = self.pick("COUNT(*)", "SUM(pay)", "COUNT(age)", "AVG(pay)", "COUNT(DISTINCT ssn)")
                outer = self.pick("SUM(c)", "COUNT(*)", "SUM(c) AS s, COUNT(*)", f"COUNT_IF(c > {self.pick(1, 2)})")
                having = self.pick("", f" HAVING COUNT(*) {self.pick('>', '=', '<')} {self.pick(1, 2)}")
                return f"SELECT {outer} AS n FROM (SELECT {inner}, {call} AS c FROM visits{self.where()} GROUP BY {inner}{having}) q"
        keys = [self.key() for _ in range(self.pick(0, 1, 1, 2))]
        sets = self.pick("{}", "{}", "{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())")
        group = f" GROUP BY {sets.format(', '.join(keys))}" if keys else ""
        named = "".join(f"{key} AS k{n}, " for n, key in enumerate(keys))
        having = self.pick(
            "", "", "", f" HAVING {self.pick('COUNT(*)', 'COUNT(age)', 'MAX(age)', 'SUM(ssn)')} > {self.pick(1, 2, 3)}"
        )
        return f"SELECT {named}{self.calls()} FROM visits{self.where()}{group}{having if group else ''}"

    def calls(self) -> str:
        return ", ".join(f"{self.call()} AS c{n}" for n in range(self.pick(1, 1, 2, 3)))

    def key(self) -> str:
        return self.pick(
            "dept",
            "dept",
            "age",
            "ssn",
            "dept",
            f"{self.condition()}",
            f"CASE WHEN {self.condition()} THEN 'x' ELSE dept END",
            "age % 2",
        )

    def call(self) -> str:
        condition, other = self.condition(), self.pick("0", "ssn", "NULL", "-pay")
        call = self.pick(
            "COUNT(*)", "SUM(pay)", "SUM(pay)", "AVG(pay)", "COUNT(age)", "COUNT(DISTINCT ssn)", "COUNT(DISTINCT age)", "SUM(age)",
            f"SUM(CASE WHEN {condition} THEN pay ELSE {other} END)", f"COUNT_IF({condition})", "SUM(pay * ssn)", "SUM(pay + ssn)",
            "SUM(pay * 3)", "SUM(DISTINCT pay)", "COUNT(NULLIF(ssn, 3))", "SUM(COALESCE(age, 9))", "SUM(GREATEST(ssn, 4))",
            f"SUM(pay) / {self.pick('COUNT(*)', 'COUNT(age)', 'SUM(ssn)')}", "REGR_COUNT(pay, age)", "SUM(ABS(ssn - 3))",
        )  # fmt: skip
        filtered = self.random.random() < 0.25 and "/" not in call
        return f"{call} FILTER (WHERE {self.condition()})" if filtered else call

    def condition(self) -> str:
        column, value = self.pick("age", "age", "ssn", "ssn", "id", "pay"), self.pick(2, 3, 4, 7)
        return self.pick(
            f"{column} > {value}", f"{column} <> {value}", f"{column} = {value}", f"{column} IS NULL", f"{column} IS NOT NULL",
            f"{column} BETWEEN {value} AND 4", f"{column} IN (2, {value})", f"{column} NOT IN (5, {value})", "dept = 'a'", "dept <> 'b'",
            f"dept = 'a' AND {column} <> {value}", f"dept = 'a' OR {column} = {value}", f"{column} % 2 = 1", "age < ssn",
            "NOT (dept = 'a' AND age = 3)", "1 = 1",
        )  # fmt: skip

    def where(self) -> str:
        return self.pick("", "", f" WHERE {self.condition()}", f" WHERE {self.condition()} AND {self.condition()}")


def people(rng: random.Random):
    """Rows of visits, most people with one; and a table of people."""
    ids = [*range(N_PEOPLE), *rng.sample(range(N_PEOPLE), 3)]
    visits = [
        {
            "id": each,
            "ssn": rng.randint(2, 5),
            "dept": rng.choice("aab"),
            "pay": UNIT * rng.randint(1, 9),
            "age": None if rng.random() < 0.15 else rng.randint(2, 5),
        }
        for each in ids
    ]
    others = [{"pid": each, "region": rng.choice("xy"), "income": rng.randint(2, 5)} for each in range(N_PEOPLE)]
    return {"alpha/visits": visits, "bravo/people": others}


def numbers(connection, sql, visits):
    """The answer: its numbers, and all else of it."""
    load(connection, {"alpha/visits": visits})
    values = [value for row in connection.sql(sql).fetchall() for value in row]
    is_number = [isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in values]
    rest = [None if number else value for number, value in zip(is_number, values, strict=True)]
    return np.array([float(v) for v, number in zip(values, is_number, strict=True) if number]), rest


def changes(connection, sql, visits, change, rng):
    """How much each number changes with each row of visits; None where they do not change in proportion."""
    base, rest = numbers(connection, sql, visits)
    one_by_one = [[int(row == other) for other in range(len(visits))] for row in range(len(visits))]
    all_at_once = [rng.randint(0, 2) for _ in visits]
    found = []
    for how_much in (*one_by_one, all_at_once):
        values, others = numbers(connection, sql, change(visits, how_much))
        if others != rest or len(values) != len(base):
            return None
        found.append(values - base)
    matrix = np.array(found[:-1]).T
    return matrix if np.allclose(matrix @ all_at_once, found[-1]) else None


def worth_more(visits, how_much):
    return [{**row, "pay": row["pay"] + more} for row, more in zip(visits, how_much, strict=True)]


def more_often(visits, how_much):
    return [row for row, more in zip(visits, how_much, strict=True) for _ in range(1 + more)]


def is_of_few(matrix, ids):
    """The few people of whom something can be computed, if there are such."""
    matrix = matrix[np.any(np.abs(matrix) > 1e-9, axis=1)]
    if not len(matrix):
        return None
    rank = np.linalg.matrix_rank(matrix, tol=1e-6)
    for few in itertools.combinations(sorted(set(ids)), LEAST - 1):
        others = [index for index, each in enumerate(ids) if each not in few]
        if np.linalg.matrix_rank(matrix[:, others], tol=1e-6) < rank:
            return few
    return None


def looked_at(seed, n_queries):
    """Yield each answer that was looked at: its question, and the few of whom it tells."""
    policies = {dataset: asks(dataset, LEAST) for dataset in COLUMNS}
    rng, questions = random.Random(seed), Questions(seed)
    with duckdb.connect() as connection:
        for _ in range(n_queries):
            query = questions.query()
            plan = accepted(query, policies, ("analyst",))
            if plan is None:
                continue
            sql = f"SELECT * FROM ({to_sql(plan.query)}) ORDER BY ALL"
            for _ in range(2):
                data = people(rng)
                load(connection, data)
                visits = data["alpha/visits"]
                for change in (worth_more, more_often):
                    matrix = changes(connection, sql, visits, change, rng)
                    if matrix is not None and change is more_often:  # a sum of values is no number of rows
                        matrix = matrix[np.all(np.isclose(matrix, 0) | np.isclose(matrix, 1), axis=1)]
                    if matrix is not None and matrix.size:
                        yield query, is_of_few(matrix, [row["id"] for row in visits])


@pytest.mark.deep
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_can_be_computed_from_an_answer_is_of_too_few(seed):
    seen = list(looked_at(seed, N_QUERIES))
    assert not [(query, few) for query, few in seen if few]
    assert len(seen) >= N_QUERIES / 3  # or this says little


@pytest.mark.deep
def test_a_verifier_that_forgets_differences_is_found_out(monkeypatch):
    monkeypatch.setattr(policy.verify, "check_differencing", lambda *_: ())
    assert any(few for _, few in looked_at(3, N_QUERIES))
