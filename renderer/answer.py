"""An answer for people (a table) and for programs (rows as JSON objects)."""

import datetime
import decimal
from typing import Any

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from renderer.printable import printable

MOST_ROWS_SHOWN = 40


def rows_of(answer: pa.Table) -> list[dict[str, Any]]:
    """Return the rows as JSON-ready objects: numbers as numbers, dates as ISO text, NULL as null.

    A decimal with more digits than JSON's readers keep of a number is text, digit for digit.
    """
    return [{name: _json_value(value) for name, value in row.items()} for row in answer.to_pylist()]


def table_of(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    """Return the rows as a table for a terminal; of a long answer, its beginning."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        is_number = any(isinstance(row[column], int | float) for row in rows)
        table.add_column(Text(printable(column)), justify="right" if is_number else "left")
    for row in rows[:MOST_ROWS_SHOWN]:
        # The values are others': neither a terminal nor rich is to act on them.
        shown = ("NULL" if row[column] is None else printable(str(row[column])) for column in columns)
        table.add_row(*map(Text, shown))
    if len(rows) > MOST_ROWS_SHOWN:
        table.caption = f"and {len(rows) - MOST_ROWS_SHOWN} more rows; --json shows them all"
    return table


def _json_value(value: Any) -> Any:
    match value:
        case decimal.Decimal():
            if value.as_tuple().exponent == 0:
                return int(value)
            return float(value) if decimal.Decimal(repr(float(value))) == value else f"{value:f}"
        case datetime.date():
            return value.isoformat()
    return value
