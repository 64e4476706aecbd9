"""Which queries answer the same whenever they are run: DuckDB, over the same rows in many orders, is the judge."""

import itertools

import duckdb
import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Scan
from conclave.ir.picks import picks_among_equals
from conclave.ir.types import Field, Integer, Varchar

ROWS = [("a", 1), ("a", 2), ("b", 1), ("b", 3)]
TABLE = Scan("t", "alpha/t", "alpha", (Field("g", Varchar(2)), Field("x", Integer(32))))
GROUPS = "SELECT g, COUNT(*) AS n, AVG(x) AS m FROM t GROUP BY g"

PICKS = [
    "SELECT g FROM t LIMIT 1",
    "SELECT g, x FROM t ORDER BY g LIMIT 1",
    "SELECT g, x FROM t ORDER BY x LIMIT 1",
    "SELECT g, x, n FROM t JOIN (SELECT g AS h, COUNT(*) AS n FROM t GROUP BY g) AS q ON g = h ORDER BY n LIMIT 1",
    "SELECT x, ROW_NUMBER() OVER (PARTITION BY g ORDER BY g) AS r FROM t",
    "SELECT g, LAG(x) OVER (ORDER BY g) AS r FROM t",
    "SELECT x, SUM(x) OVER (ORDER BY g ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS r FROM t",
]
PICKS_GROUPS = [  # which DuckDB, unlike MPC, always has in one order
    f"{GROUPS} ORDER BY n LIMIT 1",
    f"SELECT SUM(m) AS s FROM ({GROUPS} ORDER BY n LIMIT 1) AS q",
]
THE_SAME = [
    "SELECT g, x FROM t",
    "SELECT g, x FROM t ORDER BY x, g LIMIT 3",
    f"{GROUPS} ORDER BY n, g LIMIT 1",
    f"{GROUPS} HAVING COUNT(*) > 1 ORDER BY g DESC LIMIT 1",
    f"SELECT m, g AS other FROM ({GROUPS}) AS q ORDER BY m, other LIMIT 1",
    "SELECT g, x, RANK() OVER (PARTITION BY g ORDER BY x) AS r FROM t",
    "SELECT g, x, SUM(x) OVER (PARTITION BY g) AS r FROM t",
    "SELECT g, MEDIAN(x) AS m FROM t GROUP BY g",
]


def answers(sql: str) -> set[tuple[str, ...]]:
    """What DuckDB answers, over the rows in several orders; the order of the answer's own rows aside."""
    found = set()
    with duckdb.connect(config={"threads": 1}) as connection:
        for rows in list(itertools.permutations(ROWS))[::3]:
            values = ", ".join(map(str, rows))
            connection.execute(f"CREATE OR REPLACE TABLE t AS SELECT * FROM (VALUES {values}) AS v(g, x)")
            found.add(tuple(sorted(map(repr, connection.execute(sql).fetchall()))))
    return found


@pytest.mark.parametrize("sql", [*PICKS, *PICKS_GROUPS, *THE_SAME])
def test_what_picks_among_equal_rows_is_known_to(sql):
    plan = compile_query(sql, {"t": TABLE}, ("carol",), ("alpha", "bravo", "carol"))
    assert picks_among_equals(plan.query) == (sql not in THE_SAME)
    assert (len(answers(sql)) > 1) == (sql in PICKS)
