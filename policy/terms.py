"""What a sum is a sum of: products of columns. Two sums can be taken from one another only where they share one.

SUM(pay) and SUM(pay * rate - pay) share pay; SUM(pay) and SUM(pay * rate) share nothing, and a count is a sum of the empty
product. Powers are left out: of a column of zeros and ones they are the column itself. What is no polynomial is not
followed; it may be anything.
"""

import decimal
import math
from collections.abc import Mapping
from fractions import Fraction

from conclave.ir.expressions import Arithmetic, Call, Case, Cast, Column, Expression, Literal, Negate, operands
from conclave.ir.types import Double, is_numeric
from policy.personal import Source

Product = frozenset[frozenset[Source]]  # of columns, each of them by all that it may be from
Terms = frozenset[Product]
ONES: Product = frozenset()
MOST_TERMS = 50

_Amounts = dict[Product, Fraction]  # how often each is added


def terms_of(expression: Expression, origins: Mapping[str, frozenset[Source]]) -> Terms | None:
    """Return the products that are added up; None if it is no polynomial of columns.

    >>> from conclave.ir.types import Integer
    >>> pay, one = Column("pay", Integer()), Literal(1, Integer())
    >>> found = terms_of(Arithmetic("-", Arithmetic("+", pay, one), one), {"pay": frozenset({("alpha/staff", "pay")})})
    >>> found == frozenset({frozenset({frozenset({("alpha/staff", "pay")})})})
    True
    """
    amounts = _amounts(expression, origins)
    if amounts is None or len(amounts) > MOST_TERMS:
        return None
    # Of doubles, what should cancel out leaves the last digits behind.
    is_rounded = isinstance(expression.type, Double)
    return frozenset(product for product, amount in amounts.items() if amount or is_rounded)


def have_common(one: Terms | None, other: Terms | None) -> bool:
    """Whether there is a product that both add up; None may be any."""
    if one is None or other is None:
        return True
    common = [mine for mine in one if any(_is_same(mine, theirs) for theirs in other)]
    # Rows that are counted within both are left over only where nothing else is added to them.
    return any(common) or bool(common and frozenset({ONES}) in (one, other))


def not_null(expression: Expression) -> tuple[Column, ...] | None:
    """Return the columns that have a value wherever the expression has one, and only there; None if that is not certain."""
    match expression:
        case Column():
            return (expression,) if expression.nullable else ()
        case Literal(value):
            return () if value is not None else None
        case Arithmetic("+" | "-" | "*" | "&") | Negate():
            found: dict[Column, None] = {}
            for part in operands(expression):
                inner = not_null(part)
                if inner is None:
                    return None
                found |= dict.fromkeys(inner)
            return tuple(found)
        case Cast(operand, kind) if is_numeric(kind) and is_numeric(operand.type):
            return not_null(operand)
    return None


def leaves_rows_out(expression: Expression) -> bool:
    """Whether it may be NULL where its columns are not, which is a condition of its own: of `pay / (id - 7)`, id <> 7."""
    match expression:
        case Case() | Arithmetic("/" | "//" | "%") | Call():
            return True
    return any(map(leaves_rows_out, operands(expression)))


def _is_same(one: Product, other: Product) -> bool:
    return all(any(a & b for b in other) for a in one) and all(any(a & b for a in one) for b in other)


def _amounts(expression: Expression, origins: Mapping[str, frozenset[Source]]) -> _Amounts | None:
    match expression:
        case Column(name) if name in origins and is_numeric(expression.type):
            return {frozenset({origins[name]}): Fraction(1)}
        case Literal(int() | float() | decimal.Decimal() as value) if is_numeric(expression.type) and math.isfinite(
            value
        ):
            return {ONES: Fraction(value)}
        case Cast(operand) if is_numeric(expression.type):
            return _amounts(operand, origins)
        case Negate(operand):
            inner = _amounts(operand, origins)
            return inner and _product(inner, {ONES: Fraction(-1)})
        case Arithmetic("+" | "-" | "*" as operator, left, right) if is_numeric(expression.type):
            one, other = _amounts(left, origins), _amounts(right, origins)
            if one is None or other is None or len(one) * len(other) > MOST_TERMS * MOST_TERMS:
                return None
            if operator == "*":
                return _product(one, other)
            return _sum(one, other if operator == "+" else _product(other, {ONES: Fraction(-1)}))
    return None


def _sum(one: _Amounts, other: _Amounts) -> _Amounts:
    return {each: one.get(each, Fraction(0)) + other.get(each, Fraction(0)) for each in {**one, **other}}


def _product(one: _Amounts, other: _Amounts) -> _Amounts:
    found: _Amounts = {}
    for mine, amount in one.items():
        for theirs, times in other.items():
            both = mine | theirs
            found[both] = found.get(both, Fraction(0)) + amount * times
    return found
