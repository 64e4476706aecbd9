"""A data file held against its declaration, before anything is computed on it."""

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Type, Varchar
from conclave.local.duckdb import connect
from conclave.local.errors import DataMismatch, LocalError, Mismatch
from conclave.local.source import Format, breaks_type, relation, typed
from conclave.local.sqlexpr import view_name

_CHUNK_BYTES = 1 << 20
_LOOKS_LIKE_A_NAME = re.compile(r"[A-Za-z_][\w .-]{0,63}", re.ASCII)
_SHAPES = {
    "TOO MANY COLUMNS": "has more fields than the header",
    "MISSING COLUMNS": "has fewer fields than the header",
    "UNQUOTED VALUE": "has a quote that is not closed, or text after a closing quote",
    "LINE SIZE OVER MAXIMUM": "is longer than 2 MB",
    "INVALID ENCODING": "is not UTF-8",
}


@dataclass(frozen=True)
class FileFacts:
    """What a file that fits its declaration turned out to be. `header` is the file's own."""

    n_rows: int
    header: tuple[str, ...]


@dataclass(frozen=True)
class _Rule:
    """A condition that no row may fulfil."""

    column: str
    breaks: str
    what: str
    fix: str


def check_file(
    path: Path,
    file_format: Format,
    schema: Schema,
    null_text: str = "",
    unique: frozenset[str] = frozenset(),
) -> FileFacts:
    """Read the whole file and hold it against the declared columns: names, types, NULLs, uniqueness.

    Columns in `unique` hold no value twice; NULLs do not count. A double must be finite.

    Raises:  DataMismatch with the first thing that is wrong, by columns, then by rows; LocalError if disk and memory
             do not suffice to find out.
    """
    header = _csv_header(path) if file_format == "csv" else _parquet_header(path, schema)
    _check_header(header, tuple(f.name for f in schema))
    source = relation(path, file_format, schema, null_text)
    rules = [rule for column in schema for rule in _rules(column, file_format)]
    with connect("1GB", 2, path.with_name(f"{path.name}.spill")) as connection:
        try:
            n_rows, *n_breaks = _one_row(
                connection,
                ["COUNT(*)", *(f"COUNT(*) FILTER ({rule.breaks})" for rule in rules)],
                source,
            )
            for rule, n in zip(rules, n_breaks, strict=True):
                if n:
                    row = _first_row(connection, source, rule.breaks)
                    raise DataMismatch(Mismatch(rule.what, rule.fix, rule.column, row))
            for column in schema:
                if column.name in unique:
                    _check_unique(connection, source, column)
        except duckdb.OutOfMemoryException as error:
            raise LocalError(f"check of {path.name}", type(error).__name__) from None
        except duckdb.Error as error:
            raise DataMismatch(_unreadable(connection, source, file_format, error)) from None
    return FileFacts(n_rows, header)


def _rules(column: Field, file_format: Format) -> Iterator[_Rule]:
    what = f"is no {column.type}"
    match column.type:
        case Varchar(max_bytes):
            what = f"is longer than {max_bytes} bytes of UTF-8, or holds a zero byte"
        case Decimal(precision, scale):
            what = f"is no {column.type}: at most {precision} digits, {scale} of them after the point"
        case Double():
            what = "is no finite double"
    fix = "correct the file or declare another type"
    if file_format == "csv":
        fix += ", or declare the spelling of NULL if that is what it means"
    yield _Rule(column.name, breaks_type(column, file_format), what, fix)
    if not column.nullable:
        is_null = f"{view_name(column.name)} IS NULL"
        yield _Rule(column.name, is_null, "is NULL but declared not null", "fill it in or declare it nullable")


def _check_unique(connection: duckdb.DuckDBPyConnection, source: str, column: Field) -> None:
    value = typed(column)
    n_values, n_distinct = _one_row(connection, [f"COUNT({value})", f"COUNT(DISTINCT {value})"], source)
    if n_values == n_distinct:
        return
    numbered = f"(SELECT {value} AS value, row_number() OVER () AS row FROM {source})"  # noqa: S608
    ranked = f"(SELECT value, row, row_number() OVER (PARTITION BY value ORDER BY row) AS nth FROM {numbered})"  # noqa: S608
    (row,) = _one_row(connection, ["MIN(row)"], f"{ranked} WHERE value IS NOT NULL AND nth > 1")
    what = "repeats an earlier row's value but the column is declared unique"
    raise DataMismatch(Mismatch(what, "remove the repeated row or do not declare it unique", column.name, row))


def _first_row(connection: duckdb.DuckDBPyConnection, source: str, condition: str) -> int:
    numbered = f'(SELECT *, row_number() OVER () AS "row number" FROM {source})'  # noqa: S608
    (row,) = _one_row(connection, ['MIN("row number")'], f"{numbered} WHERE {condition}")
    return row


def _one_row(connection: duckdb.DuckDBPyConnection, items: list[str], source: str) -> tuple[int, ...]:
    # All rows are fetched, although there is one: only a finished query leaves its rejects behind.
    (row,) = connection.execute(f"SELECT {', '.join(items)} FROM {source}").fetchall()  # noqa: S608
    return tuple(row)


def _unreadable(
    connection: duckdb.DuckDBPyConnection, source: str, file_format: Format, error: duckdb.Error
) -> Mismatch:
    """Say why DuckDB cannot read the file, from everything but its words: they quote the line."""
    if file_format == "csv":
        try:
            _one_row(connection, ["COUNT(*)"], f"{source[:-1]}, store_rejects = true)")
            first = connection.execute(
                "SELECT line, error_type::VARCHAR FROM reject_errors ORDER BY line LIMIT 1"
            ).fetchone()
        except duckdb.Error:
            first = None
        if first is not None:
            line, kind = first
            fix = "write the file as CSV after RFC 4180"
            return Mismatch(_SHAPES.get(kind, "is no well-formed CSV"), fix, row=line - 1)
    return Mismatch(f"is not readable ({type(error).__name__})", f"write the file as {file_format}")


def _csv_header(path: Path) -> tuple[str, ...]:
    _check_utf8(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            return tuple(next(csv.reader(file, strict=True)))
        except (StopIteration, csv.Error):
            fix = "put the column names in the first line"
            raise DataMismatch(Mismatch("the file has no header", fix)) from None


def _check_utf8(path: Path) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    n_lines = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK_BYTES)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                # The decoder may still have held the first bytes of a character: they hold no line end.
                row = n_lines + chunk[: max(error.start, 0)].count(b"\n")
                raise DataMismatch(Mismatch("is not UTF-8", "write the file in UTF-8", row=row or None)) from None
            if not chunk:
                return
            n_lines += chunk.count(b"\n")


def _parquet_header(path: Path, schema: Schema) -> tuple[str, ...]:
    try:
        stored = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise DataMismatch(Mismatch(f"is not readable ({type(error).__name__})", "write the file as parquet")) from None
    header = tuple(stored.names)
    _check_header(header, tuple(f.name for f in schema))
    for column in schema:
        if not _is_stored_as(stored.field(column.name).type, column.type):
            what = f"is stored as another type than the declared {column.type}"
            raise DataMismatch(Mismatch(what, "write the file with the declared type, or declare its own", column.name))
    return header


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
            return bool(pa.types.is_string(stored) or pa.types.is_large_string(stored))


def _check_header(header: tuple[str, ...], declared: tuple[str, ...]) -> None:
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
