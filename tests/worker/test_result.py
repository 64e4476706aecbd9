import datetime
import decimal
import io
import json
import random

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from conclave.ir.nodes import Collect, Limit, Scan, Sort
from conclave.ir.types import Field, Integer
from conclave.ir.window import SortKey
from worker.result import encode_result

ROWS = [
    {"name": "b", "n": 2, "ratio": 0.1, "day": datetime.date(2013, 1, 1), "sum": decimal.Decimal("1.50")},
    {"name": "a", "n": None, "ratio": 1e-9, "day": None, "sum": decimal.Decimal("-0.01")},
    {"name": "", "n": 2, "ratio": None, "day": None, "sum": None},
    {"name": 'say "hi", you', "n": -1, "ratio": 2.0, "day": None, "sum": decimal.Decimal("0.00")},
    {"name": None, "n": 2, "ratio": 3.0, "day": None, "sum": None},
]
SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("n", pa.int64()),
        ("ratio", pa.float64()),
        ("day", pa.date32()),
        ("sum", pa.decimal128(18, 2)),
    ]
)
SCAN = Scan("t", "alpha/t", "alpha", (Field("n", Integer(64)),))
UNORDERED = Collect(SCAN, ("carol",))


def ordered(*keys: SortKey) -> Collect:
    return Collect(Limit(Sort(SCAN, keys), 10), ("carol",))


def table(seed: int) -> pa.Table:
    rows = list(ROWS)
    random.Random(seed).shuffle(rows)
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.mark.parametrize("file_format", ["csv", "json", "parquet"])
@pytest.mark.parametrize("query", [UNORDERED, ordered(SortKey("n"))])
def test_the_same_rows_are_the_same_bytes(file_format, query):
    assert len({encode_result(table(seed), query, file_format) for seed in range(10)}) == 1


def test_a_csv_tells_null_from_the_empty_string():
    assert encode_result(table(0), UNORDERED, "csv").decode().splitlines() == [
        "name,n,ratio,day,sum",
        '"",2,,,',
        "a,,1e-09,,-0.01",
        "b,2,0.1,2013-01-01,1.50",
        '"say ""hi"", you",-1,2.0,,0.00',
        ",2,3.0,,",
    ]


def test_the_querys_order_counts_and_columns_break_ties():
    text = encode_result(table(1), ordered(SortKey("n", descending=True, nulls_first=True)), "csv").decode()
    assert [line.split(",")[0] for line in text.splitlines()[1:4]] == ["a", '""', "b"]


def test_json_keeps_every_digit():
    rows = json.loads(encode_result(table(2), UNORDERED, "json"))
    assert rows[2] == {"name": "b", "n": 2, "ratio": 0.1, "day": "2013-01-01", "sum": "1.50"}


def test_parquet_keeps_the_types():
    assert pq.read_table(io.BytesIO(encode_result(table(3), UNORDERED, "parquet"))).schema == SCHEMA


def test_csv_is_what_others_read():
    read = pyarrow.csv.read_csv(
        io.BytesIO(encode_result(table(4), UNORDERED, "csv")),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=SCHEMA, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )
    assert sorted(map(repr, read.to_pylist())) == sorted(map(repr, ROWS))


def test_an_answer_without_rows_has_a_header():
    assert encode_result(SCHEMA.empty_table(), UNORDERED, "csv") == b"name,n,ratio,day,sum\n"
    assert json.loads(encode_result(SCHEMA.empty_table(), UNORDERED, "json")) == []
