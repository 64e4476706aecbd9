"""What the values of an expression tell of what they are computed of, and which can be computed in clear without fail.

Both are by declared types and constants alone, never by data: whoever holds the query comes to the same answer.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

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
    columns_of,
    operands,
)
from conclave.ir.magnitude import size_of, unit_of
from conclave.ir.ranges import most_of
from conclave.ir.types import Date, Decimal, Double, Integer, Type, is_numeric
from conclave.ir.walk import rebuild


def told_by(expression: Expression) -> Iterator[Expression]:
    """Yield what an expression's values tell to the last digit: the expression, and what it is made of reversibly.

    Reversible are, of integers and decimals, a sign, a constant that is added or taken away, a factor other than 0, and a
    cast that keeps every number. NULL becomes NULL, and nothing else does. Doubles are rounded: they tell of themselves alone;
    but of a variance one part is 0 always, and which, its size tells.

    >>> from conclave.ir.show import show_expression
    >>> days = Column("days", Integer(32))
    >>> twice = Arithmetic("*", Literal(2, Integer(32)), days)
    >>> [show_expression(each) for each in told_by(Arithmetic("-", twice, Literal(1, Integer(32))))]
    ['2 * days - 1', '2 * days', 'days']
    """
    yield expression
    match expression:
        case Negate(operand) if _is_exact(operand.type):
            yield from told_by(operand)
        case Cast(operand, kind) if keeps_numbers(operand.type, kind):
            yield from told_by(operand)
        case Spread(part="all") if expression.may_be_large:
            yield from variance_parts(expression)
        case Arithmetic("+" | "-" | "*" as operator, left, right) if _is_exact(left.type) and _is_exact(right.type):
            for constant, other in ((left, right), (right, left)):
                is_constant = isinstance(constant, Literal) and constant.value is not None
                if is_constant and (operator != "*" or constant.value):  # type: ignore[union-attr]
                    yield from told_by(other)
                    break


def variance_parts(variance: Spread) -> tuple[Spread, Spread]:
    """Return the two parts of a variance, of which one is 0."""
    return replace(variance, part="small"), replace(variance, part="large")


def variance_of(small: Expression, large: Expression) -> Expression:
    """Return the variance that is in two parts."""
    return Arithmetic("+", small, Cast(large, Double()))


def with_whole_variances(expression: Expression) -> Expression:
    """Return the expression with every variance said as such that it puts together of its parts."""
    match expression:
        case Arithmetic("+", Spread(part="small") as small, Cast(Spread(part="large") as large, Double())):
            if replace(small, part="large") == large:
                return replace(small, part="all")
    return rebuild(expression, with_whole_variances)


def is_certain(expression: Expression) -> bool:
    """Whether an engine computes the expression whatever its columns hold, by their types: nothing outgrows its type.

    >>> days, kwh = Column("days", Integer(32)), Column("kwh", Integer(64))
    >>> is_certain(Arithmetic("+", days, days)), is_certain(Arithmetic("+", kwh, days)), is_certain(Arithmetic("/", kwh, days))
    (True, False, True)
    """
    return _is_certain(expression, {column.name: _most(column.type) for column in columns_of(expression)})


def keeps_numbers(source: Type, target: Type) -> bool:
    """Whether a cast changes no number."""
    match source, target:
        case (Integer(), Integer() | Decimal()):
            return True
        case Decimal(_, scale), Decimal(_, finer):
            return finer >= scale
    return False


def _is_certain(expression: Expression, columns: dict[str, Fraction | None]) -> bool:
    match expression:
        case Column() | Literal():
            return True
        case Compare() | Logic() | Not() | IsNull() | Call("like"):
            fits = True
        case Arithmetic() if any(isinstance(side.type, Date) for side in operands(expression)):
            return False  # a day can be moved beyond the calendar
        case Call("round" | "floor" | "ceil" | "sqrt", _, Double()):
            fits = True
        case Arithmetic() | Negate() | Case() | Cast():
            fits = not is_numeric(expression.type) or _fits(size_of(expression, columns), expression.type)
        case _:
            return False
    return fits and all(_is_certain(part, columns) for part in operands(expression))


def _fits(most: Fraction | None, kind: Type) -> bool:
    if most is None:
        return False
    match kind:
        case Integer(bits):
            return most < 1 << (bits - 1)
        case Decimal(precision):
            return most * unit_of(kind) < int(10**precision)
    return True  # `size_of` knows of none that a double does not hold


def _most(kind: Type) -> Fraction | None:
    if isinstance(kind, Decimal):
        return Fraction(10**kind.precision - 1, unit_of(kind))
    return Fraction(most_of(kind), unit_of(kind)) if is_numeric(kind) else None


def _is_exact(kind: Type) -> bool:
    return isinstance(kind, Integer | Decimal)
