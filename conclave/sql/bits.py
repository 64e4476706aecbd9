"""Bit operations on whole numbers, in two's complement: all but AND are said by arithmetic, which costs MPC nothing."""

from collections.abc import Callable

from sqlglot import exp

from conclave.ir.errors import Position, TypeProblem
from conclave.ir.expressions import Arithmetic, Expression, Literal
from conclave.ir.types import Integer
from conclave.sql.refuse import refused

BIT_OPERATIONS = (
    *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot),
    *(exp.BitwiseLeftShift, exp.BitwiseRightShift),
)
_OPERATORS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Pow, *BIT_OPERATIONS)
MOST_SHIFTED = 59  # the power of two is a divisor under MPC
_SHIFT_FIX = f"shift by a constant from 0 to {MOST_SHIFTED}"


def bind_bits(part: exp.Expr, bind: Callable[[exp.Expr], Expression], at: Position | None) -> Expression:
    """Return what a bit operation means.

    Raises:  TypeProblem for anything but whole numbers; UnsupportedQuery for a shift by anything but a constant, and for
             operators side by side, whose order SQLs differ in.
    """
    sides = [part.this] if isinstance(part, exp.BitwiseNot) else [part.this, part.expression]
    is_call = isinstance(part, exp.BitwiseXor)  # xor(a, b): its arguments stand by themselves
    # ~a + b is ~(a + b) to DuckDB, and not to the parser.
    is_beside = isinstance(part, exp.BitwiseNot) and isinstance(part.parent, _OPERATORS)
    if is_beside:
        raise refused("a bit operation beside another operator", at, "put it in parentheses, with what it is of")
    if not is_call and any(isinstance(side, exp.Binary) for side in sides):
        raise refused("a bit operation beside another operator", at, "put what it is of in parentheses")
    found = [bind(side) for side in sides]
    for side in found:
        if not isinstance(side.type, Integer):
            raise TypeProblem(f"bit operations need whole numbers, got {side.type}", at)
    x, y = found[0], found[-1]
    match part:
        case exp.BitwiseNot():
            return Arithmetic("-", Literal(-1, Integer(32), at), x, at)
        case exp.BitwiseOr():
            return Arithmetic("-", Arithmetic("+", x, y, at), Arithmetic("&", x, y, at), at)
        case exp.BitwiseXor():
            both = Arithmetic("*", Literal(2, Integer(32), at), Arithmetic("&", x, y, at), at)
            return Arithmetic("-", Arithmetic("+", x, y, at), both, at)
        case exp.BitwiseLeftShift():
            return Arithmetic("*", x, _power(y, at), at)
        case exp.BitwiseRightShift():
            power = _power(y, at)
            assert isinstance(power.value, int)
            lowest = Arithmetic("&", x, Literal(power.value - 1, Integer(64), at), at)
            return Arithmetic("//", Arithmetic("-", x, lowest, at), power, at)
    return Arithmetic("&", x, y, at)


def _power(places: Expression, at: Position | None) -> Literal:
    if not isinstance(places, Literal) or not isinstance(places.value, int):
        raise refused("a shift by something that is no constant", at, _SHIFT_FIX)
    if not 0 <= places.value <= MOST_SHIFTED:
        raise refused(f"a shift by {places.value}", at, _SHIFT_FIX)
    return Literal(1 << places.value, Integer(64), at)
