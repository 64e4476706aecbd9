"""An independent word on conditions that leave few values: what is told of the rest fits several groups of people, or one alone.

Random conditions on a column whose sum, spread and number are told. Where they are accepted, some two groups of just enough
people differ in who has which value, and agree in all of that; where a condition leaves one value, there is nothing to differ in.
"""

import random
from itertools import combinations_with_replacement

import duckdb

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
    "age": {"type": "integer"},
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


def is_told_apart(values: list[int]) -> bool:
    """Whether each group of so many people of these values has a sum and a sum of squares of its own."""
    seen = set()
    for group in combinations_with_replacement(values, LEAST):
        told = sum(group), sum(each * each for each in group)
        if told in seen:
            return False
        seen.add(told)
    return True


def test_what_is_told_of_values_that_conditions_leave_does_not_say_how_many_have_each():
    rng, accepted, told_apart = random.Random(3), 0, 0
    with duckdb.connect() as connection:
        for _ in range(400):
            where = " AND ".join(condition(rng) for _ in range(rng.randint(1, 3)))
            values = [
                v for (v,) in connection.sql(f"SELECT pay FROM range({LAST + 1}) AS t(pay) WHERE {where}").fetchall()
            ]
            sql = f"SELECT SUM(pay) AS s, VAR_POP(pay) AS v, COUNT(*) AS n FROM visits WHERE {where}"
            accepted += (is_let_in := is_accepted(sql))
            told_apart += (is_solved := len(values) > 1 and is_told_apart(values))
            assert not (is_let_in and is_solved), where
    assert min(accepted, told_apart) > 30, (accepted, told_apart)
