"""Several sums in one: with a factor that is large enough, digits of one number are another's.

`SUM(days + 30000 * days * age)` is, of a few people, the sum of days and that of days times age: two equations. So a sum counts
for as many as it has different products, unless their factors are about as large: `pay * (1 - discount)` is one.
"""

import decimal
import math
from collections.abc import Mapping
from fractions import Fraction

from conclave.ir.expressions import Arithmetic, Expression, Literal, Negate
from conclave.ir.show import show_expression
from policy.mean import without_casts
from policy.narrowed import exact

_APART = 16  # of two factors, which keeps the sums of hardly any numbers apart if it is less
_MOST_TERMS = 64

Terms = Mapping[tuple[str, ...], Fraction]  # by the factors of a product, its constant one


def sums_in(expression: Expression) -> frozenset[tuple[str, ...]]:
    """Return the products that a sum of such values tells the sums of; all of them as one where they cannot be told apart."""
    terms = {factors: abs(constant) for factors, constant in _terms(expression).items() if factors and constant}
    if len(terms) > 1 and max(terms.values()) <= _APART * min(terms.values()):
        return frozenset({(show_expression(expression),)})
    return frozenset(terms) or frozenset({(show_expression(expression),)})


def _terms(expression: Expression) -> Terms:
    bare = without_casts(expression)
    match bare:
        case Literal(value) if (
            isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool) and math.isfinite(value)
        ):
            return {(): exact(value)}
        case Negate(operand):
            return {factors: -constant for factors, constant in _terms(operand).items()}
        case Arithmetic("+" | "-" as operator, left, right):
            sign = 1 if operator == "+" else -1
            found = dict(_terms(left))
            for factors, constant in _terms(right).items():
                found[factors] = found.get(factors, Fraction(0)) + sign * constant
            return found
        case Arithmetic("*", left, right):
            one, other = _terms(left), _terms(right)
            if len(one) * len(other) <= _MOST_TERMS:
                return _multiplied(one, other)
        case Arithmetic("/", left, right):
            divisor = _terms(right)
            if set(divisor) == {()} and divisor[()]:
                return {factors: constant / divisor[()] for factors, constant in _terms(left).items()}
            one = _terms(left)
            if len(one) <= _MOST_TERMS:
                return _multiplied(one, {(f"1 / {show_expression(right)}",): Fraction(1)})
    return {(show_expression(bare),): Fraction(1)}


def _multiplied(one: Terms, other: Terms) -> Terms:
    found: dict[tuple[str, ...], Fraction] = {}
    for mine, a in one.items():
        for theirs, b in other.items():
            factors = tuple(sorted((*mine, *theirs)))
            found[factors] = found.get(factors, Fraction(0)) + a * b
    return found
