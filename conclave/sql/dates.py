"""INTERVAL beside a date: days are added as a number, months and years by whoever holds the date, or to a constant here."""

import calendar
import datetime
from collections.abc import Callable

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem, TypeProblem
from conclave.ir.expressions import Arithmetic, Call, Expression, Literal
from conclave.ir.types import Date, Integer
from conclave.sql.parse import Text
from conclave.sql.refuse import refuse_others, refused

_DAYS = {"DAY": 1, "WEEK": 7}
_MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12, "DECADE": 120}
_MOST_DAYS, _MOST_MONTHS = 10_000 * 366, 10_000 * 12


def shifted(date: Expression, interval: exp.Interval, sign: int, text: Text, at: Position | None) -> Expression:
    """Return the date that is an interval later, or earlier if `sign` is -1.

    Raises:  UnsupportedQuery for an interval of other than a constant number of days, weeks, months or years.
    """
    if not isinstance(date.type, Date):
        raise TypeProblem(f"INTERVAL is added to a date, got {date.type}", at, "write the number alone")
    number, unit = _size(interval, text)
    if unit in _DAYS:
        days = sign * number * _DAYS[unit]
        if isinstance(date, Literal) and isinstance(date.value, datetime.date):
            return Literal(_checked(lambda day: day + datetime.timedelta(days), date.value, at), Date(), at)
        return Arithmetic("+" if days >= 0 else "-", date, Literal(abs(days), Integer(32), at), at)
    months = sign * number * _MONTHS[unit]
    if isinstance(date, Literal) and isinstance(date.value, datetime.date):
        return Literal(_checked(lambda day: _months_later(day, months), date.value, at), Date(), at)
    return Call("add_months", (date, Literal(months, Integer(32), at)), Date(), at)


def _size(interval: exp.Interval, text: Text) -> tuple[int, str]:
    at = text.at(interval)
    refuse_others(interval, frozenset({"this", "unit"}), text)
    unit = str(interval.args["unit"].name).upper().removesuffix("S") if interval.args.get("unit") else ""
    said, sign = interval.this, 1
    while isinstance(said, exp.Neg | exp.Paren):
        sign, said = (-sign if isinstance(said, exp.Neg) else sign), said.this
    written = str(said.this).strip() if isinstance(said, exp.Literal) else ""
    fix = "write INTERVAL 3 MONTH, with a whole number of days, weeks, months, quarters or years"
    if unit not in {**_DAYS, **_MONTHS}:
        raise refused("an INTERVAL of other than days, weeks, months, quarters or years", at, fix)
    most = _MOST_DAYS // _DAYS[unit] if unit in _DAYS else _MOST_MONTHS // _MONTHS[unit]
    if not written.removeprefix("-").isdigit() or abs(int(written)) > most:
        raise refused("an INTERVAL that is not a whole constant", at, fix)
    return sign * int(written), unit


def _months_later(day: datetime.date, months: int) -> datetime.date:
    """Return the same day of another month, or its last if it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return datetime.date(year, month + 1, min(day.day, last))


def _checked(
    change: Callable[[datetime.date], datetime.date], day: datetime.date, at: Position | None
) -> datetime.date:
    try:
        return change(day)
    except (OverflowError, ValueError) as error:  # calendar refuses years beyond its own
        raise QueryProblem("a date outside the years 1 to 9999", at) from error
