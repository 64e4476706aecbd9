"""How large in size an expression's numbers can be, if the columns that it reads are no larger than is known."""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from conclave.ir.expressions import Arithmetic, Call, Case, Cast, Column, Expression, Literal, Negate, operands
from conclave.ir.types import Boolean, Date, Decimal, Double, Type, is_numeric
from conclave.ir.words import FRACTION_BITS

MOST_DAYS = 1 << 23  # from 1970, either way: any date of four digits
_LARGEST_DOUBLE = 1 << 1000
_MOST_OF_A_MONTH = 31
_LARGEST_PART = 10**7  # of a date: its year
Sizes = Mapping[str, Fraction | None]


def unit_of(kind: Type) -> int:
    """Return which word is the number one."""
    match kind:
        case Double():
            return 1 << FRACTION_BITS
        case Decimal(_, scale):
            return int(10**scale)
    return 1


def size_of(expression: Expression, columns: Sizes) -> Fraction | None:
    """Return how large a number can be in size, if the columns are no larger than that; None: any size.

    >>> from conclave.ir.types import Integer
    >>> days = Column("days", Integer())
    >>> size_of(Arithmetic("*", days, Literal(3, Integer())), {"days": Fraction(90)})
    Fraction(270, 1)
    """
    match expression:
        case Literal(value=value):
            is_number = is_numeric(expression.type) and value is not None
            return abs(Fraction(value)) if is_number else Fraction(0)  # type: ignore[arg-type]
        case Column(name):
            return columns[name]
        case Arithmetic(operator, left, right):
            most = _of_two(operator, size_of(left, columns), size_of(right, columns), right)
            # Beyond what doubles hold there is no size, even if it is divided again.
            is_lost = most is not None and isinstance(expression.type, Double) and most > _LARGEST_DOUBLE
            return None if is_lost else most
        case Negate(operand) | Cast(operand):
            return size_of(operand, columns)
        case Case(branches, default):
            return largest([size_of(value, columns) for value in (*(value for _, value in branches), default)])
        case Call("add_months", (date, Literal(int() as months))):
            most = size_of(date, columns)
            return None if most is None else most + _MOST_OF_A_MONTH * abs(months)
        case Call(function, arguments, kind):
            return _of_call(function, size_of(arguments[0], columns), kind)
    return Fraction(1) if isinstance(expression.type, Boolean) else None


def _of_two(operator: str, left: Fraction | None, right: Fraction | None, divisor: Expression) -> Fraction | None:
    if operator == "/":
        least = _least(divisor)
        return None if left is None or least is None else left / least
    if left is None or right is None:
        return None
    match operator:
        case "+" | "-":
            return left + right
        case "*":
            return left * right
        case "//" | "%":
            return left
    return 2 * max(left, right) + 1  # of bits


def _least(divisor: Expression) -> Fraction | None:
    """Return the least size of a divisor that is not zero; None: any."""
    if isinstance(divisor, Literal) and divisor.value:
        return abs(Fraction(divisor.value))  # type: ignore[arg-type]
    return None if isinstance(divisor.type, Double) else Fraction(1, unit_of(divisor.type))


def _of_call(function: str, most: Fraction | None, kind: Type) -> Fraction | None:
    match function:
        case "floor" | "ceil" | "round":
            return None if most is None else most + 1
        case "sqrt":
            return None if most is None else max(most, Fraction(1))
        case "length":
            return most
    return Fraction(_LARGEST_PART) if is_numeric(kind) else Fraction(MOST_DAYS)


def sized_by(expression: Expression) -> Iterator[str]:
    """Yield the columns whose sizes decide how large the numbers are."""
    match expression:
        case Column(name):
            yield name
        case Case(branches, default):
            for value in (*(value for _, value in branches), default):
                yield from sized_by(value)
        case _ if is_numeric(expression.type) or isinstance(expression.type, Date):
            for part in operands(expression):
                yield from sized_by(part)


def picked_from(expression: Expression) -> Iterator[Expression]:
    """Yield what an expression is one of, NULL aside."""
    match expression:
        case Case(branches, default):
            for value in (*(value for _, value in branches), default):
                yield from picked_from(value) if value.type == expression.type or _is_null(value) else (expression,)
        case Literal() if _is_null(expression):
            pass
        case _:
            yield expression


def _is_null(expression: Expression) -> bool:
    return isinstance(expression, Literal) and expression.value is None


def largest(found: list[Fraction | None]) -> Fraction | None:
    """Return the largest of some sizes; None: one of them is any."""
    known = [each for each in found if each is not None]
    return max(known) if len(known) == len(found) else None
