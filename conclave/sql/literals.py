"""Constants of the query's text, and NULL, which takes its type from what stands beside it."""

import datetime
import decimal
import math
from dataclasses import replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Expression, Literal
from conclave.ir.types import MAX_DECIMAL_DIGITS, Boolean, Date, Decimal, Double, Integer, Type, Varchar
from conclave.sql.refuse import refused


def bind_literal(literal: exp.Literal, at: Position | None) -> Literal:
    """Return a number or string as DuckDB types it: 5 is an integer, 1.5 a decimal(2,1), 1e-3 a double."""
    written = str(literal.this)
    if literal.is_string:
        return Literal(written, Varchar(max(1, len(written.encode()))), at)
    try:
        number = decimal.Decimal(written.replace("_", ""))
    except decimal.InvalidOperation as error:
        raise refused(f"the number {written}", at, "write 1.5, or 15e-1") from error
    if "e" in written.lower():
        if not math.isfinite(float(number)):
            raise refused("a number too large for a double", at, "write a smaller one, and count in larger units")
        return Literal(float(number), Double(), at)
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if "." not in written:
        return whole(int(number), at)
    precision = max(len(digits), -exponent)
    if precision > MAX_DECIMAL_DIGITS:
        raise refused(f"a number of more than {MAX_DECIMAL_DIGITS} digits", at, "write it as a double: 1.5e0")
    return Literal(number, Decimal(precision, -exponent), at)


def whole(number: int, at: Position | None) -> Literal:
    """Return a whole number as it would be written."""
    if number >= 2**63:
        raise refused("an integer beyond 64 bits", at, "write it as a double: 1.5e0")
    return Literal(number, Integer(32 if number < 2**31 else 64), at)


def null(at: Position | None) -> Literal:
    """Return NULL with the type DuckDB gives it when nothing else says one."""
    return Literal(None, Integer(32), at)


def is_null_literal(expression: Expression) -> bool:
    """Whether the expression is the constant NULL."""
    return isinstance(expression, Literal) and expression.value is None


def as_type_of(expression: Expression, kind: Type) -> Expression:
    """Return the expression, and NULL as NULL of that type."""
    if isinstance(expression, Literal) and expression.value is None:
        return replace(expression, type=kind)
    return expression


def as_boolean(expression: Expression) -> Expression:
    """Return what stands where a condition is wanted."""
    return as_type_of(expression, Boolean())


def alike(left: Expression, right: Expression) -> tuple[Expression, Expression]:
    """Return both sides with NULL typed as the other side, and a string beside a date read as a date."""
    left, right = as_type_of(left, right.type), as_type_of(right, left.type)
    if isinstance(left.type, Date) and isinstance(right, Literal):
        return left, as_date(right)
    if isinstance(right.type, Date) and isinstance(left, Literal):
        return as_date(left), right
    return left, right


def as_date(literal: Literal) -> Literal:
    """Return a string constant as a date; anything else as it is.

    >>> as_date(Literal("2013-01-31", Varchar(10))).value
    datetime.date(2013, 1, 31)
    """
    if not isinstance(literal.value, str):
        return literal
    try:
        day = datetime.date.fromisoformat(literal.value.strip())
    except ValueError as error:
        raise QueryProblem("not a date", literal.at, "write it as DATE '2013-01-31'") from error
    return Literal(day, Date(), literal.at)
