"""A query whose author reads a column twice, again and again, keeps nobody's checks busy for long."""

import time

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, Integer
from policy.verify import Request, verify
from tests.policy.conftest import policy

OWNERS = ("alpha", "bravo", "carol")


def scan(table, owner, *columns):
    return Scan(table, f"{owner}/{table}", owner, tuple(Field(name, Integer()) for name in columns))


TABLES = {
    "visits": Concat(tuple(scan("visits", owner, "g", "x0") for owner in OWNERS[:2])),
    "wards": scan("wards", "carol", "w", "y"),
}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT SUM(x25) AS s FROM {} JOIN wards ON g = w",
        "SELECT SUM(g) AS s FROM {} WHERE x25 > 3",
        "SELECT SUM(g) AS s FROM {} JOIN wards ON g = w WHERE x25 > 3 AND x25 < y",
        "SELECT x25 AS k, COUNT(*) AS n FROM {} JOIN wards ON x25 = w GROUP BY x25",
        "SELECT SUM(CASE WHEN x25 > 3 THEN 1 END) AS s, COUNT(*) AS n FROM {}",
    ],
)
def test_what_reads_a_column_twice_again_and_again_is_compiled_and_judged_in_bounded_time(query):
    steps = "visits"
    for n in range(25):
        steps = f"(SELECT x{n} * 2 - x{n} AS x{n + 1}, g FROM {steps}) AS q{n}"
    started = time.process_time()
    plan = compile_query(query.format(steps), TABLES, ("alpha",), OWNERS)
    columns = {"g": {"type": "integer"}, "x0": {"type": "integer"}}
    granted = [{"to": ["*"], "purposes": ["*"], "columns": {name: ["sum", "filter"] for name in columns}}]
    owned = policy("alpha/visits", columns=columns, grants=granted, minimum={"subjects": 3})
    assert verify(plan, {"alpha/visits": owned}, Request("research")).reasons
    assert time.process_time() - started < 10
