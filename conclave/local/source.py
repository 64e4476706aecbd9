"""A file as DuckDB reads it: columns by their declared names, and which values break the declaration.

DuckDB's own casts are too friendly here ('1.5' becomes the integer 2, a third decimal is rounded away), so
every value is held against the rule of its type first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

import duckdb

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Type, Varchar
from conclave.local.format import FileFormat
from conclave.local.sqlexpr import duckdb_type, quoted, view_name

MAX_LINE_BYTES = 2 << 20
NEVER = "false"  # a condition that no value fulfils


def relation(path: Path, file_format: FileFormat, schema: Schema) -> str:
    """Return the table function that reads the file. A text's columns are all varchar, named as declared."""
    if not file_format.is_text:
        return f"read_parquet({quoted(str(path))})"
    columns = ", ".join(f"{quoted(f.name)}: 'VARCHAR'" for f in schema)
    nulls = ", ".join(quoted(null) for null in file_format.nulls)
    options = {
        # Said for each: what is left to DuckDB's detection would depend on the data.
        "auto_detect": "false",
        "compression": "'none'",
        "encoding": "'utf-8'",
        "header": str(file_format.has_header).lower(),
        "delim": quoted(file_format.delimiter),
        "quote": quoted(file_format.quote),
        "escape": quoted(file_format.escape),
        "comment": "''",
        "nullstr": f"[{nulls}]",
        "allow_quoted_nulls": str(file_format.quoted_nulls).lower(),
        "strict_mode": "true",
        "max_line_size": str(MAX_LINE_BYTES),
        "columns": f"{{{columns}}}",
    }
    return f"read_csv({quoted(str(path))}, {', '.join(f'{name} = {value}' for name, value in options.items())})"


def text(column: Field, file_format: FileFormat) -> str:
    """Return the column's values as the file means them, before they are given their type."""
    name = view_name(column.name)
    if not file_format.has_quoted_strings:
        return name
    within = f"replace({name}[2:-2], '\\\"', '\"')"
    return f"CASE WHEN {_is_in_quotes(name)} THEN {within} ELSE {name} END"


def typed(column: Field, file_format: FileFormat) -> str:
    """Return the column's values as its declared type."""
    return f"CAST({text(column, file_format)} AS {duckdb_type(column.type)})"


def breaks_quotes(column: Field) -> str:
    """Return the condition that holds for a value of a `tab` file that has a quote at one end only."""
    name = view_name(column.name)
    return f"{name} IS NOT NULL AND starts_with({name}, '\"') AND NOT {_is_in_quotes(name)}"


def stored_types(connection: duckdb.DuckDBPyConnection, source: str) -> Mapping[str, str]:
    """Return the type of each column of a relation, as DuckDB names it."""
    rows = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})").fetchall()  # noqa: S608
    return dict(rows)


def breaks_type(column: Field, file_format: FileFormat, stored: Mapping[str, str] | None = None) -> str:
    """Return the condition that holds for values that are none of the declared type, and never for NULL.

    What is `stored` as the declared type already is not converted, so that there is less to ask.
    """
    name = text(column, file_format)
    if (
        stored is not None
        and stored.get(column.name) == duckdb_type(column.type)
        and not isinstance(column.type, Varchar)
    ):
        out_of_range = _out_of_range(column.type, name)
        return f"{name} IS NOT NULL AND (false{out_of_range})" if out_of_range else NEVER
    if isinstance(column.type, Varchar):
        # A zero byte is what shorter strings are padded with.
        return f"{name} IS NOT NULL AND (strlen({name}) > {column.type.max_bytes} OR contains({name}, chr(0)))"
    value = f"TRY_CAST({name} AS {duckdb_type(column.type)})"
    if file_format.is_text:
        is_other = f"NOT regexp_full_match({name}, {quoted(spelling(column.type))})"
    else:
        is_other = f"{value} <> {name}"  # rounded
    return f"{name} IS NOT NULL AND ({is_other} OR {value} IS NULL{_out_of_range(column.type, value)})"


def _out_of_range(kind: Type, value: str) -> str:
    if isinstance(kind, Double):
        return f" OR NOT isfinite({value})"
    if isinstance(kind, Date):
        # DuckDB has years before and after these; what reads an answer may not.
        return f" OR {value} NOT BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'"
    return ""


def _is_in_quotes(name: str) -> str:
    return f"(strlen({name}) > 1 AND starts_with({name}, '\"') AND ends_with({name}, '\"'))"


def spelling(kind: Type) -> str:
    """Return the pattern, the same to RE2 and to Java, that a text's values of a type fit as a whole."""
    match kind:
        case Integer():
            return "[+-]?[0-9]+"
        case Decimal(_, 0):
            return r"[+-]?[0-9]+\.?"
        case Decimal(_, scale):
            return rf"[+-]?([0-9]+(\.[0-9]{{0,{scale}}})?|\.[0-9]{{1,{scale}}})"
        case Double():
            return r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
        case Boolean():
            return "(?i)(true|false|t|f|1|0)"
        case Date():
            return "[0-9]{4}-[0-9]{2}-[0-9]{2}"
        case Varchar():
            return ".*"
        case _ as never:
            assert_never(never)
