"""Parquet is what it is declared to be, whole, or is refused; never quoted."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Varchar
from conclave.local.check import check_file, examine_file
from conclave.local.duckdb import connect
from conclave.local.errors import DataMismatch
from conclave.local.format import PARQUET
from conclave.local.parquet import dictionary_columns

ONE = {"n": (Field("n", Integer(32)),), "s": (Field("s", Varchar(5)),)}


def write(tmp_path, table: pa.Table, **how):
    path = tmp_path / "data.parquet"
    pq.write_table(table, path, **how)
    return path


@given(values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=20), nullable=st.booleans())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_integers_fit_or_the_first_that_does_not_is_named(tmp_path, values, nullable):
    path = write(tmp_path, pa.table({"n": pa.array(values, pa.int64())}), row_group_size=3)
    bad = [v is not None and not -(2**31) <= v < 2**31 for v in values]
    missing = [v is None and not nullable for v in values]
    expected = [is_bad.index(True) + 1 for is_bad in (bad, missing) if any(is_bad)]
    found = examine_file(path, PARQUET, (Field("n", Integer(32), nullable),)).mismatches
    assert [each.row for each in found] == expected


@pytest.mark.parametrize(
    ("kind", "array", "row"),
    [
        (Integer(64), pa.array([1, 2**64 - 1], pa.uint64()), 2),
        (Integer(8), pa.array([127, -128, 128], pa.int16()), 3),
        (Decimal(5, 2), pa.array([decimal.Decimal("999.99"), decimal.Decimal("1000.00")]), 2),
        (Decimal(5, 2), pa.array([decimal.Decimal("1.005")]), 1),
        (Decimal(18, 0), pa.array([decimal.Decimal(10**37)], pa.decimal256(40, 0)), 1),
        (Double(), pa.array([1.0, float("inf")]), 2),
        (Double(), pa.array([float("nan")], pa.float32()), 1),
        (Date(), pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32()), 2),
        (Date(), pa.array([0, -(2**31) + 1], pa.int32()).cast(pa.date32()), 2),
        (Date(), pa.array([datetime.datetime(2013, 1, 1)]), None),
        (Boolean(), pa.array([0, 1], pa.int8()), None),
        (Varchar(3), pa.array(["abc", "äö"]), 2),
        (Varchar(3), pa.array(["abc", "a\0"]), 2),
        (Varchar(3), pa.array([["a"]]), None),
        (Varchar(3), pa.array(["abc", "abcd"]).dictionary_encode(), 2),
    ],
)
def test_values_beyond_the_declared_type_are_refused(tmp_path, kind, array, row):
    with pytest.raises(DataMismatch) as caught:
        check_file(write(tmp_path, pa.table({"c": array})), PARQUET, (Field("c", kind),))
    assert (caught.value.column, caught.value.row) == ("c", row)


def test_columns_in_another_order_or_twice_are_refused(tmp_path):
    fields = (Field("a", Integer(32)), Field("b", Integer(32)))
    path = write(tmp_path, pa.table({"b": [1], "a": [2]}))
    with pytest.raises(DataMismatch, match="another order"):
        check_file(path, PARQUET, fields)
    path = write(tmp_path, pa.table([pa.array([1])] * 3, names=["a", "b", "a"]))
    with pytest.raises(DataMismatch, match="names a more than once"):
        check_file(path, PARQUET, fields)


def test_text_that_is_not_utf8_is_named_by_row_and_column(tmp_path):
    raw = pa.array([b"ok", None, b"fine", b"secret\xff"], pa.binary())
    text = pa.StringArray.from_buffers(4, *raw.buffers()[1:], raw.buffers()[0])
    path = write(tmp_path, pa.table({"s": text}), row_group_size=2)
    with pytest.raises(DataMismatch) as caught:
        check_file(path, PARQUET, (Field("s", Varchar(9)),))
    assert (caught.value.rule, caught.value.column, caught.value.row) == ("is not UTF-8", "s", 4)


class _Kms(pe.KmsClient):
    def __init__(self, _):
        super().__init__()

    def wrap_key(self, key, _):
        return key.hex()

    def unwrap_key(self, wrapped, _):
        return bytes.fromhex(wrapped)


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_encrypted_parquet_is_refused(tmp_path, plaintext_footer):
    config = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["n"]}, plaintext_footer=plaintext_footer, double_wrapping=False
    )
    properties = pe.CryptoFactory(_Kms).file_encryption_properties(pe.KmsConnectionConfig(), config)
    path = write(tmp_path, pa.table({"n": pa.array([1, 2], pa.int32())}), encryption_properties=properties)
    with pytest.raises(DataMismatch, match="is not readable"):
        check_file(path, PARQUET, ONE["n"])


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 8, 50, 200])
def test_parquet_cut_short_is_refused(tmp_path, cut):
    path = write(tmp_path, pa.table({"n": pa.array(range(1000), pa.int32())}))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut - 1])
    with pytest.raises(DataMismatch, match="is not readable"):
        check_file(path, PARQUET, ONE["n"])


FEW = pa.table(
    {
        "s": pa.array([f"v{n % 7}" for n in range(5000)]),
        "n": pa.array([n * 7919 % 100_003 for n in range(5000)], pa.int32()),
    }
)
FEW_FIELDS = (Field("s", Varchar(5)), Field("n", Integer(32)))


def of_few(path):
    with connect("1GB", 1, None) as connection:
        return dictionary_columns(connection, path)


@pytest.mark.parametrize("worst", ["vvvvvv", "v\0", "äöü"])
@pytest.mark.parametrize("row", [1, 2777, 5000])
def test_one_string_of_few_that_does_not_fit_is_named_wherever_it_stands(tmp_path, worst, row):
    values = FEW["s"].to_pylist()
    values[row - 1], values[row % 5000] = worst, None
    table = FEW.set_column(0, "s", pa.array(values))
    path = write(tmp_path, table, row_group_size=1000)
    assert of_few(path) == {"s"}
    found = examine_file(path, PARQUET, FEW_FIELDS).mismatches
    assert [(each.column, each.row) for each in found] == [("s", row)]


def test_columns_of_which_few_values_are_written_often_are_told_from_others(tmp_path):
    assert of_few(write(tmp_path, FEW)) == {"s"}
    assert of_few(write(tmp_path, FEW, use_dictionary=False)) == set()
    assert of_few(tmp_path / "missing") == set()


@pytest.mark.parametrize("group", [0, 2, 4])
@pytest.mark.parametrize("column", [0, 1])
def test_every_page_of_every_column_is_read(tmp_path, column, group):
    path = write(tmp_path, FEW, row_group_size=1000)
    assert examine_file(path, PARQUET, FEW_FIELDS).facts is not None
    header = pq.read_metadata(path).row_group(group).column(column).data_page_offset
    content = bytearray(path.read_bytes())
    content[header : header + 8] = b"\xff" * 8
    path.write_bytes(content)
    assert examine_file(path, PARQUET, FEW_FIELDS).facts is None


@pytest.mark.parametrize("seed", range(12))
def test_damaged_parquet_is_refused_or_reads_as_values_of_its_types(tmp_path, seed):
    path = write(
        tmp_path, pa.table({"s": [f"v{n}" for n in range(500)]}), compression="snappy", write_page_checksum=True
    )
    content = bytearray(path.read_bytes())
    place = np.random.default_rng(seed).integers(4, len(content) - 8)
    content[place] ^= 0xFF
    path.write_bytes(content)
    examined = examine_file(path, PARQUET, ONE["s"])
    assert (examined.facts is None) == bool(examined.mismatches)
