"""The answer as bytes: the same at every recipient, whatever order its local engine gave the rows."""

import csv
import datetime
import decimal
import io
import json
from typing import Literal, assert_never

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conclave.ir.nodes import Collect, Limit, Node, Sort
from conclave.ir.window import SortKey

Format = Literal["csv", "parquet", "json"]


def encode_result(answer: pa.Table, query: Node, file_format: Format) -> bytes:
    """Return the file that the writer stores.

    Rows stand in the query's order, ties and queries without an order by all columns. CSV: NULL is empty, an empty string
    is quoted. JSON: a list of objects, decimals as text, so that no digit is lost.
    """
    rows = _in_one_order(answer, query)
    match file_format:
        case "csv":
            return _csv(rows)
        case "json":
            records = [{name: _json_value(value) for name, value in row.items()} for row in rows.to_pylist()]
            return (json.dumps(records, ensure_ascii=False, indent=1) + "\n").encode()
        case "parquet":
            sink = io.BytesIO()
            pq.write_table(rows.replace_schema_metadata(None), sink, compression="none")
            return sink.getvalue()
        case _ as never:
            assert_never(never)


def _in_one_order(answer: pa.Table, query: Node) -> pa.Table:
    keys = _order_of(query)
    rest = [SortKey(name) for name in answer.column_names if name not in {key.column for key in keys}]
    columns, sorting = [], []
    for key in (*keys, *rest):
        column = answer.column(key.column)
        # False sorts before true.
        columns += [pc.is_valid(column) if key.nulls_first else pc.is_null(column), column]
        sorting += ["ascending", "descending" if key.descending else "ascending"]
    if not columns or answer.num_rows < 2:
        return answer
    names = [f"k{i}" for i in range(len(columns))]
    order = pc.sort_indices(pa.table(columns, names=names), list(zip(names, sorting, strict=True)))
    return answer.take(order)


def _order_of(query: Node) -> tuple[SortKey, ...]:
    match query:
        case Collect(source) | Limit(source):
            return _order_of(source)
        case Sort(_, keys):
            return keys
    return ()


def _csv(rows: pa.Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows.column_names)
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        text.write(",".join(_csv_cell(value) for value in row) + "\n")
    return text.getvalue().encode()


def _csv_cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() if value == "" or any(character in value for character in ',"\r\n'):
            return '"' + value.replace('"', '""') + '"'
        case float():
            return repr(value)
        case decimal.Decimal():
            return f"{value:f}"
    return str(value)


def _json_value(value: object) -> object:
    match value:
        case decimal.Decimal():
            return f"{value:f}"
        case datetime.date():
            return value.isoformat()
    return value
