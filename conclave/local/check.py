"""A data file held against its declaration, before anything is computed on it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from conclave.ir.types import Date, Field, Schema, Varchar
from conclave.local.declared import NOT_NULL, repeated, wrong_type
from conclave.local.duckdb import connect
from conclave.local.errors import DataMismatch, LocalError, Mismatch
from conclave.local.format import FileFormat
from conclave.local.header import check_header
from conclave.local.parquet import dictionary_columns
from conclave.local.reading import Watch, unwatched
from conclave.local.source import NEVER, breaks_quotes, breaks_type, relation, stored_types, typed
from conclave.local.sqlexpr import view_name
from conclave.local.witness import fingerprint, first_bad_text, misread

MEMORY_LIMIT = "1GB"
_SHAPES = {
    "TOO MANY COLUMNS": "has more fields than the header",
    "MISSING COLUMNS": "has fewer fields than the header",
    "UNQUOTED VALUE": "has a quote that is not closed, or text after a closing quote",
    "LINE SIZE OVER MAXIMUM": "is longer than 2 MB",
}
_CLEAN = "write the file with one kind of line ends and with quotes as declared"


@dataclass(frozen=True)
class FileFacts:
    """What a file that fits its declaration turned out to be. `header` is the file's own, or what is declared."""

    n_rows: int
    header: tuple[str, ...]


@dataclass(frozen=True)
class Examined:
    """All that is wrong with a file, by columns, each with its first row; nothing: it is as declared."""

    facts: FileFacts | None
    mismatches: tuple[Mismatch, ...]


@dataclass(frozen=True)
class _Rule:
    """A condition that no row may fulfil."""

    column: str
    breaks: str
    what: str
    fix: str
    is_null: bool = False  # whether it is NULL that breaks it
    is_filter: bool = False  # whether rows that fulfil it are looked for: see `_ask_summaries`

    def is_broken(self, source: str) -> str:
        """Whether any row fulfils it; faster than to count those that do."""
        if self.is_null:
            return f"COUNT({view_name(self.column)}) < COUNT(*)"
        if self.is_filter:
            return f"(SELECT COUNT(*) > 0 FROM {source} WHERE {self.breaks})"  # noqa: S608
        return f"coalesce(bool_or({self.breaks}), false)"


def check_file(
    path: Path,
    file_format: FileFormat,
    schema: Schema,
    unique: Collection[str | tuple[str, ...]] = (),
    memory_limit: str = MEMORY_LIMIT,
) -> FileFacts:
    """Return the facts of a file that is as declared.

    Raises:  DataMismatch with the first thing that is wrong, by columns, then by rows; LocalError if disk and memory
             do not suffice to find out.
    """
    examined = examine_file(path, file_format, schema, unique, memory_limit)
    if examined.facts is None:
        raise DataMismatch(examined.mismatches[0])
    return examined.facts


def examine_file(
    path: Path,
    file_format: FileFormat,
    schema: Schema,
    unique: Collection[str | tuple[str, ...]] = (),
    memory_limit: str = MEMORY_LIMIT,
    watch: Watch = unwatched,
) -> Examined:
    """Read the whole file and hold it against the declared columns: names, types, NULLs, uniqueness.

    Columns in `unique` hold no value twice, and several columns of it no combination; NULLs do not count. A double must
    be finite. What spoils the rows themselves is told alone, since no column can be judged then.

    `watch` is told how far a text is read the second time, which takes longest.

    Raises:  LocalError.
    """
    spill = path.with_name(f"{path.name}.spill")
    try:
        header = check_header(path, file_format, schema)
        with connect(memory_limit, 2, spill) as connection:
            n_rows, mismatches = _examine(connection, path, file_format, schema, unique, watch)
    except DataMismatch as error:
        return Examined(None, (error.mismatch,))
    except (duckdb.OutOfMemoryException, duckdb.IOException, MemoryError) as error:
        raise LocalError(f"check of {path.name}", type(error).__name__) from None
    return Examined(None if mismatches else FileFacts(n_rows, header), mismatches)


def _examine(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    file_format: FileFormat,
    schema: Schema,
    unique: Collection[str | tuple[str, ...]],
    watch: Watch,
) -> tuple[int, tuple[Mismatch, ...]]:
    source = relation(path, file_format, schema)
    prints = fingerprint(schema) if file_format.is_text else ["COUNT(*)", "0"]
    try:
        stored = None if file_format.is_text else stored_types(connection, source)
        rules = [rule for column in schema for rule in _rules(column, file_format, stored)]
        rules = rules if file_format.is_text else _ask_summaries(connection, rules, path, schema)
        asked = [*prints, *(rule.is_broken(source) for rule in rules), *_read_all(rules, schema)]
        n_rows, total, *answers = _one_row(connection, asked, source)
        breaks = answers[: len(rules)]
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise
    except duckdb.Error as error:
        raise DataMismatch(_unreadable(connection, path, file_format, schema, error)) from None
    if file_format.is_text:
        spoilt = misread(connection, source, path, file_format, schema, (n_rows, total), watch)
        if spoilt is not None:
            raise DataMismatch(spoilt)
    broken = [rule for rule, is_broken in zip(rules, breaks, strict=True) if is_broken]
    mismatches = [
        Mismatch(rule.what, rule.fix, rule.column, row)
        for rule, row in zip(broken, _first_rows(connection, source, broken), strict=True)
    ]
    spoilt_columns = {rule.column for rule in broken}
    for key in unique_keys(schema, unique):
        if spoilt_columns.isdisjoint(column.name for column in key):
            mismatches += _repeats(connection, source, key, file_format)
    return n_rows, tuple(mismatches)


