"""From where to where an expression's numbers reach, by types, owners' bounds and constants alone; dates are days since 1970.

The least BIGINT has no counterpart: `-x`, `0 - x` and `x // -1` of it are an error of an owner's engine, so sizes do not do.
"""

import datetime
import decimal
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from conclave.ir.expressions import Arithmetic, Call, Case, Cast, Column, Expression, Literal, Negate
from conclave.ir.magnitude import Sizes
from conclave.ir.types import Date, Decimal, Integer, Type

_EPOCH = datetime.date(1970, 1, 1)
_MOST_DAYS = 100_000_000  # engines count months in timestamps, which reach about that far
_MOST_OF_A_MONTH = 31
_MOST_YEARS, _MOST_OF_A_PART = 300_000, 366


@dataclass(frozen=True)
class Span:
    """The least and the largest number; None: there is none."""

    low: Fraction | None
    high: Fraction | None

    def is_within(self, other: "Span") -> bool:
        """Whether all of these are among the others."""
        is_above = other.low is None or (self.low is not None and self.low >= other.low)
        return is_above and (other.high is None or (self.high is not None and self.high <= other.high))

    @property
    def size(self) -> Fraction | None:
        """How large they are at most, either way."""
        return None if self.low is None or self.high is None else max(abs(self.low), abs(self.high))


_ANY, _NONE = Span(None, None), Span(Fraction(0), Fraction(0))


def span_of_type(kind: Type) -> Span:
    """Return what a type holds."""
    match kind:
        case Integer(bits):
            return Span(Fraction(-(1 << (bits - 1))), Fraction((1 << (bits - 1)) - 1))
        case Decimal(precision, scale):
            most = Fraction(10**precision - 1, 10**scale)
            return Span(-most, most)
        case Date():
            return Span(Fraction(-_MOST_DAYS), Fraction(_MOST_DAYS))
    return _ANY  # doubles never fail


def span_of(expression: Expression, sizes: Sizes) -> Span:
    """Return where an expression's values lie, of columns of these sizes.

    >>> big, one = Column("big", Integer(64)), Literal(-1, Integer(64))
    >>> all(span_of(each, {}).is_within(span_of_type(each.type)) for each in (Negate(big), Arithmetic("//", big, one)))
    False
    >>> span_of(Arithmetic("*", Column("tiny", Integer(8)), one), {}).high
    Fraction(128, 1)
    """
    match expression:
        case Literal(value):
            return _of_constant(value)
        case Column(name, kind):
            known = sizes.get(name)
            own = span_of_type(kind)
            return own if known is None else _meet(own, Span(-known, known))
        case Arithmetic(operator, left, right):
            return _of_two(operator, span_of(left, sizes), span_of(right, sizes))
        case Negate(operand):
            return _less(_NONE, span_of(operand, sizes))
        case Cast(operand):
            return span_of(operand, sizes)
        case Case(branches, otherwise):
            return _hull(span_of(value, sizes) for value in (*(value for _, value in branches), otherwise))
        case Call("add_months", (date, Literal(int() as months))):
            moved = Fraction(abs(months) * _MOST_OF_A_MONTH)
            return _plus(span_of(date, sizes), Span(-moved, moved))
        case Call("year"):
            return Span(Fraction(-_MOST_YEARS), Fraction(_MOST_YEARS))
        case Call("quarter" | "month" | "week" | "day" | "dayofweek" | "dayofyear"):
            return Span(Fraction(0), Fraction(_MOST_OF_A_PART))
    return span_of_type(expression.type)


def _of_constant(value: object) -> Span:
    match value:
        case datetime.date():
            day = Fraction((value - _EPOCH).days)
            return Span(day, day)
        case bool():
            return _NONE
        case int() | decimal.Decimal():
            return Span(Fraction(value), Fraction(value))
        case float():
            return _ANY  # beside it everything is a double
    return _NONE


def _of_two(operator: str, left: Span, right: Span) -> Span:
    if left.low is None or left.high is None or right.low is None or right.high is None:
        return _ANY
    match operator:
        case "+":
            return _plus(left, right)
        case "-":
            return _less(left, right)
        case "*":
            ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            return Span(min(ends), max(ends))
        case "//" | "%":
            # The rest of a division by -1 is computed by dividing.
            turned = _less(_NONE, left) if right.low < 0 else left
            return _hull((left, turned, _NONE))
        case "&":
            return _of_bits((left.low, right.low), (left.high, right.high))
    return _ANY  # a quotient is a double


def _of_bits(lows: tuple[Fraction, Fraction], highs: tuple[Fraction, Fraction]) -> Span:
    """Return where the AND of two numbers' bits lies: it is negative only if both are, and then no longer than they."""
    zero, are_negative = Fraction(0), max(lows) < 0
    least = Fraction(-(1 << (int(-min(lows)) - 1).bit_length())) if are_negative else zero
    return Span(least, max(*highs, zero))


def _plus(one: Span, other: Span) -> Span:
    low = None if one.low is None or other.low is None else one.low + other.low
    return Span(low, None if one.high is None or other.high is None else one.high + other.high)


def _less(one: Span, other: Span) -> Span:
    return _plus(one, Span(None if other.high is None else -other.high, None if other.low is None else -other.low))


def _meet(one: Span, other: Span) -> Span:
    lows = [each for each in (one.low, other.low) if each is not None]
    highs = [each for each in (one.high, other.high) if each is not None]
    return Span(max(lows, default=None), min(highs, default=None))


def _hull(spans: Iterable[Span]) -> Span:
    found = list(spans)
    lows = [each.low for each in found if each.low is not None]
    highs = [each.high for each in found if each.high is not None]
    return Span(
        min(lows) if len(lows) == len(found) else None,
        max(highs) if len(highs) == len(found) else None,
    )
