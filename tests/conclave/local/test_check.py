"""A file is what was declared, or the first difference is named, without a value of it."""

import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Varchar
from conclave.local.check import FileFacts
from conclave.local.errors import DataMismatch
from conclave.local.format import CSV, PARQUET, FileFormat, file_format
from tests.conclave.local.conftest import Checker

SCHEMA = (
    Field("id", Integer(32), nullable=False),
    Field("pay", Decimal(5, 2)),
    Field("day", Date()),
    Field("ratio", Double()),
    Field("late", Boolean()),
    Field("name", Varchar(5)),
)
HEADER = "id,pay,day,ratio,late,name\n"
DUCKDB = Checker(None)
GOOD = "1,1.50,2013-01-01,0.5,true,Ada\n2,,,,,\n3,-999.99,1969-12-31,-1e-3,F,äöx\n"


def check(
    tmp_path, text: str | bytes, schema: Schema = SCHEMA, how: FileFormat = CSV, checker: Checker = DUCKDB, **more
) -> FileFacts:
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return checker.check(path, how, schema, **more)


def mismatch(tmp_path, text: str | bytes, schema: Schema = SCHEMA, **how) -> DataMismatch:
    with pytest.raises(DataMismatch) as caught:
        check(tmp_path, text, schema, **how)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_as_declared_is_counted(tmp_path, newline, checker):
    facts = check(tmp_path, (HEADER + GOOD).replace("\n", newline), checker=checker, unique=frozenset({"id", "pay"}))
    assert facts == FileFacts(3, ("id", "pay", "day", "ratio", "late", "name"))


def test_no_rows_are_fine(tmp_path, checker):
    assert check(tmp_path, HEADER, checker=checker).n_rows == 0


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("1.5,,,,,", "id"),
        ("1e3,,,,,", "id"),
        ("2147483648,,,,,", "id"),
        ("NA,,,,,", "id"),
        (" 7,,,,,", "id"),
        (",,,,,", "id"),
        ("1,1.234,,,,", "pay"),
        ("1,1000,,,,", "pay"),
        ("1,x,,,,", "pay"),
        ("1,,2013-02-30,,,", "day"),
        ("1,,2013-01-01 05:00,,,", "day"),
        ("1,,,nan,,", "ratio"),
        ("1,,,1e999,,", "ratio"),
        ("1,,,,maybe,", "late"),
        ("1,,,,,ääx2", "name"),
        ("1,,,,,a\0", "name"),
    ],
)
def test_the_first_bad_row_is_named_and_its_value_is_not(tmp_path, row, column, checker):
    found = mismatch(tmp_path, HEADER + GOOD + row + "\n" + row + "\n", checker=checker)
    assert (found.column, found.row) == (column, checker.row(4))
    secret = next((cell for cell in row.split(",")[::-1] if len(cell) > 2), None)
    assert secret is None or secret not in str(found)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("pay,id,day,ratio,late,name", "has id, pay in another order"),
        ("id,pay,day,ratio,late", "lacks name"),
        ("id,pay,day,ratio,late,name,ssn", "has undeclared ssn"),
        ("id,pay,day,ratio,late,Name", "lacks name and has undeclared Name"),
        ("id,id,pay,day,ratio,late,name", "names id more than once"),
        ("id,pay,day,ratio,late,O'Hare 12 %", "lacks name and has undeclared column number 6"),
        ("7,1.5,Ada", "has undeclared column number 1, column number 2, column number 3"),
    ],
)
def test_another_header_names_the_columns_concerned(tmp_path, header, said, checker):
    found = mismatch(tmp_path, header + "\n", checker=checker)
    assert said in found.rule
    assert found.row is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "the file has no header"),
        (HEADER + GOOD + "1,,,,\n", "has fewer fields than the header"),
        (HEADER + GOOD + "1,,,,,,7\n", "has more fields than the header"),
        (HEADER + GOOD + '1,,,,,"x"y\n', "has a quote that is not closed, or text after a closing quote"),
        ((HEADER + GOOD).encode() + b"1,,,,,\xff\n", "is not UTF-8"),
        ((HEADER + GOOD).encode() + b"1,,,,,\xc3", "is not UTF-8"),
    ],
)
def test_what_is_no_csv_is_refused_by_its_row(tmp_path, text, rule):
    found = mismatch(tmp_path, text)
    assert found.rule == rule
    assert found.row == (4 if text else None)


