"""Rows about whom nobody says: they count for no minimum, and no noise has to hide them, against brute force in Python."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.compile import compile_query
from conclave.ir.guard import NoiseAsked, Protection
from conclave.ir.nodes import Scan
from conclave.ir.types import Field, Integer, Varchar
from conclave.ir.walk import nodes_in
from conclave.local.duckdb import LocalEngine
from conclave.local.sqltext import to_sql
from conclave.plan.steps import LocalStep

pytestmark = pytest.mark.deep

FIELDS = (Field("patient", Integer(32)), Field("ward", Varchar(1)), Field("days", Integer(32)))
SCHEMA = pa.schema([("patient", pa.int32()), ("ward", pa.string()), ("days", pa.int32())])
Row = tuple[int | None, str, int]
ROWS = st.lists(
    st.tuples(st.sampled_from([None, None, 1, 2, 3]), st.sampled_from("AB"), st.integers(0, 8)), max_size=12
)
LEAST, MOST_READ = 2, 2


def scan() -> Scan:
    return Scan("visits", "alpha/visits", "alpha", FIELDS)


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    with LocalEngine() as engine:
        yield engine


NUMBERS = itertools.count()


def run(engine: LocalEngine, sql: str, rows: list[Row]) -> list[dict[str, object]]:
    """The answer over these rows, under a name of their own: an engine takes long to start."""
    table = pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)
    name = f"alpha/visits{next(NUMBERS)}"
    engine.register_table(name, table)
    return engine.run(sql.replace('"alpha/visits"', f'"{name}"')).to_pylist()


@settings(deadline=None, max_examples=25)
@given(ROWS)
def test_for_a_minimum_rows_of_nobody_are_of_no_subject_and_still_in_the_totals(engine, rows):
    asked = {"alpha/visits": Protection(subjects=("patient",), least=LEAST)}
    sql = "SELECT ward, COUNT(*) AS n, SUM(days) AS s FROM visits GROUP BY ward"
    plan = compile_query(sql, {"visits": scan()}, ("bravo",), ("alpha", "bravo", "carol"), asked)
    (step,) = (step for step in plan.steps if isinstance(step, LocalStep))
    groups = defaultdict(list)
    for row in rows:
        groups[row[1]].append(row)
    wanted = {
        (ward, len(there), sum(days for _, _, days in there))
        for ward, there in groups.items()
        if len({patient for patient, _, _ in there if patient is not None}) >= LEAST
    }
    assert {(each["ward"], each["n"], each["s"]) for each in run(engine, step.sql, rows)} == wanted


def read(engine: LocalEngine, rows: list[Row]) -> list[dict[str, object]]:
    """The rows that are read where at most two of one subject are."""
    asked = {"alpha/visits": Protection(noise=NoiseAsked(Fraction(1), "patient", MOST_READ))}
    plan = compile_query(
        "SELECT COUNT(*) AS n FROM visits", {"visits": scan()}, ("bravo",), ("alpha", "bravo", "carol"), asked
    )
    (found,) = (node for node in nodes_in(plan.query) if isinstance(node, Scan))
    return run(engine, to_sql(Scan("visits", "alpha/visits", "alpha", FIELDS, kept=found.kept)), rows)


@settings(deadline=None, max_examples=25)
@given(ROWS, ROWS)
def test_whatever_rows_a_person_has_beside_its_own_it_moves_totals_by_no_more_than_noise_hides(engine, rows, others):
    """Patient 1 is also behind rows that name nobody: all of them are exchanged for others, and so are its own."""
    kept = [row for row in rows if row[0] not in (1, None)]
    with_person = kept + [row for row in rows if row[0] in (1, None)]
    instead = kept + [row for row in others if row[0] in (1, None)]
    there, then = read(engine, with_person), read(engine, instead)
    assert abs(len(there) - len(then)) <= MOST_READ
    assert abs(sum(r["days"] for r in there) - sum(r["days"] for r in then)) <= MOST_READ * 8
    counts = Counter(row[0] for row in with_person if row[0] is not None)
    assert Counter(r["patient"] for r in there) == {patient: min(n, MOST_READ) for patient, n in counts.items()}