def unique_keys(schema: Schema, unique: Collection[str | tuple[str, ...]]) -> list[tuple[Field, ...]]:
    """Return what is declared unique, single columns in the file's order first."""
    fields = {column.name: column for column in schema}
    singles = [(column,) for column in schema if column.name in unique]
    together = sorted({key for key in unique if isinstance(key, tuple)})
    return [*singles, *(tuple(fields[name] for name in key) for key in together)]


def _rules(column: Field, file_format: FileFormat, stored: Mapping[str, str] | None) -> Iterator[_Rule]:
    what, fix = wrong_type(column, file_format)
    if file_format.has_quoted_strings:
        yield _Rule(column.name, breaks_quotes(column), "has a quote at one end only", "quote the whole string")
    breaks = breaks_type(column, file_format, stored)
    if breaks != NEVER:
        yield _Rule(column.name, breaks, what, fix)
    if not column.nullable:
        is_null = f"{view_name(column.name)} IS NULL"
        yield _Rule(column.name, is_null, *NOT_NULL, True)


def _ask_summaries(
    connection: duckdb.DuckDBPyConnection, rules: list[_Rule], path: Path, schema: Schema
) -> list[_Rule]:
    """Return the rules, those as filters of which DuckDB asks less than each value: a tenth of the time.

    Of strings of which there are few, a dictionary's entries; of dates, the least and the largest of many rows at once.
    """
    strings = {column.name for column in schema if isinstance(column.type, Varchar)}
    few = dictionary_columns(connection, path) & strings if strings else strings
    few |= {column.name for column in schema if isinstance(column.type, Date)}
    return [replace(rule, is_filter=rule.column in few and not rule.is_null) for rule in rules]


def _read_all(rules: list[_Rule], schema: Schema) -> list[str]:
    """Return what to select so that every column is read whole: one that is damaged or encrypted is told here."""
    read = {rule.column for rule in rules if not rule.is_null and not rule.is_filter}
    return [f"any_value({view_name(column.name)}) IS NULL" for column in schema if column.name not in read]


def _repeats(
    connection: duckdb.DuckDBPyConnection, source: str, key: tuple[Field, ...], file_format: FileFormat
) -> Iterator[Mismatch]:
    values = [typed(column, file_format) for column in key]
    value = values[0]
    if len(key) > 1:  # a combination in which a column is NULL counts as little as a NULL does
        is_known = " AND ".join(f"{each} IS NOT NULL" for each in values)
        value = f"CASE WHEN {is_known} THEN row({', '.join(values)}) END"
    n_values, n_distinct = _one_row(connection, [f"COUNT({value})", f"COUNT(DISTINCT {value})"], source)
    if n_values == n_distinct:
        return
    numbered = f"(SELECT {value} AS value, row_number() OVER () AS row FROM {source})"  # noqa: S608
    ranked = f"(SELECT value, row, row_number() OVER (PARTITION BY value ORDER BY row) AS nth FROM {numbered})"  # noqa: S608
    (row,) = _one_row(connection, ["MIN(row)"], f"{ranked} WHERE value IS NOT NULL AND nth > 1")
    what, fix = repeated(key)
    yield Mismatch(what, fix, key[0].name if len(key) == 1 else None, row)


def _first_rows(connection: duckdb.DuckDBPyConnection, source: str, rules: list[_Rule]) -> tuple[int, ...]:
    if not rules:
        return ()
    numbered = f'(SELECT *, row_number() OVER () AS "row number" FROM {source})'  # noqa: S608
    return _one_row(connection, [f'MIN("row number") FILTER ({rule.breaks})' for rule in rules], numbered)


def _one_row(connection: duckdb.DuckDBPyConnection, items: list[str], source: str) -> tuple[int, ...]:
    # All rows are fetched, although there is one: only a finished query leaves its rejects behind.
    (row,) = connection.execute(f"SELECT {', '.join(items)} FROM {source}").fetchall()  # noqa: S608
    return tuple(row)


def _unreadable(
    connection: duckdb.DuckDBPyConnection, path: Path, file_format: FileFormat, schema: Schema, error: duckdb.Error
) -> Mismatch:
    """Say why DuckDB cannot read the file, from everything but its words: they quote the line."""
    not_utf8 = first_bad_text(path, file_format, schema)
    if not_utf8 is not None:
        return not_utf8
    if not file_format.is_text:
        return Mismatch(f"is not readable ({type(error).__name__})", f"write the file as {file_format.kind}")
    if isinstance(error, duckdb.NotImplementedException):
        return Mismatch("has a line that is longer than any buffer", _CLEAN)
    source = relation(path, file_format, schema)
    try:
        _one_row(connection, ["COUNT(*)"], f"{source[:-1]}, store_rejects = true)")
        first = connection.execute(
            "SELECT line, error_type::VARCHAR FROM reject_errors ORDER BY line LIMIT 1"
        ).fetchone()
    except duckdb.Error:
        first = None
    if first is None:
        return Mismatch("mixes line ends, or is not written as declared", _CLEAN)
    line, kind = first
    return Mismatch(_SHAPES.get(kind, "is not written as declared"), _CLEAN, row=line - int(file_format.has_header))
