"""Queries with owners' protections, run by parties in one process, and DuckDB over the pooled rows to hold them to."""

from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa

from conclave.compile import compile_query
from conclave.execute import execute
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, parse_type
from conclave.local.duckdb import LocalEngine
from conclave.mpc.inprocess import connect_all
from conclave.plan.steps import Plan

COMPUTE = ("alpha", "bravo", "carol")
VISITS = {"patient": "integer", "ward": "varchar(2)", "days": "integer", "cost": "bigint not null"}
PERSONS = {"person": "integer not null", "region": "varchar(1) not null"}
# Patient 3 is with alpha and bravo; 2 comes again and again; who 90 are about is not known.
ROWS = {
    "alpha/visits": [
        (1, "A", 3, 10), (2, "A", 4, 20), (2, "A", None, 25), (3, "A", 5, 30), (3, "B", 1, 7),
        (2, "C", 9, 9), (2, "C", 8, 9), (2, "C", 7, 9), (None, "C", 90, 90), (None, "D", 90, 90),
        (4, None, 2, 2), (7, None, None, 2),
    ],
    "bravo/visits": [
        (3, "A", 6, 40), (3, "B", 2, 8), (4, "B", None, 9), (5, "B", 4, 10), (6, "D", 3, 11), (6, None, None, 12),
    ],
    "carol/persons": [(1, "x"), (2, "x"), (3, "x"), (4, "y"), (5, "y"), (8, "y")],
}  # fmt: skip
COLUMNS = {"alpha/visits": VISITS, "bravo/visits": VISITS, "carol/persons": PERSONS}


def scan(dataset: str) -> Scan:
    owner, table = dataset.split("/")
    fields = (
        Field(n, parse_type(t.removesuffix(" not null")), "not null" not in t) for n, t in COLUMNS[dataset].items()
    )
    unique = frozenset({"person"} if table == "persons" else ())
    return Scan(table, dataset, owner, tuple(fields), unique)


TABLES = {"visits": Concat((scan("alpha/visits"), scan("bravo/visits"))), "persons": scan("carol/persons")}


def arrow(dataset: str) -> pa.Table:
    kinds = {"integer": pa.int32(), "bigint": pa.int64(), "varchar(2)": pa.string(), "varchar(1)": pa.string()}
    columns = list(zip(*ROWS[dataset], strict=True))
    return pa.table(
        {
            name: pa.array(values, kinds[kind.removesuffix(" not null")])
            for (name, kind), values in zip(COLUMNS[dataset].items(), columns, strict=True)
        }
    )


def compiled(sql, protections, recipients=("analyst",), tables=None) -> Plan:
    return compile_query(sql, tables or TABLES, tuple(recipients), COMPUTE, protections)


def run(plan: Plan, note=lambda networks: None, engine=LocalEngine, tables=None) -> dict[str, object]:
    """Walk all parties through a plan; return each one's answer, or what ended its walk. `note` sees their networks."""
    tables = tables or {dataset: arrow(dataset) for dataset in ROWS}
    names = tuple(dict.fromkeys((*COMPUTE, *plan.query.recipients)))
    networks = connect_all(names, 60.0)

    def walk(name):
        try:
            with engine() as own:
                for dataset, table in tables.items():
                    if dataset.startswith(f"{name}/"):
                        own.register_table(dataset, table)
                return execute(plan, name, networks[name], own, b"test", lambda _: None).answer
        except Exception as error:
            return error
        finally:
            networks[name].close()

    with ThreadPoolExecutor(len(names)) as pool:
        ended = dict(zip(names, pool.map(walk, names), strict=True))
    note(networks)
    return ended


def answer(plan: Plan) -> list[tuple]:
    """The rows that the first recipient gets, in any order."""
    ended = run(plan)
    found = ended[plan.query.recipients[0]]
    assert isinstance(found, pa.Table), ended
    return ordered(tuple(row.values()) for row in found.to_pylist())


def expected(sql: str) -> list[tuple]:
    """What DuckDB says that holds all rows."""
    with duckdb.connect() as connection:
        for dataset in ROWS:
            connection.register(dataset, arrow(dataset))
        connection.execute('CREATE VIEW visits AS FROM "alpha/visits" UNION ALL FROM "bravo/visits"')
        connection.execute('CREATE VIEW persons AS FROM "carol/persons"')
        return ordered(connection.execute(sql).fetchall())


def ordered(rows) -> list[tuple]:
    # A quotient under MPC is right to a unit of 2^-32 or two.
    rounded = (tuple(round(value, 6) if isinstance(value, float) else value for value in row) for row in rows)
    return sorted(rounded, key=lambda row: [(value is None, str(value)) for value in row])
