"""The names that a file gives its columns, and how they differ from the declared ones."""

import codecs
import csv
import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Type, Varchar
from conclave.local.errors import DataMismatch, Mismatch
from conclave.local.format import FileFormat

MAX_HEADER_BYTES = 1 << 20
_LOOKS_LIKE_A_NAME = re.compile(r"[A-Za-z_][\w .-]{0,63}", re.ASCII)


def check_header(path: Path, file_format: FileFormat, schema: Schema) -> tuple[str, ...]:
    """Return the file's header, which is the declared one; where a text has none, the declared names.

    Raises:  DataMismatch; also for Parquet columns of other types.
    """
    declared = tuple(f.name for f in schema)
    if not file_format.is_text:
        stored = _parquet_schema(path)
        compare_header(tuple(stored.names), declared)
        _check_stored_types(stored, schema)
    elif file_format.has_header:
        with path.open("rb") as file:
            compare_header(text_header(file.read(MAX_HEADER_BYTES), file_format), declared)
    return declared


def text_header(start: bytes, file_format: FileFormat) -> tuple[str, ...]:
    """Return the names in the first line of a text that begins with `start`.

    Raises:  DataMismatch if there are none.
    """
    # The rows behind it are judged later, with their numbers.
    text = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode(start)
    quote, escape = file_format.quote or None, file_format.escape
    reader = csv.reader(
        io.StringIO(text, newline=""),
        strict=True,
        delimiter=file_format.delimiter,
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        doublequote=quote == escape,
        escapechar=None if quote is None or quote == escape else escape,
    )
    try:
        header = tuple(next(reader))
    except (StopIteration, csv.Error):
        fix = "put the column names in the first line, or declare that there is no header"
        raise DataMismatch(Mismatch("the file has no header", fix)) from None
    if any("\N{REPLACEMENT CHARACTER}" in name for name in header):
        raise DataMismatch(Mismatch("the header is not UTF-8", "write the file in UTF-8"))
    return header


def _parquet_schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataMismatch(Mismatch(f"is not readable ({type(error).__name__})", "write the file as parquet")) from None


def _check_stored_types(stored: pa.Schema, schema: Schema) -> None:
    for column in schema:
        if not _is_stored_as(stored.field(column.name).type, column.type):
            raise stored_otherwise(column)


def stored_otherwise(column: Field) -> DataMismatch:
    """Return what is wrong with a file that has the column in another type."""
    what = f"is stored as another type than the declared {column.type}"
    return DataMismatch(Mismatch(what, "write the file with the declared type, or declare its own", column.name))


def _is_stored_as(stored: pa.DataType, declared: Type) -> bool:
    if pa.types.is_dictionary(stored):
        stored = stored.value_type
    match declared:
        case Integer():
            return bool(pa.types.is_integer(stored))
        case Decimal():
            return bool(pa.types.is_decimal(stored) or pa.types.is_integer(stored))
        case Double():
            return bool(pa.types.is_floating(stored))
        case Boolean():
            return bool(pa.types.is_boolean(stored))
        case Date():
            return bool(pa.types.is_date32(stored))
        case Varchar():
            is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
            return any(is_kind(stored) for is_kind in is_text)


def compare_header(header: tuple[str, ...], declared: tuple[str, ...]) -> None:
    """Raise DataMismatch, with how they differ, unless the header is the declared one."""
    if header == declared:
        return
    fix = "declare exactly the file's columns, in its order"
    missing = [name for name in declared if name not in header]
    extra = [(place, name) for place, name in enumerate(header, 1) if name not in declared]
    twice = [name for name in declared if header.count(name) > 1]
    # Without one declared name in it, the first line may be data.
    is_header = len(missing) < len(declared)
    unknown = [_said(name, place, is_header) for place, name in extra]
    if twice:
        raise DataMismatch(Mismatch(f"the header names {', '.join(twice)} more than once", fix, twice[0]))
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] if missing else []
        parts += [f"has undeclared {', '.join(unknown)}"] if unknown else []
        raise DataMismatch(Mismatch(f"the header {' and '.join(parts)}", fix, missing[0] if missing else None))
    moved = [name for name, found in zip(declared, header, strict=True) if name != found]
    raise DataMismatch(Mismatch(f"the header has {', '.join(moved)} in another order", fix, moved[0]))


def _said(name: str, place: int, is_header: bool) -> str:
    return name if is_header and _LOOKS_LIKE_A_NAME.fullmatch(name) else f"column number {place}"
