"""Programs of two parties in the clear: numpy runs them, DuckDB says what they must come to."""

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from conclave.cheetah.program import program_of
from conclave.cheetah.rows import Rows, Value, run
from conclave.compile import compile_query
from conclave.ir.errors import UnsupportedQuery
from conclave.ir.nodes import Concat, Scan
from conclave.ir.types import Decimal, Double, Field, Integer, Varchar
from conclave.local.duckdb import LocalEngine
from conclave.local.encode import EncodedColumn, decode, encode
from conclave.plan.steps import LocalStep, RevealStep

PAIR = ("alpha", "bravo")
VISITS = (
    Field("id", Integer(32), nullable=False),
    Field("ward", Varchar(3)),
    Field("cost", Decimal(9, 2)),
    Field("days", Integer(32)),
)
WARDS = (Field("name", Varchar(3)), Field("beds", Integer(32)))
TABLES = {
    "visits": Concat(tuple(Scan("visits", f"{name}/visits", name, VISITS) for name in PAIR)),
    "mine": Scan("mine", "alpha/mine", "alpha", VISITS),
    "wards": Scan("wards", "bravo/wards", "bravo", WARDS, frozenset({"name"})),
    "more": Scan("more", "bravo/more", "bravo", (Field("key", Integer(32)), Field("x", Double()), Field("s", Varchar(30)))),
}  # fmt: skip


def plan_of(sql, recipients=PAIR, compute=PAIR):
    return compile_query(sql, TABLES, recipients, compute, protocol="cheetah")


class InTheClear:
    """`rows.Engine` on numpy."""

    xp = np

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def sort(self, keys, carried):
        order = np.lexsort(list(reversed(keys)))
        return [column[order] for column in (*keys, *carried)]

    def scan(self, combine, columns):
        made = [[column[:1] for column in columns]]
        for k in range(1, len(columns[0])):
            made.append(list(combine(tuple(made[-1]), tuple(column[k : k + 1] for column in columns))))
        return tuple(np.concatenate(parts) for parts in zip(*made, strict=True))

    def random(self, n_rows):
        return self.rng.integers(0, 1 << 62, n_rows)


def answer_of(plan, data, padding=2):
    """Walk the plan as two parties do, with the program run on words in the clear."""
    program, clear, tables = program_of(plan), {}, {}
    for step in plan.steps:
        if isinstance(step, LocalStep) and step.party in ("alpha", "bravo") and step.name not in clear:
            with LocalEngine() as engine:
                for name, table in {**data, **clear}.items():
                    engine.register_table(name, table)
                clear[step.name] = engine.run(step.sql, step=step.name)
        if isinstance(step, RevealStep):
            for share in program.shares:
                tables[share.name] = shared(encode(clear[share.source], share.schema, share.texts), padding)
            opened = run(program.wire(), tables, InTheClear())
            exists = opened.valid
            columns = {}
            for f in step.schema:
                value = opened.columns[f.name]
                nulls = None if value.null is None else value.null[exists]
                columns[f.name] = EncodedColumn(value.words[exists], nulls)
            clear[step.name] = decode(columns, step.schema)
    return clear[next(reversed(clear))].to_pylist()


def shared(encoded, padding):
    columns = {}
    for name, column in encoded.columns.items():
        nulls = None if column.nulls is None else np.pad(column.nulls, (0, padding))
        columns[name] = Value(np.pad(column.words, (0, padding)), nulls)
    return Rows(columns, np.pad(np.ones(encoded.n_rows, bool), (0, padding)))


QUERIES = [
    "SELECT SUM(cost) AS s, COUNT(*) AS n, COUNT(days) AS c, MIN(days) AS lo, MAX(ward) AS hi FROM visits",
    "SELECT ward, SUM(cost) AS s, COUNT(*) AS n, COUNT(days) AS c, MIN(days) AS lo, MAX(days) AS hi FROM visits "
    "GROUP BY ward HAVING COUNT(*) > 1",
    "SELECT ward, days, COUNT(*) AS n FROM visits GROUP BY ward, days",
    "SELECT ward, SUM(days) AS s, COUNT(days) AS n, AVG(days) AS m, ROUND(AVG(days), 1) AS r FROM visits GROUP BY ward",
    "SELECT m.id, w.name, w.beds FROM mine m JOIN wards w ON m.ward = w.name WHERE m.days < w.beds",
    "SELECT w.name, SUM(m.cost) AS s FROM mine m JOIN wards w ON m.ward = w.name GROUP BY w.name",
    "SELECT m.id, CASE WHEN m.days * 2 >= w.beds OR m.cost IS NULL THEN -m.days ELSE w.beds + 1 END AS x, "
    "NOT (m.days = w.beds AND m.cost > 1.5) AS y, m.cost + w.beds AS z FROM mine m JOIN wards w ON m.ward = w.name",
]
LEAST, MOST = -(2**31) + 1, 2**31 - 1  # its negative is an integer, too
CASES = {
    "nobody has a row": ([], [], [1, 2, 3]),
    "NULLs and equal keys": ([("A", 1, 2), (None, None, None), ("A", 200, 2)], [("b", 3, 1), (None, 4, 0)], [1, None, 3]),
    "extremes": ([("", -300, LEAST), ("zzz", 300, MOST), ("A", 0, 0)], [("zzz", 1, MOST)], [LEAST, 0, MOST]),
}  # fmt: skip


