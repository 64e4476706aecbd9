"""Expressions by which some rows can be made to count for more than others under an aggregate.

Where a minimum of subjects is asked for, rows without a value count for nobody, so CASE WHEN … THEN x END can stand under
an aggregate. CASE WHEN patient = 7 THEN cost ELSE 0 END cannot: everybody has a value, and one person all of it.
"""

import decimal
import math
from typing import assert_never

from conclave.ir.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Compare,
    Expression,
    IsNull,
    Literal,
    Logic,
    Negate,
    Not,
    Spread,
    names_in,
    operands,
)
from conclave.ir.types import Double, Integer
from policy.mean import without_casts

# What makes no number and no date of what it is of; and roots, which make no steps.
_SMOOTH = ("sqrt", "lower", "upper", "trim", "substring")
# Of constant factors: between the two doubles do not round, which have 52 bits, nor MPC's words, with 32 after the point.
_LARGEST, _SMALLEST = 1 << 30, 2.0**-20


def weighs(expression: Expression, subjects: frozenset[str], weighed: frozenset[str]) -> bool:
    """Whether the expression has a condition that decides between values, computes with a subject, or reads what does.

    >>> from conclave.ir.types import Integer
    >>> pay, number, zero = Column("pay", Integer()), Column("id", Integer()), Literal(0, Integer())
    >>> one = Compare("=", number, zero)
    >>> weighs(Case(((one, pay),), zero), frozenset(), frozenset())
    True
    >>> weighs(Case(((one, pay),), Literal(None, Integer())), frozenset({"id"}), frozenset())
    False
    >>> weighs(Arithmetic("*", pay, number), frozenset({"id"}), frozenset())
    True
    """
    match expression:
        case Column(name):
            return name in weighed
        case Literal():
            return False
        case Case(((_, value),), Literal(None)):
            return weighs(value, subjects, weighed)
        case Case() | Compare() | Logic() | Not() | IsNull():
            return True
        case Arithmetic("//" | "%" | "&"):
            return True  # steps are conditions: cost * (days // 90) is nothing but for long stays
        case Call(function) if function not in _SMOOTH:
            return True  # so are a date's: the first of the next day's month less that of its own is 0 but on last days
        case Call("sqrt", (operand,)) if not isinstance(without_casts(operand), Column):
            return True  # SQRT(x * x) is ABS(x), a CASE
        case Arithmetic("/", _, divisor) if not _keeps_distance(divisor):
            return True  # cost / (days - 6.999) is next to nothing but where days is 7
        case Arithmetic() if rounds(expression):
            return True  # so does rounding make steps: (days + 1e17) - 1e17
        case Cast(operand):
            return weighs(operand, subjects, weighed)
        case Arithmetic() | Negate() | Call() | Spread():
            if names_in(expression) & subjects:
                return True
            return any(weighs(part, subjects, weighed) for part in operands(expression))
        case _ as never:
            assert_never(never)


def may_be_null(expression: Expression, chosen: frozenset[str]) -> bool:
    """Whether an author decides where the expression is NULL, be it that a column in it, one of `chosen`, is so.

    >>> from conclave.ir.types import Integer
    >>> pay, number = Column("pay", Integer()), Column("id", Integer())
    >>> may_be_null(Arithmetic("/", pay, number), frozenset()), may_be_null(pay, frozenset())
    (True, False)
    """
    match expression:
        case Column(name):
            return name in chosen
        case Case() | Call("sqrt"):
            return True
        case Arithmetic("/" | "//" | "%", _, right) if not (isinstance(right, Literal) and right.value):
            return True
    return any(may_be_null(part, chosen) for part in operands(expression))


def _keeps_distance(divisor: Expression) -> bool:
    """Whether a divisor is no difference that can be made small for some values: of whole numbers and columns of such alone."""
    bare = without_casts(divisor)
    match bare:
        case Literal() | Column() | Case():
            return True  # a CASE decides, which is said of itself
        case Arithmetic("*" | "/", left, right):
            return _keeps_distance(left) and _keeps_distance(right)
        case Arithmetic("+" | "-", left, right):
            sides = without_casts(left), without_casts(right)
            wholes = [each for each in sides if isinstance(each, Literal) and _is_whole(each)]
            return len(wholes) == 1 and any(
                isinstance(each, Column) and isinstance(each.type, Integer) for each in sides
            )
        case Negate(operand):
            return _keeps_distance(operand)
    return False


def _is_whole(literal: Literal) -> bool:
    value = literal.value
    return isinstance(value, int | float | decimal.Decimal) and value == int(value)


def rounds(expression: Arithmetic) -> bool:
    """Whether constants in it are so large, or make numbers so small, that doubles or MPC's words would round them."""
    if not isinstance(expression.type, Double):
        return False
    if expression.operator in ("+", "-"):
        return max(_factor(expression.left), _factor(expression.right)) > _LARGEST
    return not _SMALLEST <= _factor(expression) <= _LARGEST


def _factor(expression: Expression) -> float:
    """Return the product of the constants in a product or quotient; of anything else, 1."""
    match without_casts(expression):
        case Literal(value) if isinstance(value, int | float | decimal.Decimal) and value:
            return abs(float(value))
        case Arithmetic("*", left, right):
            return _factor(left) * _factor(right)
        case Arithmetic("/", left, right):
            below = _factor(right)
            return _factor(left) / below if below else math.inf
        case Negate(operand):
            return _factor(operand)
    return 1.0
