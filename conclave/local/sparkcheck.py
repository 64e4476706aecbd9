"""A dataset that Spark reads held against its declaration, by Spark, where it lies: the rules and the words of `check`.

No row is named: files that many read at once have no order. Of a text, each line is held against a pattern of its own,
so that the reader's word on what a row is does not stand alone.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from conclave.ir.types import Field
from conclave.local.check import Examined, FileFacts, unique_keys
from conclave.local.declared import NOT_NULL, repeated, wrong_type
from conclave.local.errors import DataMismatch, LocalError, Mismatch
from conclave.local.header import compare_header, stored_otherwise, text_header
from conclave.local.sparkserver import Session, quoted_name
from conclave.local.sparksource import (
    BROKEN,
    SparkFile,
    breaks_type,
    guarded,
    is_stored_as,
    line_pattern,
    literal,
    open_file,
    quoted_null_pattern,
    text,
    typed,
)

_VIEW, _LINES = "ccd_checked", "ccd_lines"
_LINE_FIX = "write each row as one line of the declared fields, in UTF-8; or store it as Parquet"
_NO_ROW = Mismatch("has lines that are empty, or are no row of the declared fields", _LINE_FIX)
_DIGITS = 7  # of a hash in one number: the sum of 2**35 of them fits a BIGINT


@dataclass(frozen=True)
class _Rule:
    column: str
    is_broken: str
    what: str
    fix: str


def examine_in_spark(session: Session, file: SparkFile, unique: Collection[str | tuple[str, ...]] = ()) -> Examined:
    """Read the whole dataset and hold it against the declared columns: names, types, NULLs, uniqueness.

    Raises:  LocalError if it cannot be read at all; EngineUnavailable.
    """
    try:
        n_rows, mismatches = _examine(session, file, unique)
    except DataMismatch as error:
        return Examined(None, (error.mismatch,))
    header = tuple(f.name for f in file.schema)
    return Examined(None if mismatches else FileFacts(n_rows, header), mismatches)


def digest_of_rows(session: Session, file: SparkFile) -> str:
    """Return a digest of the dataset's rows, in whatever order and files they lie: a sum of their hashes.

    The same rows, as often, under the same declaration have the same digest. It is no file's SHA-256.
    """
    stored = open_file(session, _VIEW, file)
    items = ", ".join(guarded(f, file.file_format, stored) for f in file.schema)
    row = ", ".join(quoted_name(f.name) for f in file.schema)
    hashed = f"(SELECT sha2(to_json(struct({row})), 256) AS h FROM (SELECT {items} FROM {_VIEW}))"  # noqa: S608
    starts = range(1, 65, _DIGITS)
    sums = (f"coalesce(sum(CAST(conv(substr(h, {at}, {_DIGITS}), 16, 10) AS BIGINT)), 0)" for at in starts)
    n_rows, *parts = _one_row(session, ["count(*)", *sums], hashed)
    total = sum(part << 4 * max(0, 64 - (at - 1) - _DIGITS) for at, part in zip(starts, parts, strict=True)) % 2**256
    said = {"columns": [[f.name, str(f.type)] for f in file.schema], "rows": n_rows, "sum": f"{total:064x}"}
    return hashlib.sha256(b"ccd rows v1\n" + json.dumps(said, sort_keys=True).encode()).hexdigest()


def _examine(
    session: Session, file: SparkFile, unique: Collection[str | tuple[str, ...]]
) -> tuple[int, tuple[Mismatch, ...]]:
    if file.file_format.is_text:
        return _examine_text(session, file, unique)
    try:
        stored = open_file(session, _VIEW, file)
    except LocalError as error:
        raise DataMismatch(Mismatch(f"is not readable ({error.kind})", "write the file as parquet")) from None
    assert stored is not None
    compare_header(tuple(stored), tuple(f.name for f in file.schema))
    for column in file.schema:
        if not is_stored_as(stored[column.name], column.type):
            raise stored_otherwise(column)
    return _examine_rows(session, file, stored, unique)


def _examine_text(
    session: Session, file: SparkFile, unique: Collection[str | tuple[str, ...]]
) -> tuple[int, tuple[Mismatch, ...]]:
    session.read_lines(_LINES, file.path)
    n_headers = 0
    if file.file_format.has_header:
        first = f"(SELECT file, min_by(value, place) AS line FROM {_LINES} WHERE start = 0 GROUP BY file)"  # noqa: S608
        found = session.run(f"SELECT line, count(*) AS n FROM {first} GROUP BY line", "header").to_pylist()  # noqa: S608
        for line in found or [{"line": "", "n": 0}]:
            compare_header(text_header(_bytes(line["line"]), file.file_format), tuple(f.name for f in file.schema))
            n_headers += line["n"]
    n_lines = _check_lines(session, file)
    open_file(session, _VIEW, file)
    return _examine_rows(session, file, None, unique, n_lines - n_headers)


def _check_lines(session: Session, file: SparkFile) -> int:
    """Return how many lines there are."""
    pattern = line_pattern(file.file_format, len(file.schema))
    is_row = f"bool_and(value RLIKE {literal(pattern)} AND is_valid_utf8(value))"
    null_pattern = quoted_null_pattern(file.file_format)
    is_said = "true" if null_pattern is None else f"bool_and(NOT value RLIKE {literal(null_pattern)})"
    items = ["count(*)", f"coalesce({is_row}, true)", f"coalesce({is_said}, true)"]
    n_lines, are_rows, are_said = _one_row(session, items, _LINES)
    if not are_rows:
        raise DataMismatch(_NO_ROW)
    if not are_said:
        what = "has the spelling of NULL in quotes, which Spark does not tell from NULL"
        raise DataMismatch(Mismatch(what, "declare quotedNull: true if it means NULL, or store it as Parquet"))
    return n_lines


def _bytes(line: str | bytes | None) -> bytes:
    return (line or "").encode() if not isinstance(line, bytes) else line


def _examine_rows(
    session: Session,
    file: SparkFile,
    stored: Mapping[str, str] | None,
    unique: Collection[str | tuple[str, ...]],
    n_lines: int | None = None,
) -> tuple[int, tuple[Mismatch, ...]]:
    rules = [rule for column in file.schema for rule in _rules(column, file, stored)]
    n_broken = f"count({quoted_name(BROKEN)})" if stored is None else "0"
    found = _one_row(session, ["count(*)", n_broken, *(rule.is_broken for rule in rules)], _VIEW)
    n_rows, is_spoilt, *breaks = found
    if is_spoilt or (n_lines is not None and n_lines != n_rows):
        raise DataMismatch(_NO_ROW)
    broken = [rule for rule, is_broken in zip(rules, breaks, strict=True) if is_broken]
    mismatches = [Mismatch(rule.what, rule.fix, rule.column) for rule in broken]
    spoilt = {rule.column for rule in broken}
    for key in unique_keys(file.schema, unique):
        if spoilt.isdisjoint(column.name for column in key) and _repeats(session, file, key):
            mismatches.append(Mismatch(*repeated(key), key[0].name if len(key) == 1 else None))
    return n_rows, tuple(mismatches)


def _rules(column: Field, file: SparkFile, stored: Mapping[str, str] | None) -> Iterator[_Rule]:
    breaks = breaks_type(column, file.file_format, stored)
    yield _Rule(column.name, f"coalesce(bool_or({breaks}), false)", *wrong_type(column, file.file_format))
    if not column.nullable:
        is_null = f"coalesce(bool_or({text(column, file.file_format)} IS NULL), false)"
        yield _Rule(column.name, is_null, *NOT_NULL)


def _repeats(session: Session, file: SparkFile, key: tuple[Field, ...]) -> bool:
    values = [typed(column, file.file_format) for column in key]
    value = values[0]
    if len(key) > 1:
        is_known = " AND ".join(f"{each} IS NOT NULL" for each in values)
        value = f"CASE WHEN {is_known} THEN struct({', '.join(values)}) END"
    n_values, n_distinct = _one_row(session, [f"count({value})", f"count(DISTINCT {value})"], _VIEW)
    return n_values != n_distinct


def _one_row(session: Session, items: list[str], source: str) -> tuple[int, ...]:
    named = ", ".join(f"{item} AS c{i}" for i, item in enumerate(items))
    (row,) = session.run(f"SELECT {named} FROM {source}", "check").to_pylist()  # noqa: S608
    return tuple(row.values())
