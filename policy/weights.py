"""Expressions by which some rows can be made to count for more than others under an aggregate.

Where a minimum of subjects is asked for, rows without a value count for nobody, so CASE WHEN … THEN x END can stand under
an aggregate. CASE WHEN patient = 7 THEN cost ELSE 0 END cannot: everybody has a value, and one person all of it.
"""

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
        case Arithmetic("//" | "%" | "&") | Call("floor" | "ceil" | "round" | "like" | "ilike"):
            return True  # steps are conditions: cost * (days // 90) is nothing but for long stays
        case Cast(operand):
            return weighs(operand, subjects, weighed)
        case Arithmetic() | Negate() | Call() | Spread():
            if names_in(expression) & subjects:
                return True
            return any(weighs(part, subjects, weighed) for part in operands(expression))
        case _ as never:
            assert_never(never)
