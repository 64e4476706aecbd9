"""A dataset as Spark reads it, in place: columns by their declared names, and which values break the declaration.

The rules are those of `source`. Where Spark's readers see less than DuckDB's, more is refused: a text's rows are one line
each, since what a piece of a large file begins with could not be told otherwise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Type, Varchar
from conclave.local.format import FileFormat
from conclave.local.source import NEVER, spelling
from conclave.local.sparkserver import Session, quoted_name

BROKEN = "ccd: not as the text is declared"  # a column beside the declared ones: whole for a row that is spoilt
_NO_NULL = "\u0001ccd\u0001"  # what no field is: a text's own spellings of NULL are looked for afterwards
# What Spark's types are called, and which declared types each may be the home of.
_INTEGERS = frozenset({"tinyint", "smallint", "int", "bigint"})


@dataclass(frozen=True)
class SparkFile:
    """Where a dataset lies, as Spark reaches it, and how it is written: one file, or a directory of them."""

    path: str
    file_format: FileFormat
    schema: Schema


def open_file(session: Session, view: str, file: SparkFile) -> Mapping[str, str] | None:
    """Make the file a view of what it holds; return its columns' types if it knows them.

    Raises:  LocalError if it cannot be read.
    """
    if not file.file_format.is_text:
        return dict(session.read_parquet(view, file.path))
    session.read_csv(view, file.path, (*(f.name for f in file.schema), BROKEN), _options(file.file_format))
    return None


def _options(declared: FileFormat) -> dict[str, str]:
    return {
        "sep": declared.delimiter,
        "header": str(declared.has_header).lower(),
        "enforceSchema": "true",  # by place: the header is looked at by itself
        "encoding": "UTF-8",
        "quote": declared.quote,
        "escape": declared.escape or "\0",
        "charToEscapeQuoteEscaping": declared.escape or "\0",
        "nullValue": _NO_NULL,
        "emptyValue": "",
        "ignoreLeadingWhiteSpace": "false",
        "ignoreTrailingWhiteSpace": "false",
        "maxCharsPerColumn": "-1",
        "maxColumns": "100000",
        "multiLine": "false",
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": BROKEN,
    }


def text(column: Field, declared: FileFormat) -> str:
    """Return the column's values as the file means them, before they are given their type.

    Spark reads an empty field as NULL, and an empty one in quotes as an empty string.
    """
    name = quoted_name(column.name)
    if not declared.is_text:
        return name
    others = [null for null in declared.nulls if null]
    value = name if "" in declared.nulls else f"coalesce({name}, '')"
    if "" in declared.nulls and declared.quoted_nulls:
        value = f"nullif({value}, '')"
    if not others:
        return value
    listed = ", ".join(literal(null) for null in others)
    return f"CASE WHEN {value} NOT IN ({listed}) THEN {value} END"


def typed(column: Field, declared: FileFormat) -> str:
    """Return the column's values as its declared type."""
    return f"CAST({text(column, declared)} AS {spark_type(column.type)})"


def guarded(column: Field, declared: FileFormat, stored: Mapping[str, str] | None) -> str:
    """Return the column as its declared type, and an error for a value that is not."""
    value, breaks = typed(column, declared), breaks_type(column, declared, stored)
    if breaks != NEVER:
        value = f"CASE WHEN {breaks} THEN raise_error({literal(column.name)}) ELSE {value} END"
    return f"{value} AS {quoted_name(column.name)}"


def breaks_type(column: Field, declared: FileFormat, stored: Mapping[str, str] | None) -> str:
    """Return the condition that holds for values that are none of the declared type, and never for NULL."""
    value = text(column, declared)
    match column.type:
        case Varchar(max_bytes):
            spoilt = f"octet_length({value}) > {max_bytes} OR instr({value}, char(0)) > 0 OR NOT is_valid_utf8({value})"
            return f"{value} IS NOT NULL AND ({spoilt})"
    made = f"try_cast({value} AS {spark_type(column.type)})"
    if stored is not None and stored[column.name] == spark_type(column.type).lower():
        out_of_range = _out_of_range(column.type, value)
        return f"{value} IS NOT NULL AND ({out_of_range})" if out_of_range else NEVER
    if stored is None:
        pattern = rf"\A(?:{spelling(column.type)})\z"
        is_other = f"NOT {value} RLIKE {literal(pattern)}"
    else:
        is_other = f"{made} <> {value}"  # rounded
    rules = [is_other, f"{made} IS NULL", _out_of_range(column.type, made)]
    return f"{value} IS NOT NULL AND ({' OR '.join(rule for rule in rules if rule)})"


def is_stored_as(stored: str, declared: Type) -> bool:
    """Whether a column that Spark calls `stored` may be declared so."""
    match declared:
        case Integer():
            return stored in _INTEGERS or stored == "decimal(20,0)"  # an unsigned one of 64 bits
        case Decimal():
            return stored in _INTEGERS or stored.startswith("decimal(")
        case Double():
            return stored in ("double", "float")
        case Boolean() | Date():
            return stored == str(declared)
        case Varchar():
            return stored == "string"
        case _ as never:
            assert_never(never)


def spark_type(kind: Type) -> str:
    """Return the name of Spark's type for `kind`."""
    match kind:
        case Integer(32):
            return "INT"
        case Integer() | Decimal() | Double() | Boolean() | Date():
            return str(kind).upper()
        case Varchar():
            return "STRING"
        case _ as never:
            assert_never(never)


def literal(value: str) -> str:
    """Return a string constant as Spark's SQL has it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


def line_pattern(declared: FileFormat, n_columns: int) -> str:
    """Return the pattern, to Java, of a line that is a row of `n_columns` fields: what a text is, told by itself."""
    delimiter, quote, escape = (re.escape(sign) for sign in (declared.delimiter, declared.quote, declared.escape))
    plain = f"[^{delimiter}]*+"
    if quote:
        plain = f"(?:[^{delimiter}{quote}][^{delimiter}]*+)?"
        if declared.escape == declared.quote:
            within = f"[^{quote}]*+(?:{quote}{quote}[^{quote}]*+)*+"
        else:
            within = f"[^{quote}{escape}]*+(?:{escape}.[^{quote}{escape}]*+)*+"
        plain = f"(?:{quote}{within}{quote}|{plain})"
    return rf"(?s)\A{plain}(?:{delimiter}{plain}){{{n_columns - 1}}}\z"


def quoted_null_pattern(declared: FileFormat) -> str | None:
    """Return the pattern of a line with NULL's spelling in quotes, where that means a string: Spark sees no difference."""
    others = [re.escape(null) for null in declared.nulls if null]
    if not declared.quote or declared.quoted_nulls or not others:
        return None
    quote, delimiter = re.escape(declared.quote), re.escape(declared.delimiter)
    return rf"(?:\A|{delimiter}){quote}(?:{'|'.join(others)}){quote}(?:{delimiter}|\z)"


def _out_of_range(kind: Type, value: str) -> str:
    if isinstance(kind, Double):
        return f"isnan({value}) OR abs({value}) = double('Infinity')"
    if isinstance(kind, Date):
        return f"{value} NOT BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'"
    return ""
