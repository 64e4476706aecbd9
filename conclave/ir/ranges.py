"""How large the words of an expression can become, and so where MPC has to look whether they still fit.

A word is the number as MPC holds it (`conclave.ir.words`). Sizes are bounds that hold for every value that is there;
what does not follow from them is looked at when it is computed, and counts as fitting from there on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal as OneOf
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
    decimals_of,
    operands,
)
from conclave.ir.types import Boolean, Date, Decimal, Double, Integer, Type, Varchar, common_type, is_numeric
from conclave.ir.words import FRACTION_BITS, constant_word

WORD_MOST = (1 << 63) - 1
# What protocols that lift numbers to 128 bits take, such as a division's; and a division of whole numbers' divisor.
LIFT_MOST = (1 << 62) - 1
DIVISOR_MOST = (1 << 60) - 1
# What a product of whole numbers is at most, once it has been looked at.
PRODUCT_MOST = 5 << 60
# No table has more rows, so no count is larger.
COUNT_MOST = 1 << 31
_ROOT_MOST = 1 << 47
# What a double holds, of a variance; and the largest sum of squares of which a deviation is always one.
_VARIANCE_MOST, ROOTED_SQUARES_MOST = 1 << 29, (1 << 60) - 1
# What is rounded has room for the next whole double, in either direction.
ROUNDED_MOST = LIFT_MOST - (2 << FRACTION_BITS)

Look = OneOf["product", "quotient", "variance"]


@dataclass(frozen=True)
class Fit:
    """What one operation needs: the limits its operands have to keep, those that do on their own being None."""

    most: int  # of the result, when they are kept
    left: int | None = None
    right: int | None = None
    look: Look | None = None  # at the result

    @property
    def is_certain(self) -> bool:
        """Whether nothing has to be looked at."""
        return self.left is None and self.right is None and self.look is None


CERTAIN = Fit(WORD_MOST)


@dataclass(frozen=True)
class Ranges:
    """The sizes of a relation's columns, and of averages: of a sum's column by the column with its count."""

    columns: Mapping[str, int]
    means: Mapping[tuple[str, str], int] = field(default_factory=dict)
    _known: dict[Expression, int] = field(default_factory=dict, compare=False, repr=False)

    def is_certain(self, expression: Expression) -> bool:
        """Whether nothing in the expression has to be looked at."""
        own = all(fit.is_certain for fit in self._fits(expression))
        return own and all(self.is_certain(part) for part in operands(expression))

    def most(self, expression: Expression) -> int:
        """Return how large the expression's words are at most, where what has to be looked at was."""
        if expression not in self._known:
            self._known[expression] = self._most(expression)
        return self._known[expression]

    def _most(self, expression: Expression) -> int:
        match expression:
            case Literal(_, kind):
                return 0 if isinstance(kind, Varchar) else abs(constant_word(expression, kind))
            case Column(name, kind):
                return min(self.columns.get(name, most_of(kind)), most_of(kind))
            case Arithmetic():
                return self.fit(expression).most
            case Negate(operand):
                return min(self.most(operand), WORD_MOST)
            case Cast(operand, kind):
                return self.converted(operand, kind).most
            case Case(branches, default):
                kind = expression.type
                return max(self.converted(value, kind).most for value in (*(v for _, v in branches), default))
            case Call("sqrt"):
                return _ROOT_MOST
            case Call("floor" | "ceil" | "round", (operand, *_)):
                return self._rounded(expression, operand)
            case Spread():
                return self.variance(expression).most
            case Call():
                return most_of(expression.type)
            case Compare() | Logic() | Not() | IsNull():
                return 1
            case _ as never:
                assert_never(never)

    def _rounded(self, expression: Call, operand: Expression) -> int:
        most = self.limited(operand, ROUNDED_MOST).most
        if isinstance(operand.type, Decimal):
            return most // int(10 ** (operand.type.scale - decimals_of(expression))) + 1
        return most + (1 << FRACTION_BITS)

    def converted(self, expression: Expression, kind: Type) -> Fit:
        """Return what becoming words of another type needs; the limit is `left`."""
        return _converted(self.most(expression), expression.type, kind)

    def as_double(self, expression: Expression) -> Fit:
        """Return what becoming a double that protocols lift to 128 bits needs; the limit is `left`."""
        is_double = isinstance(expression.type, Double)
        return self.limited(expression, LIFT_MOST) if is_double else self.converted(expression, Double())

    def limited(self, expression: Expression, limit: int) -> Fit:
        """Return what keeping a limit needs."""
        most = self.most(expression)
        limited = min(limit, LIFT_MOST)  # what is looked at has to be below
        return Fit(most) if most <= limit else Fit(limited, limited)

    def added(self, product: Arithmetic) -> Fit:
        """Return what keeping a product so small needs that its high part can be taken: it is at most 2**62."""
        most = self.most(product)
        return Fit(most) if most <= LIFT_MOST + 1 else Fit(LIFT_MOST, LIFT_MOST)

    def variance(self, expression: Spread) -> Fit:
        """Return what a variance or deviation needs: the limit of the squares' sum is `right`."""
        squares = self.limited(expression.squares, squares_most(expression))
        unit = 10**expression.total.type.scale if isinstance(expression.total.type, Decimal) else 1
        is_small = self.most(expression.squares) < _VARIANCE_MOST * unit**2
        total, looks = self.limited(expression.total, LIFT_MOST).left, expression.part == "all" and not is_small
        return Fit(LIFT_MOST, total, squares.left, "variance" if looks and expression.may_be_large else None)

    def fit(self, expression: Arithmetic) -> Fit:
        """Return what an operation needs of its operands before, and of its result after it is done."""
        left, right, kind = expression.left, expression.right, expression.type
        if not (is_numeric(left.type) and is_numeric(right.type)):
            return Fit(2 * most_of(Date()))  # days between two dates, or a date some days later
        match expression.operator:
            case "+" | "-":
                a, b = self.converted(left, kind), self.converted(right, kind)
                if a.most + b.most <= WORD_MOST:
                    return Fit(a.most + b.most, a.left, b.left)
                a, b = (_below_lift(fit, side.type, kind) for fit, side in ((a, left), (b, right)))
                return Fit(a.most + b.most, a.left, b.left)
            case "*":
                return self._product(left, right, kind)
            case "/":
                return self._quotient(left, right)
            case "//" | "%":
                a, b = self.limited(left, LIFT_MOST), self.limited(right, DIVISOR_MOST)
                most = a.most if expression.operator == "//" else min(a.most, b.most)
                return Fit(most, a.left, b.left)
            case "&":
                return Fit(self._bits(left, right))
            case _ as never:
                assert_never(never)

    def _bits(self, left: Expression, right: Expression) -> int:
        """Return how large the AND of two numbers' bits is at most: no larger than one that is not negative."""
        masks = [s.value for s in (left, right) if isinstance(s, Literal) and isinstance(s.value, int) and s.value >= 0]
        return min([1 << max(self.most(side).bit_length() for side in (left, right)), *masks])

    def _product(self, left: Expression, right: Expression, kind: Type) -> Fit:
        is_double = isinstance(kind, Double)
        for literal, other in ((left, right), (right, left)):
            if isinstance(literal, Literal) and literal.value is not None:
                limit = self._most_by(literal, other, is_double)
                own = self.converted(other, kind) if is_double else Fit(self.most(other))
                own = own if own.most <= limit else _limited(other.type, kind if is_double else other.type, limit)
                most = own.most * _factor(literal, other, is_double) >> (FRACTION_BITS if is_double else 0)
                return Fit(
                    most + int(is_double), own.left if literal is right else None, own.left if literal is left else None
                )
        if is_double:
            a, b = (self.converted(side, kind) for side in (left, right))
            most, largest = (a.most * b.most >> FRACTION_BITS) + 2, LIFT_MOST
        else:
            a, b = Fit(self.most(left)), Fit(self.most(right))
            most, largest = a.most * b.most, WORD_MOST
        # Doubles are lifted for their product, however small the other side is.
        if most <= largest and (not is_double or max(a.most, b.most) <= LIFT_MOST):
            return Fit(most, a.left, b.left)
        a, b = (_below_lift(fit, side.type, kind if is_double else side.type) for fit, side in ((a, left), (b, right)))
        return Fit(min(most, LIFT_MOST if is_double else PRODUCT_MOST), a.left, b.left, "product")

    def _most_by(self, literal: Literal, other: Expression, is_double: bool) -> int:
        factor = max(_factor(literal, other, is_double), 1)
        return min(
            (LIFT_MOST << FRACTION_BITS) // factor if is_double else WORD_MOST // factor,
            LIFT_MOST if is_double else WORD_MOST,
        )

    def _quotient(self, left: Expression, right: Expression) -> Fit:
        if isinstance(left.type, Double) and isinstance(right.type, Integer):
            # The dividend's own fraction bits become the quotient's, which is no larger.
            a, b = self.limited(left, LIFT_MOST), self.limited(right, LIFT_MOST)
            return Fit(a.most, a.left, b.left)
        kind = common_type(left.type, right.type)
        a, b = (_below_lift(self.converted(side, kind), side.type, kind) for side in (left, right))
        least = max(b.most, 1) if isinstance(right, Literal) else 1
        most = ((a.most << FRACTION_BITS) // least) + 2
        if isinstance(left, Column) and isinstance(right, Column) and (left.name, right.name) in self.means:
            most = min(most, self.means[left.name, right.name] + 2)
        if most <= LIFT_MOST:
            return Fit(most, a.left, b.left)
        return Fit(LIFT_MOST, a.left, b.left, "quotient")

    def _fits(self, expression: Expression) -> list[Fit]:
        """Return what the expression's own operation needs, its operands' left aside."""
        match expression:
            case Arithmetic():
                return [self.fit(expression)]
            case Negate(operand):
                return [self.limited(operand, WORD_MOST)]
            case Cast(operand, kind):
                return [self.converted(operand, kind)]
            case Case(branches, default):
                return [self.converted(v, expression.type) for v in (*(value for _, value in branches), default)]
            case Compare(_, left, right):
                kind = common_type(left.type, right.type)
                return [self.converted(side, kind) for side in (left, right)]
            case Spread():
                return [self.variance(expression)]
            case Call("sqrt", (operand,)):
                return [self.limited(operand, LIFT_MOST)]
            case Call("floor" | "ceil" | "round", (operand, *_)):
                return [self.limited(operand, ROUNDED_MOST)]
            case Column() | Literal() | Logic() | Not() | IsNull() | Call():
                return []
            case _ as never:
                assert_never(never)


def most_of(kind: Type) -> int:
    """Return the size that no word of the type passes.

    >>> most_of(Integer(8)), most_of(Decimal(3, 1)), most_of(Double()) == LIFT_MOST
    (128, 1000, True)
    """
    match kind:
        case Integer(bits):
            return 1 << (bits - 1)
        case Decimal(precision):
            return int(10**precision)
        case Double():
            return LIFT_MOST
        case Boolean():
            return 1
        case Date():
            return 1 << 31
        case Varchar():
            return WORD_MOST
        case _ as never:
            assert_never(never)


def squares_most(spread: Spread) -> int:
    """Return how large a sum of squares may be, for a variance or deviation to be taken."""
    is_rooted = spread.function in ("stddev_samp", "stddev_pop") and not isinstance(spread.total.type, Double)
    return ROOTED_SQUARES_MOST if is_rooted else LIFT_MOST


def times_of(over: str, times: str) -> Arithmetic:
    """Return what a row adds to a sum that counts it several times: of words, whatever numbers these stand for."""
    return Arithmetic("*", Column(over, Integer(64)), Column(times, Integer(64)))


def scaled(most: int, source: Type, target: Type) -> int:
    """Return how large words of `source` of at most this size are as words of `target`."""
    scale = source.scale if isinstance(source, Decimal) else 0
    match source, target:
        case ((Integer() | Decimal()), Double()):
            return (most << FRACTION_BITS) // int(10**scale) + (2 if scale else 0)
        case ((Integer() | Decimal()), Decimal(_, finer)):
            return most * int(10 ** max(finer - scale, 0))
    return most


def _unscaled(limit: int, source: Type, target: Type) -> int:
    """Return the largest word of `source` that is no larger than the limit as a word of `target`."""
    scale = source.scale if isinstance(source, Decimal) else 0
    match source, target:
        case ((Integer() | Decimal()), Double()):
            return max(limit - 2 * bool(scale), 0) * int(10**scale) >> FRACTION_BITS
        case ((Integer() | Decimal()), Decimal(_, finer)):
            return limit // int(10 ** max(finer - scale, 0))
    return limit


def _converted(most: int, source: Type, target: Type) -> Fit:
    # A division lifts what it divides, and makes doubles.
    limit = LIFT_MOST if isinstance(target, Double) else WORD_MOST
    if source == target or not is_numeric(source) or not is_numeric(target):
        return Fit(most)
    if scaled(most, source, target) <= limit and (not isinstance(target, Double) or most <= LIFT_MOST):
        return Fit(scaled(most, source, target))
    return _limited(source, target, limit)


def _below_lift(fit: Fit, source: Type, target: Type) -> Fit:
    return fit if fit.most <= LIFT_MOST else _limited(source, target, LIFT_MOST)


def _limited(source: Type, target: Type, limit: int) -> Fit:
    """Return the need to keep a word of `source` so small that it keeps the limit as a word of `target`."""
    own = min(_unscaled(limit, source, target), LIFT_MOST)
    return Fit(scaled(own, source, target), own)


def _factor(literal: Literal, other: Expression, is_double: bool) -> int:
    """Return the word that the other side is multiplied by."""
    return abs(constant_word(literal, Double() if is_double else literal.type))
