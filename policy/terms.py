"""What a sum is a sum of: products of columns. Two sums can be taken from one another only where they share one.

SUM(pay) and SUM(pay * rate - pay) share pay; SUM(pay) and SUM(pay * rate) share none, and a count is a sum of the empty
product. Powers make no other product of one here: of a column of zeros and ones they are the column itself. But both sums are
of pay, by other weights, and whoever knows the rates has two equations in what the rows are paid. What is no polynomial is
not followed; it may be anything.
"""

import decimal
import math
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

from conclave.ir.expressions import Arithmetic, Call, Case, Cast, Column, Expression, Literal, Negate, operands
from conclave.ir.types import Double, is_numeric
from policy.personal import Source

Factor = frozenset[Source]  # a column, by all that it may be from
Product = frozenset[tuple[Factor, int]]  # of columns, and how often each
Terms = frozenset[Product]
ONES: Product = frozenset()
MOST_TERMS = 50

_Amounts = dict[Product, Fraction]  # how often each is added


def terms_of(expression: Expression, origins: Mapping[str, frozenset[Source]]) -> Terms | None:
    """Return the products that are added up; None if it is no polynomial of columns.

    >>> from conclave.ir.types import Integer
    >>> pay, one = Column("pay", Integer()), Literal(1, Integer())
    >>> found = terms_of(Arithmetic("-", Arithmetic("+", pay, one), one), {"pay": frozenset({("alpha/staff", "pay")})})
    >>> found == frozenset({frozenset({(frozenset({("alpha/staff", "pay")}), 1)})})
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


def are_weighed_differently(one: Terms | None, other: Terms | None) -> frozenset[Source]:
    """Return the columns that both add up, each time with something else; none if a sum is no polynomial.

    >>> pay, rate = frozenset({("alpha/staff", "pay")}), frozenset({("alpha/staff", "rate")})
    >>> plain, weighed = frozenset({frozenset({(pay, 1)})}), frozenset({frozenset({(pay, 1), (rate, 1)})})
    >>> sorted(are_weighed_differently(plain, weighed)), are_weighed_differently(plain, plain)
    ([('alpha/staff', 'pay')], frozenset())
    """
    found = frozenset[Source]()
    for column in _factors(one) & _factors(other):
        mine, theirs = _weights(one, column), _weights(other, column)
        if not _are_all_among(mine, theirs) or not _are_all_among(theirs, mine):
            found |= {column}
    return found


def _factors(terms: Terms | None) -> frozenset[Source]:
    return frozenset(source for product in terms or () for factor, _ in product for source in factor)


def _weights(terms: Terms | None, column: Source) -> list[Product]:
    """Return what a column is multiplied by."""
    found = []
    for product in terms or ():
        for factor, power in product:
            if column in factor:
                left = product - {(factor, power)}
                found.append(left | {(factor, power - 1)} if power > 1 else left)
    return found


def _are_all_among(some: list[Product], others: list[Product]) -> bool:
    return all(any(_is_same(one, other, with_powers=True) for other in others) for one in some)


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


def _is_same(one: Product, other: Product, with_powers: bool = False) -> bool:
    def have_same(some: Product, others: Product) -> bool:
        return all(any(a & b and (m == n or not with_powers) for b, n in others) for a, m in some)

    return have_same(one, other) and have_same(other, one)


def _amounts(expression: Expression, origins: Mapping[str, frozenset[Source]]) -> _Amounts | None:
    match expression:
        case Column(name) if name in origins and is_numeric(expression.type):
            return {frozenset({(origins[name], 1)}): Fraction(1)}
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
            powers = Counter(dict(mine)) + Counter(dict(theirs))
            both = frozenset(powers.items())
            found[both] = found.get(both, Fraction(0)) + amount * times
    return found