def visits(rows, first=0):
    columns = [
        pa.array(range(first, first + len(rows)), pa.int32()),
        pa.array([ward for ward, _, _ in rows], pa.string()),
        pa.array([None if cost is None else cost for _, cost, _ in rows], pa.int64()).cast(pa.decimal128(19, 0)).cast(pa.decimal128(9, 2)),
        pa.array([days for _, _, days in rows], pa.int32()),
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, names=["id", "ward", "cost", "days"])


@pytest.mark.deep
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sql", QUERIES)
def test_a_program_answers_as_duckdb_does(sql, case):
    mine, theirs, beds = CASES[case]
    wards = pa.table({"name": pa.array(["A", "b", "zzz"]), "beds": pa.array(beds, pa.int32())})
    data = {
        "alpha/visits": visits(mine),
        "bravo/visits": visits(theirs, 100),
        "alpha/mine": visits(mine),
        "bravo/wards": wards,
    }
    with duckdb.connect() as pooled:
        # In DuckDB a product of integers has to fit an integer; ours has 64 bits.
        wide = {name: widened(table) for name, table in data.items()}
        for name in ("mine", "wards"):
            pooled.register(name, next(table for dataset, table in wide.items() if dataset.endswith(f"/{name}")))
        pooled.register("visits", pa.concat_tables([wide["alpha/visits"], wide["bravo/visits"]]))
        expected = pooled.execute(sql).fetchall()
    got = [tuple(row.values()) for row in answer_of(plan_of(sql), data)]
    assert sorted(map(repr, map(plain, got))) == sorted(map(repr, map(plain, expected)))


def widened(table):
    fields = [pa.field(f.name, pa.int64()) if pa.types.is_integer(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def plain(row):
    return tuple(float(value) if value is not None and not isinstance(value, str | bool) else value for value in row)


def test_a_limit_takes_the_first_rows_in_order_and_only_rows_that_exist():
    data = {"alpha/visits": visits([("A", 1, 5), ("b", 2, None)]), "bravo/visits": visits([("A", 3, 9)], 100)}
    got = answer_of(plan_of("SELECT id, days FROM visits ORDER BY days DESC NULLS LAST LIMIT 4"), data)
    assert got == [{"id": 100, "days": 9}, {"id": 0, "days": 5}, {"id": 1, "days": None}]


REFUSED = {
    "SELECT ward, AVG(days) AS m FROM visits GROUP BY ward": ("'/'", None, None),
    "SELECT m.id FROM mine m JOIN more k ON m.id = k.key": ("keys but once", 1, None),
    "SELECT m.id FROM mine m LEFT JOIN wards w ON m.ward = w.name": ("left join", 1, None),
    "SELECT m.id\nFROM mine m JOIN wards w ON m.ward = w.name WHERE m.days / w.beds > 2": ("double", 2, None),
    "SELECT m.id, w.beds % m.days AS x FROM mine m JOIN wards w ON m.ward = w.name": ("'%'", 1, 14),
    "SELECT ROW_NUMBER() OVER (ORDER BY days) AS r FROM visits": ("window", 1, None),
    "SELECT SUM(x) AS s FROM (SELECT x FROM more UNION ALL SELECT CAST(days AS DOUBLE) AS x FROM mine) u": ("double", None, None),
}  # fmt: skip


@pytest.mark.parametrize("sql", REFUSED)
def test_what_cheetah_cannot_is_refused_before_anything_runs_with_its_place(sql):
    what, line, column = REFUSED[sql]
    with pytest.raises(UnsupportedQuery) as caught:
        plan_of(sql)
    assert what in caught.value.what
    assert caught.value.fix
    if line is not None:
        assert caught.value.at is not None
        assert caught.value.at.line == line
    if column is not None:
        assert caught.value.at.column == column


def test_a_third_party_is_refused():
    with pytest.raises(UnsupportedQuery, match="carol would be one more"):
        plan_of("SELECT SUM(days) AS s FROM visits", recipients=("carol",))


def test_a_query_of_one_owner_needs_no_protocol():
    assert plan_of("SELECT AVG(days) AS m FROM mine").mpc is None
