"""Small tables that several parties hold parts of, and DuckDB over all of them as the oracle."""

import datetime
import decimal
import math
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from conclave.ir.nodes import Concat, Node, Scan
from conclave.ir.types import Field, Type, parse_type
from conclave.ir.walk import scans_in
from conclave.local.sqltext import duckdb_type, view_name

FIXTURES = Path(__file__).parents[2] / "fixtures"
RECIPIENTS = ("regulator",)


class Query(NamedTuple):
    title: str
    sql: str


def _table(name: str, columns: str, *datasets: str) -> Node:
    fields = []
    for column in columns.split(", "):
        called, kind, *rest = column.split(" ")
        fields.append(Field(called, parse_type(kind), nullable=not rest))
    scans = tuple(Scan(name, dataset, dataset.split("/")[0], tuple(fields)) for dataset in datasets)
    return scans[0] if len(scans) == 1 else Concat(scans)


TABLES: dict[str, Node] = {
    "flights": _table(
        "flights",
        "carrier varchar(2), delay integer, miles decimal(6,2), speed double, day date, late boolean, n smallint !",
        *("alpha/flights", "bravo/flights", "carol/flights"),
    ),
    # Bravo holds two datasets of one table.
    "visits": _table("visits", "id integer !, ward integer, cost bigint", "alpha/visits", "bravo/may", "bravo/june"),
    "wards": _table("wards", "ward integer, name varchar(12), beds smallint, cost decimal(4,1)", "carol/wards"),
    "fares": _table("fares", "carrier varchar(8), fare decimal(5,2), delay bigint", "alpha/fares", "carol/fares"),
}


def queries(path: Path) -> list[Query]:
    """Return the queries of a file: a line `-- title`, then the SQL, then an empty line."""
    found = []
    for block in path.read_text().strip().split("\n\n"):
        title, sql = block.split("\n", 1)
        found.append(Query(title.removeprefix("-- "), sql))
    return found


def pooled(seed: int, n_rows: int) -> duckdb.DuckDBPyConnection:
    """Return DuckDB with random rows: a table for each dataset and a view of all rows for each logical table."""
    rng = np.random.default_rng(seed)
    connection = duckdb.connect()
    # In this project a division by zero is NULL, and no error or infinity.
    connection.execute("SET error_on_division_by_zero = false")
    connection.execute("SET ieee_floating_point_ops = false")
    for name, table in TABLES.items():
        for position, scan in enumerate(scans_in(table)):
            declared = ", ".join(f'"{f.name}" {duckdb_type(f.type)}' for f in scan.schema)
            connection.execute(f"CREATE TABLE {view_name(scan.dataset)} ({declared})")
            # One part in three has no rows at all.
            for _ in range(0 if (seed + position) % 3 == 2 else n_rows):
                row = [_value(rng, f) for f in scan.schema]
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {view_name(scan.dataset)} VALUES ({marks})", row)
        parts = " UNION ALL ".join(f"SELECT * FROM {view_name(scan.dataset)}" for scan in scans_in(table))
        connection.execute(f"CREATE VIEW {name} AS {parts}")
    return connection


def _value(rng: np.random.Generator, field: Field) -> object:
    if field.nullable and rng.random() < 0.2:
        return None
    return _SAMPLES[str(field.type).split("(")[0]](rng)


_SAMPLES = {
    "varchar": lambda rng: ["", "AA", "B6", "DL"][rng.integers(4)],
    "smallint": lambda rng: int(rng.integers(-5, 6)),
    "integer": lambda rng: int(rng.integers(-3, 8)),
    "bigint": lambda rng: int(rng.integers(-3, 30)),
    "decimal": lambda rng: decimal.Decimal(int(rng.integers(-50, 51))) / 10,
    "double": lambda rng: float(rng.integers(-20, 21)) / 8,
    "boolean": lambda rng: bool(rng.integers(2)),
    "date": lambda rng: datetime.date(2013, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 60))),
}


class Result(NamedTuple):
    names: list[str]
    types: list[str]
    rows: list[tuple[object, ...]]


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> Result:
    """Return what DuckDB answers."""
    relation = connection.sql(sql)
    return Result(relation.columns, [str(kind) for kind in relation.types], relation.fetchall())


def types_of(fields: tuple[Field, ...]) -> list[str]:
    """Return the types as DuckDB reports them."""
    return [_reported(f.type) for f in fields]


def _reported(kind: Type) -> str:
    return duckdb_type(kind)


def assert_same_rows(got: Result, expected: Result, *, ordered: bool) -> None:
    """Check that both hold the same rows; numbers to twelve digits, and in the same order if there is one."""
    assert len(got.rows) == len(expected.rows)
    rows = [[_plain(value) for value in row] for row in got.rows]
    wanted = [[_plain(value) for value in row] for row in expected.rows]
    if not ordered:
        rows, wanted = sorted(rows, key=repr), sorted(wanted, key=repr)
    for row, want in zip(rows, wanted, strict=True):
        for value, other in zip(row, want, strict=True):
            if isinstance(value, float) and isinstance(other, float):
                assert math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-9)
            else:
                assert value == other


def _plain(value: object) -> object:
    """Return a number as a double of few digits, so that sorting does not hang on the last bit."""
    if isinstance(value, bool) or not isinstance(value, int | float | decimal.Decimal):
        return value
    return float(f"{float(value):.11g}") + 0.0
