"""Bounds hold where values leave their owner: in every type, through NULLs, and also if the owner's engine forgets them."""

import decimal
from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest

from conclave.ir.guard import Protection
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, parse_type
from conclave.ir.walk import bottom_up
from conclave.local.duckdb import LocalEngine
from conclave.local.encode import encode
from conclave.local.errors import EncodeProblem
from conclave.mpc.errors import ProtocolError
from conclave.plan.steps import ShareStep
from conclave.within import check_within
from policy.document import PolicyColumn
from policy.protections import clamp_of
from tests.conclave.protected import compiled, ordered, run

COLUMNS = {"who": "integer", "n": "integer", "d": "decimal(9,2)", "x": "double", "day": "date"}
BOUNDS = {"n": (-2, 5), "d": (0.105, 10.5), "x": (-0.25, 0.1)}
WITHIN = {"n": (-2, 5), "d": (decimal.Decimal("0.11"), decimal.Decimal("10.5")), "x": (-0.25, 0.1)}
ROWS = {
    "alpha/readings": [
        (1, 2**31 - 1, "9999999.99", 1e8, "2020-01-01"), (2, -(2**31), "-9999999.99", -1e8, "1900-01-01"),
        (3, 5, "10.50", 0.1, "2020-01-02"), (4, 6, "10.51", 0.1000001, None), (5, None, None, None, "2020-01-03"),
    ],
    "bravo/readings": [(1, 0, "0.10", -0.25, "2020-01-01"), (2, -3, "0.11", -0.2500001, None), (6, None, "3.00", None, None)],
}  # fmt: skip
KINDS = [pa.int32(), pa.int32(), pa.decimal128(9, 2), pa.float64(), pa.date32()]


def table_of(dataset: str) -> pa.Table:
    rows = [(a, b, c and decimal.Decimal(c), d, e) for a, b, c, d, e in ROWS[dataset]]
    arrays = [
        pa.array(values, pa.string()).cast(kind) if kind == pa.date32() else pa.array(values, kind)
        for values, kind in zip(zip(*rows, strict=True), KINDS, strict=True)
    ]
    return pa.table(dict(zip(COLUMNS, arrays, strict=True)))


def scan(dataset: str) -> Scan:
    fields = tuple(Field(name, parse_type(kind)) for name, kind in COLUMNS.items())
    return Scan("readings", dataset, dataset.split("/")[0], fields)


TABLES = {"readings": Concat(tuple(map(scan, ROWS))), "own": scan("alpha/readings")}
CLAMPS = tuple(clamp_of(name, PolicyColumn(type=COLUMNS[name], bounds=bounds)) for name, bounds in BOUNDS.items())
ASKED = dict.fromkeys(ROWS, Protection(clamps=CLAMPS))
READINGS = {dataset: table_of(dataset) for dataset in ROWS}


def oracle(sql: str, is_bounded: bool = True) -> list[tuple]:
    """What DuckDB says of all rows, each value brought within its bounds by Python."""
    with duckdb.connect() as connection:
        for dataset, table in READINGS.items():
            rows = table.to_pydict()
            for name, (low, high) in WITHIN.items() if is_bounded else ():
                rows[name] = [None if value is None else min(max(value, low), high) for value in rows[name]]
            connection.register(dataset, pa.table({k: pa.array(rows[k], t) for k, t in zip(rows, KINDS, strict=True)}))
        connection.execute('CREATE VIEW own AS FROM "alpha/readings"')
        connection.execute('CREATE VIEW readings AS FROM "alpha/readings" UNION ALL FROM "bravo/readings"')
        try:
            return ordered(connection.execute(sql).fetchall())
        except duckdb.OutOfRangeException:
            assert not is_bounded
            return []


# What of a column goes into MPC as it is, picked, or computed exactly: the gate knows within what it has to lie.
GATED = {
    "rows": "SELECT who, n, d, x, day FROM readings",
    "rows that pass": "SELECT who, d FROM readings WHERE day IS NOT NULL",
    "groups": "SELECT n, COUNT(*) AS k FROM readings GROUP BY n",
    "extremes": "SELECT MIN(x) AS lo, MAX(d) AS hi FROM readings",
    "computed": "SELECT who, 3 * n - 1 AS y, CASE WHEN who > 1 THEN d END AS z FROM readings",
    "a quantile": "SELECT QUANTILE_DISC(n, 0.9) AS q FROM readings",
    "a join": "SELECT a.n AS l, b.n AS r FROM readings AS a JOIN own AS b ON a.who = b.who",
}
TOTALS = ["SELECT SUM(n) AS s, SUM(d) AS t, SUM(x) AS u FROM readings", "SELECT AVG(d) AS m FROM readings"]


@pytest.mark.parametrize("sql", [*GATED.values(), *TOTALS])
def test_what_is_opened_is_of_values_within_their_bounds_in_every_type(sql):
    opened = run(compiled(sql, ASKED, tables=TABLES), tables=READINGS)["analyst"]
    assert isinstance(opened, pa.Table), opened
    assert ordered(tuple(row.values()) for row in opened.to_pylist()) == oracle(sql)
    assert oracle(sql) != oracle(sql, is_bounded=False)  # or this says nothing


class Careless(LocalEngine):
    """An engine that reads its owner's rows as they are."""

    def answer(self, query, step="query"):
        return super().answer(bottom_up(query, lambda n: replace(n, clamps=()) if isinstance(n, Scan) else n), step)


@pytest.mark.parametrize("sql", GATED.values(), ids=GATED)
def test_an_engine_that_forgets_the_bounds_shares_nothing(sql):
    plan = compiled(sql, ASKED, tables=TABLES)
    assert any(isinstance(step, ShareStep) for step in plan.steps)
    ended = run(plan, engine=Careless, tables=READINGS)
    assert isinstance(ended["alpha"], EncodeProblem), ended
    assert "beyond the bounds" in str(ended["alpha"])
    assert not any(
        digit in str(ended["alpha"]).removeprefix(f"column {ended['alpha'].column}") for digit in "0123456789"
    )
    for other in ("bravo", "carol", "analyst"):
        assert isinstance(ended[other], EncodeProblem | ProtocolError), ended


@pytest.mark.parametrize("name", WITHIN)
def test_each_bound_of_each_type_is_looked_at(name):
    """One value, one unit of its type beyond the bound, in one row of many."""
    plan = compiled(f"SELECT {name} FROM readings", ASKED, tables=TABLES)
    step = next(each for each in plan.steps if isinstance(each, ShareStep) and each.party == "alpha")
    (shared,) = step.schema
    unit = {"n": 1, "d": decimal.Decimal("0.01"), "x": 2**-32}[name]
    kind, (low, high) = KINDS[list(COLUMNS).index(name)], WITHIN[name]
    for value in (low, high, None):
        check_within(encode(pa.table({shared.name: pa.array([low, value, high], kind)}), step.schema), plan, step)
    for value in (low - unit, high + unit):
        table = encode(pa.table({shared.name: pa.array([low, None, value, high], kind)}), step.schema)
        with pytest.raises(EncodeProblem, match=f"column {shared.name}: has a value beyond the bounds"):
            check_within(table, plan, step)
