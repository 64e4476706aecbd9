"""A file as DuckDB reads it: columns by their declared names, and which values break the declaration.

DuckDB's own casts are too friendly here ('1.5' becomes the integer 2, a third decimal is rounded away), so
every value is held against the rule of its type first.
"""

from pathlib import Path
from typing import Literal, assert_never

from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Schema, Type, Varchar
from conclave.local.sqlexpr import duckdb_type, quoted, view_name

Format = Literal["csv", "parquet"]


def relation(path: Path, file_format: Format, schema: Schema, null_text: str) -> str:
    """Return the table function that reads the file. A CSV's columns are all text, named as declared."""
    if file_format == "parquet":
        return f"read_parquet({quoted(str(path))})"
    columns = ", ".join(f"{quoted(f.name)}: 'VARCHAR'" for f in schema)
    return (
        f"read_csv({quoted(str(path))}, auto_detect = false, header = true, delim = ',', quote = '\"', "
        f"escape = '\"', nullstr = {quoted(null_text)}, strict_mode = true, columns = {{{columns}}})"
    )


def typed(column: Field) -> str:
    """Return the column's values as its declared type."""
    return f"CAST({view_name(column.name)} AS {duckdb_type(column.type)})"


def breaks_type(column: Field, file_format: Format) -> str:
    """Return the condition that holds for values that are none of the declared type, and never for NULL."""
    name = view_name(column.name)
    if isinstance(column.type, Varchar):
        # A zero byte is what shorter strings are padded with.
        return f"{name} IS NOT NULL AND (strlen({name}) > {column.type.max_bytes} OR contains({name}, chr(0)))"
    value = f"TRY_CAST({name} AS {duckdb_type(column.type)})"
    if file_format == "csv":
        is_other = f"NOT regexp_full_match({name}, {quoted(_pattern(column.type))})"
    else:
        is_other = f"{value} <> {name}"  # rounded
    is_beyond = ""
    if isinstance(column.type, Double):
        is_beyond = f" OR NOT isfinite({value})"
    elif isinstance(column.type, Date):  # beyond years of four digits functions of dates fail, or have no value
        is_beyond = f" OR {value} NOT BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'"
    return f"{name} IS NOT NULL AND ({is_other} OR {value} IS NULL{is_beyond})"


def _pattern(kind: Type) -> str:
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
