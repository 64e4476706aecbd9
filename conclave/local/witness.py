"""A text read a second time by a reader of another make: both must see the same rows.

DuckDB reads in parallel and guesses where rows begin; it overlooks a delimiter too many at a line's end, skips empty
lines, and drops blanks around quotes. pyarrow reads on where a quote is not closed, and text after one. Neither alone
holds a file to its declaration; what both read alike is what it says.
"""

import io
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from conclave.ir.types import Schema, Varchar
from conclave.local.errors import Mismatch
from conclave.local.format import FileFormat
from conclave.local.reading import Reading, Watch, unwatched
from conclave.local.source import MAX_LINE_BYTES
from conclave.local.sqlexpr import view_name

_BLOCK_BYTES = 2 * MAX_LINE_BYTES  # a line always fits
_BATCH_ROWS = 1 << 16
_NAME = "witness"
_FIX = "write the file as it is declared: each row one line, quotes around a whole field or not at all"


def fingerprint(schema: Schema) -> list[str]:
    """Return what to select of a text to compare it: its number of rows, and a sum over them in no order."""
    return ["COUNT(*)", f"COALESCE(SUM({_hash(schema)}), 0)"]


def misread(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    path: Path,
    file_format: FileFormat,
    schema: Schema,
    seen: tuple[int, int],
    watch: Watch = unwatched,
) -> Mismatch | None:
    """Return the first row in which pyarrow reads something else than DuckDB, whose `fingerprint` of `source` is `seen`.

    The rows themselves are never compared one by one unless the fingerprints differ.
    """
    shapes: list[Mismatch] = []
    try:
        connection.register(_NAME, _open(path, file_format, schema, pa.string(), shapes, watch))
        found = connection.execute(f"SELECT {', '.join(fingerprint(schema))} FROM {_NAME}").fetchall()[0]  # noqa: S608
        connection.unregister(_NAME)
    except pa.ArrowInvalid:
        if shapes:
            return shapes[0]
        # Nothing to read but a header without a line end.
        found = (0, 0)
    except duckdb.Error:
        if shapes:
            return shapes[0]
        return Mismatch("is read by one reader and not by another", _FIX)
    if found == seen:
        # Here both are wrong: they take an escape at the very end for the end of the quotes, too.
        return Mismatch("ends within quotes", _FIX, row=seen[0]) if _ends_in_escape(path, file_format) else None
    row = _first_difference(connection, source, path, file_format, schema)
    return Mismatch("is an empty line, or has blanks or an escape outside of quotes", _FIX, row=row)


def first_bad_text(path: Path, file_format: FileFormat, schema: Schema) -> Mismatch | None:
    """Return the first row, and its column, that is not UTF-8."""
    strings = [column.name for column in schema if isinstance(column.type, Varchar) or file_format.is_text]
    n_before = 0
    try:
        batches: Iterable[pa.RecordBatch]
        if file_format.is_text:
            batches = _open(path, file_format, schema, pa.binary(), [])
        else:
            batches = pq.ParquetFile(path).iter_batches(_BATCH_ROWS, columns=strings)
        for batch in batches:
            bad = [(row, name) for name in strings if (row := _not_utf8(batch.column(name))) is not None]
            if bad:
                row, name = min(bad, key=lambda found: found[0])
                return Mismatch("is not UTF-8", "write the file in UTF-8", name, n_before + row + 1)
            n_before += batch.num_rows
    except (pa.ArrowException, OSError):
        return None
    return None


def _not_utf8(array: pa.Array) -> int | None:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    raw = array.cast(pa.large_binary())
    try:
        raw.cast(pa.large_string())
    except pa.ArrowInvalid:
        for row, value in enumerate(raw.to_pylist()):
            try:
                (value or b"").decode()
            except UnicodeDecodeError:
                return row
    return None


def _open(
    path: Path,
    file_format: FileFormat,
    schema: Schema,
    kind: pa.DataType,
    shapes: list[Mismatch],
    watch: Watch = unwatched,
) -> pa.RecordBatchReader:
    names = [column.name for column in schema]
    n_headers = int(file_format.has_header)

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        what = "fewer" if row.actual_columns < row.expected_columns else "more"
        than = "the header" if file_format.has_header else "declared"
        shapes.append(Mismatch(f"has {what} fields than {than}", _FIX, row=row.number - n_headers))
        return "error"

    quote, escape = file_format.quote, file_format.escape
    return pyarrow.csv.open_csv(
        # Without a line end pyarrow takes an empty last field for a quoted one, if the field before it is.
        Reading(path, watch, ending=b"\n" if _ends_in(path, file_format.delimiter) else b""),
        # One thread: else rows have no numbers.
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False, block_size=_BLOCK_BYTES, column_names=names, skip_rows_after_names=n_headers
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=file_format.delimiter,
            quote_char=quote or False,
            double_quote=quote == escape,
            escape_char=False if escape in ("", quote) else escape,
            newlines_in_values=bool(quote),
            ignore_empty_lines=False,
            invalid_row_handler=refuse,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, kind),
            null_values=list(file_format.nulls),
            strings_can_be_null=True,
            quoted_strings_can_be_null=file_format.quoted_nulls,
        ),
    )


def _ends_in_escape(path: Path, file_format: FileFormat) -> bool:
    return file_format.escape not in ("", file_format.quote) and _ends_in(path, file_format.escape)


def _ends_in(path: Path, sign: str) -> bool:
    if not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, io.SEEK_END)
        return file.read(1) == sign.encode()


def _first_difference(
    connection: duckdb.DuckDBPyConnection, source: str, path: Path, file_format: FileFormat, schema: Schema
) -> int | None:
    with connection.cursor() as other:
        other.register(_NAME, _open(path, file_format, schema, pa.string(), []))
        rows = zip_longest(_hashes(connection, source, schema), _hashes(other, _NAME, schema))
        return next((number for number, (left, right) in enumerate(rows, 1) if left != right), None)


def _hashes(connection: duckdb.DuckDBPyConnection, source: str, schema: Schema) -> Iterator[int]:
    """Yield a number for each row, in order."""
    reader = connection.sql(f"SELECT {_hash(schema)} FROM {source}").to_arrow_reader(_BATCH_ROWS)  # noqa: S608
    for batch in reader:
        yield from batch.column(0).to_pylist()


def _hash(schema: Schema) -> str:
    return f"hash({', '.join(view_name(column.name) for column in schema)})"
