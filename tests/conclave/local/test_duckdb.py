"""The engine computes, and can do nothing else."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conclave.ir.types import Decimal, Field, Integer, Varchar
from conclave.local.duckdb import LocalEngine
from conclave.local.errors import LocalError
from conclave.local.format import CSV, PARQUET, file_format

SCHEMA = (Field("id", Integer(32)), Field("name", Varchar(20)), Field("pay", Decimal(9, 2)))
TEXT = 'id,name,pay\n1,"O\'Hare, Ada",10.50\n2,,3\nNA,x,NA\n'


def test_a_file_becomes_a_table_of_the_declared_types(tmp_path):
    path = tmp_path / "o'pay.csv"
    path.write_text(TEXT.replace("NA", ""))
    with LocalEngine(temp_directory=tmp_path / "spill") as engine:
        engine.register_file("alpha/pay", path, CSV, SCHEMA)
        answer = engine.run('SELECT * FROM "alpha/pay" ORDER BY "id"')
    assert answer.schema.types == [pa.int32(), pa.string(), pa.decimal128(9, 2)]
    assert answer.column("name").to_pylist() == ["O'Hare, Ada", None, "x"]


def test_null_has_the_declared_spelling(tmp_path):
    path = tmp_path / "pay.csv"
    path.write_text(TEXT)
    with LocalEngine() as engine:
        engine.register_file("alpha/pay", path, file_format("csv", nulls=("NA",)), SCHEMA)
        answer = engine.run('SELECT * FROM "alpha/pay"')
    assert answer.column("id").to_pylist() == [1, 2, None]
    assert answer.column("name").to_pylist()[1] == ""


def test_parquet_loads_as_the_declared_types(tmp_path):
    pq.write_table(pa.table({"id": [1, 2], "name": ["a", None], "pay": [1, 2]}), tmp_path / "pay.parquet")
    with LocalEngine() as engine:
        engine.register_file("alpha/pay", tmp_path / "pay.parquet", PARQUET, SCHEMA)
        answer = engine.run('SELECT * FROM "alpha/pay"')
    assert answer.schema.types == [pa.int32(), pa.string(), pa.decimal128(9, 2)]


@pytest.mark.parametrize("is_relative", [True, False])
def test_parquet_is_read_where_it_lies_and_nothing_beside_it(tmp_path, monkeypatch, is_relative):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path.relative_to(tmp_path) if is_relative else tmp_path
    for name in ("o'pay", "other"):
        pq.write_table(pa.table({"id": [1, 2], "name": ["a", None], "pay": [1, 2]}), tmp_path / f"{name}.parquet")
    with LocalEngine() as engine:
        engine.register_file("alpha/pay", folder / "o'pay.parquet", PARQUET, SCHEMA)
        for _ in range(2):
            assert engine.run('SELECT SUM("id") AS "n" FROM "alpha/pay"').to_pylist() == [{"n": 3}]
        for path in (folder / "other.parquet", folder / "o'pay.parquet.x", folder / "*.parquet"):
            with pytest.raises(LocalError) as caught:
                engine.run(f"SELECT * FROM read_parquet('{str(path).replace(chr(39), chr(39) * 2)}')")
            assert caught.value.kind == "PermissionException"


def test_a_value_of_another_type_in_parquet_is_an_error_of_the_query_that_reads_it(tmp_path):
    table = pa.table({"id": [1, 2**40], "name": ["a", "4711" * 8], "pay": [1, 2]})
    pq.write_table(table, tmp_path / "pay.parquet")
    with LocalEngine() as engine:
        engine.register_file("alpha/pay", tmp_path / "pay.parquet", PARQUET, SCHEMA)
        assert engine.run('SELECT SUM("pay") AS "n" FROM "alpha/pay"').num_rows == 1
        for column in ("id", "name"):
            with pytest.raises(LocalError) as caught:
                engine.run(f'SELECT "{column}" FROM "alpha/pay"', step="l1")
            assert str(caught.value) == "local step l1 failed: InvalidInputException"


@pytest.mark.parametrize("bad", ["4711" * 8, "a\0"])
def test_a_string_among_few_different_ones_is_still_held_to_its_type(tmp_path, bad):
    # Few strings are asked once, in their dictionary, and no more by each query.
    names = ["a", "b", None] * 2000
    for name, rows in (("fit", names), ("unfit", [*names, bad])):
        table = pa.table({"id": range(len(rows)), "name": rows, "pay": [1] * len(rows)})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=1000)
    with LocalEngine() as engine:
        for name in ("fit", "unfit"):
            engine.register_file(f"alpha/{name}", tmp_path / f"{name}.parquet", PARQUET, SCHEMA)
        assert engine.run('SELECT COUNT("name") AS "n" FROM "alpha/fit"').to_pylist() == [{"n": 4000}]
        with pytest.raises(LocalError) as caught:
            engine.run('SELECT MAX("name") AS "m" FROM "alpha/unfit"')
        assert bad not in str(caught.value)


@pytest.mark.parametrize("cell", ["4711.5", "secret", "99999999999"])
def test_a_value_of_another_type_is_an_error_and_stays_unsaid(tmp_path, cell):
    path = tmp_path / "pay.csv"
    path.write_text(f"id,name,pay\n{cell},x,1\n")
    with LocalEngine() as engine, pytest.raises(LocalError) as caught:
        engine.register_file("alpha/pay", path, CSV, SCHEMA)
    assert cell not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{path}')",
        "SELECT * FROM '{path}'",
        "SELECT content FROM read_text('{path}')",
        "COPY (SELECT 1) TO '{path}.out'",
        "ATTACH '{path}.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SELECT 1; SELECT 2",
        "CREATE TABLE x AS SELECT 1",
        "SELECT getenv('HOME')",
        "",
    ],
)
def test_sql_reaches_nothing_but_the_tables(tmp_path, sql):
    path = tmp_path / "secret.csv"
    path.write_text("a\n1\n")
    with LocalEngine() as engine, pytest.raises(LocalError):
        engine.run(sql.format(path=path), step="s1")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.csv"]


def test_no_file_is_loaded_after_the_first_query(tmp_path):
    path = tmp_path / "pay.csv"
    path.write_text(TEXT)
    with LocalEngine() as engine:
        engine.run("SELECT 1")
        with pytest.raises(LocalError) as caught:
            engine.register_file("alpha/pay", path, file_format("csv", nulls=("NA",)), SCHEMA)
    assert caught.value.kind == "PermissionException"


def test_tables_of_earlier_steps_join_in_later_ones():
    with LocalEngine() as engine:
        engine.register_table("s1", pa.table({"x": [1, 2]}))
        engine.register_table("s2", engine.run('SELECT SUM("x")::BIGINT AS "x" FROM "s1"'))
        assert engine.run('SELECT * FROM "s2"').to_pylist() == [{"x": 3}]
        with pytest.raises(LocalError):
            engine.register_table("s1", pa.table({"x": [1]}))


def test_an_overflow_is_an_error_that_names_the_step_only():
    with LocalEngine() as engine:
        engine.register_table("s1", pa.table({"x": [2**62, 2**62]}))
        with pytest.raises(LocalError) as caught:
            engine.run('SELECT CAST(SUM("x") AS BIGINT) AS "x" FROM "s1"', step="s2")
    assert str(caught.value) == "local step s2 failed: ConversionException"