def test_a_repeated_value_is_found_by_what_it_means(tmp_path, checker):
    rows = HEADER + "1,,,,,\n2,,,,,\n+1,,,,,\n2,,,,,\n"
    assert check(tmp_path, rows, checker=checker).n_rows == 4
    found = mismatch(tmp_path, rows, checker=checker, unique=frozenset({"id", "pay"}))
    assert (found.column, found.row) == ("id", checker.row(3))


def test_a_repeated_combination_is_found_where_none_of_it_is_null(tmp_path, checker):
    rows = HEADER + "1,1,,,,\n1,2,,,,\n2,1,,,,\n1,,,,,\n1,,,,,\n"
    assert check(tmp_path, rows, checker=checker, unique=[("id", "pay")]).n_rows == 5
    found = mismatch(tmp_path, rows + "2,1.0,,,,\n", checker=checker, unique=[("id", "pay")])
    assert (found.column, found.row) == (None, checker.row(6))
    assert found.rule == "agrees with an earlier row in id, pay, which are declared a key together"


def test_rows_are_numbered_in_the_files_order_however_long_it_is(tmp_path):
    schema = (Field("n", Integer(32)), Field("s", Varchar(12)))
    lines = [f"{n},text {n}" for n in range(200_000)]
    lines[150_000] = "x,text"
    found = mismatch(tmp_path, "n,s\n" + "\n".join(lines), schema)
    assert (found.column, found.row) == ("n", 150_001)
    lines[150_000] = "77,text"
    found = mismatch(tmp_path, "n,s\n" + "\n".join(lines), schema, unique=frozenset({"n"}))
    assert (found.column, found.row) == ("n", 150_001)
    assert [file.name for file in tmp_path.iterdir()] == ["data.csv"]


def test_null_is_spelled_as_declared(tmp_path, checker):
    schema = (Field("n", Integer(8)), Field("s", Varchar(3)))
    how = file_format("csv", nulls=("NA",))
    assert check(tmp_path, "n,s\nNA,\n1,NA\n", schema, how, checker).n_rows == 2
    found = mismatch(tmp_path, "n,s\n,\n", schema, how=how, checker=checker)
    assert (found.column, found.row) == ("n", checker.row(1))


def parquet(tmp_path, checker: Checker, **columns: pa.Array) -> FileFacts:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table(columns), path)
    fields = {f.name: f for f in SCHEMA}
    return checker.check(path, PARQUET, tuple(fields[name] for name in columns))


def test_parquet_as_declared_is_counted(tmp_path, checker):
    facts = parquet(
        tmp_path,
        checker,
        id=pa.array([1, 2], pa.int64()),
        pay=pa.array([decimal.Decimal("1.5"), None], pa.decimal128(30, 4)),
        day=pa.array([datetime.date(2013, 1, 1), None]),
        ratio=pa.array([0.5, None], pa.float32()),
        late=pa.array([True, None]),
        name=pa.array(["Ada", None]).dictionary_encode(),
    )
    assert facts == FileFacts(2, tuple(f.name for f in SCHEMA))


@pytest.mark.parametrize(
    ("column", "array", "row"),
    [
        ("id", pa.array([1, 2**31]), 2),
        ("id", pa.array([1, None]), 2),
        ("id", pa.array([1.0, 2.0]), None),
        ("pay", pa.array([decimal.Decimal("0.10"), decimal.Decimal("0.001")]), 2),
        ("pay", pa.array([1000, 0]), 1),
        ("pay", pa.array([0.1, 0.2]), None),
        ("day", pa.array([0, 1], pa.timestamp("s")), None),
        ("day", pa.array([0, 2932897], pa.date32()), 2),
        ("day", pa.array([0, 2**31 - 1], pa.date32()), 2),
        ("day", pa.array([-719163, 0], pa.date32()), 1),
        ("ratio", pa.array([0.5, float("nan")]), 2),
        ("ratio", pa.array([0.5, float("inf")]), 2),
        ("name", pa.array(["Ada", "Bertha"]), 2),
        ("name", pa.array([b"Ada", b"B"]), None),
    ],
)
def test_parquet_of_other_types_or_values_is_refused(tmp_path, column, array, row, checker):
    with pytest.raises(DataMismatch) as caught:
        parquet(tmp_path, checker, **{column: array})
    assert (caught.value.column, caught.value.row) == (column, checker.row(row))


def test_what_is_no_parquet_is_refused(tmp_path, checker):
    path = tmp_path / "data.parquet"
    path.write_bytes(b"id\n1\n")
    with pytest.raises(DataMismatch) as caught:
        checker.check(path, PARQUET, SCHEMA)
    assert "write the file as parquet" in str(caught.value)
