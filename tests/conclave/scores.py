"""An office that knows persons and two banks that know scores: their tables, any rows of them, and queries run over these."""

from concurrent.futures import ThreadPoolExecutor

import duckdb
import pyarrow as pa
from hypothesis import strategies as st

from conclave.execute import execute
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Field, parse_type
from conclave.local.duckdb import LocalEngine
from conclave.mpc.inprocess import connect_all
from conclave.twin import run_alone
from tests.conclave.protected import ordered
from tests.conclave.twins import assert_same_costs

COMPUTE = ("ftc", "bank-a", "bank-b")
PERSONS = {"ssn": "integer", "area": "varchar(12)", "born": "date"}
SCORES = {"person": "integer", "kind": "varchar(2)", "score": "integer"}
ARROW = {"integer": pa.int32(), "varchar(12)": pa.string(), "varchar(2)": pa.string(), "date": pa.date32()}


def scan(dataset, columns, unique=()):
    owner, table = dataset.split("/")
    fields = tuple(Field(name, parse_type(kind)) for name, kind in columns.items())
    return Scan(table, dataset, owner, fields, frozenset(unique), frozenset(unique))


def tables(unique=("ssn",)):
    return {
        "persons": scan("ftc/persons", PERSONS, unique),
        "scores": Concat((scan("bank-a/scores", SCORES), scan("bank-b/scores", SCORES))),
    }


KEYS = {("persons", "ssn"): ("ftc",), ("scores", "person"): ("ftc",)}
AREAS = {**KEYS, ("persons", "area"): ("ftc",)}
ALL = dict.fromkeys(AREAS, COMPUTE)
KINDS = {**ALL, ("scores", "kind"): COMPUTE}


def arrow(columns, rows):
    return pa.table(
        {name: pa.array([row[k] for row in rows], ARROW[kind]) for k, (name, kind) in enumerate(columns.items())}
    )


def run(plan, data):
    networks = connect_all((*COMPUTE, "analyst"), 60.0)

    def walk(name):
        try:
            with LocalEngine() as engine:
                for dataset, rows in data.items():
                    if dataset.startswith(f"{name}/"):
                        engine.register_table(dataset, rows)
                return execute(plan, name, networks[name], engine, b"test", lambda _: None)
        finally:
            networks[name].close()

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(networks, pool.map(walk, networks), strict=True))


def pooled(sql, data):
    with duckdb.connect() as connection:
        for dataset, rows in data.items():
            connection.register(dataset, rows)
        connection.execute('CREATE VIEW persons AS FROM "ftc/persons"')
        connection.execute('CREATE VIEW scores AS FROM "bank-a/scores" UNION ALL FROM "bank-b/scores"')
        return ordered(connection.execute(sql).fetchall())


NUMBERS = st.one_of(st.none(), st.integers(-3, 4))
AREA = st.sampled_from([None, "", "north", "a longer one"])
PERSON_ROWS = st.dictionaries(NUMBERS, st.tuples(AREA, st.none()), max_size=6).map(
    lambda found: [(key, *rest) for key, rest in found.items()]
)
SCORE_ROWS = st.lists(st.tuples(NUMBERS, st.sampled_from([None, "x", "yy"]), NUMBERS), max_size=7)


def data_of(persons, first, second):
    """Return the rows of the office's table and of each bank's, by dataset."""
    return {
        "ftc/persons": arrow(PERSONS, persons),
        "bank-a/scores": arrow(SCORES, first),
        "bank-b/scores": arrow(SCORES, second),
    }


def assert_answered(plan, sql, data):
    """Hold the three parties and the twin to DuckDB's rows over all data in one place, and to one another's costs."""
    ended = run(plan, data)
    with LocalEngine() as engine:
        for dataset, rows in data.items():
            engine.register_table(dataset, rows)
        alone, costs = run_alone(plan, engine)
    for answer in (ended["analyst"].answer, alone):
        assert ordered(tuple(row.values()) for row in answer.to_pylist()) == pooled(sql, data)
    assert_same_costs(plan, ended, costs)
