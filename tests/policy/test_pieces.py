"""An independent word on conditions that leave few values: what is told of the rest fits several groups of people, or one alone.

Random conditions on a column whose sum, spread and number are told. Where they are accepted, some two groups of just enough
people differ in who has which value, and agree in all of that; where a condition leaves one value, there is nothing to differ in.
So it is where the column is compared with another one, and the condition is on that.
"""

import math
import random
from collections import Counter
from itertools import combinations_with_replacement

import duckdb
import pytest

from conclave.compile import compile_query
from policy.protections import protections_of
from policy.verify import Request, verify
from tests.policy.conftest import policy, scan

LEAST, LAST = 5, 30
COLUMNS = {
    "id": {"type": "bigint", "subject": True},
    "ssn": {"type": "bigint"},
    "dept": {"type": "varchar(5)"},
    "pay": {"type": "integer", "bounds": [0, LAST]},
    "age": {"type": "integer", "bounds": [0, LAST]},
}
OPERATORS = ("=", "<>", "<", "<=", ">", ">=")


ASKS = {
    "alpha/visits": policy(
        "alpha/visits", {name: ["open"] for name in COLUMNS}, columns=COLUMNS, minimum={"subjects": LEAST}
    )
}


def is_accepted(sql: str) -> bool:
    plan = compile_query(
        sql, {"visits": scan("alpha/visits")}, ("analyst",), ("alpha", "bravo", "carol"), protections_of(ASKS)
    )
    return verify(plan, ASKS, Request("research")).decision == "accept"


def condition(rng: random.Random) -> str:
    n, m = sorted((rng.randrange(LAST), rng.randrange(LAST)))
    some = ", ".join(str(rng.randrange(LAST)) for _ in range(rng.randint(1, 4)))
    either = " OR ".join(f"pay {rng.choice(OPERATORS)} {rng.randrange(LAST)}" for _ in range(2))
    return rng.choice(
        [
            *(f"pay {operator} {n}" for operator in OPERATORS),
            f"pay BETWEEN {n} AND {m}",
            f"pay > {n}.5 AND pay < {n + 3}.5",
            f"pay {rng.choice(OPERATORS)} {n}.5",
            f"pay BETWEEN {n} AND {n + rng.randrange(LEAST + 3)}",
            f"pay IN ({some})",
            f"pay NOT IN ({some})",
            f"NOT (pay < {m} AND pay > {n})",
            f"({either})",
            f"pay % {n + 1} = 0",
            f"pay * 2 > {n}",
        ]
    )


def compared(rng: random.Random) -> str:
    """Return conditions that bound a column by another one."""
    n, m = sorted((rng.randrange(LAST), rng.randrange(LAST)))
    link = rng.choice(
        [
            *(f"pay {operator} age" for operator in OPERATORS),
            f"pay = age + {n}",
            f"age - pay <= {rng.randint(-5, 5)}",
            f"pay + {n} > age",
            f"pay + age = {m}",
            f"age + pay < {n}",
        ]
    )
    other = rng.choice(
        [f"age {rng.choice(OPERATORS)} {n}", f"age BETWEEN {n} AND {m}", f"age IN ({n}, {m})", "age >= 0"]
    )
    own = rng.choice(["pay >= 0", "pay >= 0", f"pay > {m}", f"pay < {n}"])
    return f"{link} AND {other} AND {own}"


def left_by(connection: duckdb.DuckDBPyConnection, where: str) -> list[int]:
    """Return which values of pay pass, whatever the age."""
    every = f"range({LAST + 1}) AS t(pay), range({LAST + 1}) AS u(age)"
    return [v for (v,) in connection.sql(f"SELECT DISTINCT pay FROM {every} WHERE {where} ORDER BY pay").fetchall()]


def is_told_apart(values: list[int]) -> bool:
    """Whether each group of so many people of these values has a sum and a sum of squares of its own."""
    seen = set()
    for group in combinations_with_replacement(values, LEAST):
        told = sum(group), sum(each * each for each in group)
        if told in seen:
            return False
        seen.add(told)
    return True


@pytest.mark.parametrize("make", [condition, compared])
def test_what_is_told_of_values_that_conditions_leave_does_not_say_how_many_have_each(make):
    rng, accepted, told_apart = random.Random(3), 0, 0
    with duckdb.connect() as connection:
        for _ in range(400):
            where = make(rng) if make is compared else " AND ".join(make(rng) for _ in range(rng.randint(1, 3)))
            values = left_by(connection, where)
            sql = f"SELECT SUM(pay) AS s, VAR_POP(pay) AS v, COUNT(*) AS n FROM visits WHERE {where}"
            accepted += (is_let_in := is_accepted(sql))
            told_apart += (is_solved := len(values) > 1 and is_told_apart(values))
            assert not (is_let_in and is_solved), where
    assert min(accepted, told_apart) > 25, (accepted, told_apart)


def by_people(told: str, having: str) -> str:
    return f"SELECT SUM(p) AS s FROM (SELECT id, {told} AS p FROM visits GROUP BY id HAVING {having}) AS v"


@pytest.mark.parametrize("told", ["SUM(pay)", "MAX(pay)", "MIN(pay)"])
@pytest.mark.parametrize("asked", ["SUM(pay)", "MAX(pay)", "COUNT(*)"])
def test_what_is_asked_of_a_persons_values_bounds_what_is_told_of_them(told, asked):
    """Of `few`, each person's numbers are 0 or 1; a number of rows is no bound on their sizes, and no value is one of it."""
    few, many = by_people(told, f"{asked} < 2"), by_people(told, f"{asked} < 25")
    assert is_accepted(many)
    assert is_accepted(few) == (asked == "COUNT(*)")
    assert not is_accepted(by_people("COUNT(*)", "COUNT(*) < 3"))


@pytest.mark.parametrize("function", [math.sqrt, lambda age: 1 / (age + 1)], ids=["SQRT(age)", "1.0 / (age + 1)"])
def test_the_digits_of_a_sum_of_roots_or_fractions_are_a_list(function, request):
    """Many a group of just enough people has a sum of its own, to MPC's last digit; of plain ages hardly one has."""
    groups = list(combinations_with_replacement(range(LAST + 1), LEAST))
    sums = Counter(round(sum(map(function, group)) * 2**32) for group in groups)
    plain = Counter(map(sum, groups))
    alone, plainly_alone = (sum(n == 1 for n in each.values()) / len(groups) for each in (sums, plain))
    assert alone > 0.3 > 0.001 > plainly_alone
    term = request.node.callspec.id
    assert not any(is_accepted(f"SELECT {call}({term}) AS s FROM visits") for call in ("SUM", "AVG", "STDDEV"))
    assert is_accepted(f"SELECT SUM(pay * {term}) AS s FROM visits") == ("/" in term)
    assert is_accepted("SELECT SQRT(SUM(age)) AS s, 1.0 / SUM(age) AS t FROM visits")
