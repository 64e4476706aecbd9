"""Within which numbers a column's values lie: the owner's bounds, and what is computed from them, exactly.

Only of integers and decimals: doubles are rounded, here and there in different ways.
"""

import decimal
from collections.abc import Iterable, Mapping
from fractions import Fraction

from conclave.ir.expressions import Arithmetic, Case, Cast, Column, Expression, Literal, Negate
from conclave.ir.nodes import Scan
from conclave.ir.recovery import keeps_numbers
from conclave.ir.types import Decimal, Integer, Type

Range = tuple[Fraction, Fraction]


def scanned(scan: Scan) -> dict[str, Range | None]:
    """Return the range of each column of a dataset; None where its owner sets no bounds, or they are of doubles."""
    found: dict[str, Range | None] = {f.name: None for f in scan.schema}
    for clamp in scan.clamps:
        low, high = _constant(clamp.low), _constant(clamp.high)
        if low is not None and high is not None:
            found[clamp.column] = (low[0], high[1])
    return found


def hull(ranges: Iterable[Range | None]) -> Range | None:
    """Return the least range that holds all of these; None if one of them is not known, or there is none.

    >>> hull([(Fraction(0), Fraction(2)), (Fraction(-1), Fraction(1))])
    (Fraction(-1, 1), Fraction(2, 1))
    """
    found = list(ranges)
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def range_of(expression: Expression, columns: Mapping[str, Range | None]) -> Range | None:
    """Return within what the expression's values lie, NULL counting as 0, if the columns lie within theirs.

    >>> from conclave.ir.types import Integer
    >>> days = Column("days", Integer())
    >>> range_of(Arithmetic("-", Literal(1, Integer()), days), {"days": (Fraction(0), Fraction(90))})
    (Fraction(-89, 1), Fraction(1, 1))
    """
    match expression:
        case Column(name):
            return columns.get(name) if _is_exact(expression.type) else None
        case Literal():
            return _constant(expression)
        case Negate(operand):
            inner = range_of(operand, columns)
            return None if inner is None else (-inner[1], -inner[0])
        case Cast(operand, kind):
            return range_of(operand, columns) if keeps_numbers(operand.type, kind) else None
        case Case(branches, default):
            return hull(range_of(value, columns) for value in (*(value for _, value in branches), default))
        case Arithmetic(operator, left, right) if _is_exact(expression.type):
            return _computed(operator, range_of(left, columns), range_of(right, columns))
    return None


def _computed(operator: str, left: Range | None, right: Range | None) -> Range | None:
    if left is None or right is None:
        return None
    match operator:
        case "+":
            return left[0] + right[0], left[1] + right[1]
        case "-":
            return left[0] - right[1], left[1] - right[0]
        case "*":
            corners = [a * b for a in left for b in right]
            return min(corners), max(corners)
    return None


def _constant(literal: Literal) -> Range | None:
    match literal.value:
        case None:
            return Fraction(0), Fraction(0)
        case bool() | float() | str():
            return None
        case int() | decimal.Decimal() if _is_exact(literal.type):
            return Fraction(literal.value), Fraction(literal.value)
    return None


def _is_exact(kind: Type) -> bool:
    return isinstance(kind, Integer | Decimal)
