"""How a column may decide which rows count: by comparison with listed values, or at a granularity.

A rule is about what a condition can tell apart. Compared with listed values only, a column tells no others apart; at a
granularity, whatever lies between two of its steps stays together. A condition for which that cannot be shown is not
allowed: anything computed with the column, LIKE, another column, a constant that is put together.
"""

import datetime
import decimal
from typing import Any

from conclave.ir.errors import TypeProblem
from conclave.ir.expressions import Call, Cast, Column, Compare, Expression, IsNull, Literal, Negate
from conclave.ir.types import Boolean, Date, Decimal, Double, Integer, Type, Varchar, parse_type
from policy.document import FilterRule

# Of any double, and whatever the caller's own context is: equal documents have equal verdicts.
_EXACT = decimal.Context(prec=700, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[decimal.InvalidOperation])
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
# Of which parts of a date whatever lies within one step has the same.
_PARTS = {
    "day": frozenset({"year", "quarter", "month", "week", "day", "dayofweek", "dayofyear"}),
    "week": frozenset({"week"}),
    "month": frozenset({"year", "quarter", "month"}),
    "quarter": frozenset({"year", "quarter"}),
    "year": frozenset({"year"}),
}
_TRUNCATIONS = {**_PARTS, "day": frozenset({"year", "quarter", "month", "week", "day"})}


def column_in(condition: Expression) -> Column | None:
    """Return the column that a condition compares with a constant, itself or a part of its date; None if it does not.

    >>> from conclave.ir.types import Integer
    >>> age, zero = Column("age", Integer()), Literal(0, Integer())
    >>> column_in(Compare("<", zero, age)).name, column_in(Compare("<", age, age))
    ('age', None)
    """
    match condition:
        case IsNull(operand):
            return _column(operand)
        case Compare(_, left, right):
            term = left if constant_of(right) is not None else right if constant_of(left) is not None else None
            if isinstance(term, Call) and _part(term) is not None:
                return _column(term.arguments[-1])
            return _column(term) if term is not None else None
    return None


def is_allowed(rule: FilterRule, condition: Expression) -> bool:
    """Whether it is certain that a condition tells no more of its column apart than the rule allows."""
    column = column_in(condition)
    if column is None:
        return False
    if isinstance(condition, IsNull):
        return rule.values is not None and None in rule.values
    assert isinstance(condition, Compare)
    left, operator, constant = condition.left, str(condition.operator), constant_of(condition.right)
    if constant is None:
        left, operator, constant = condition.right, _FLIPPED[operator], constant_of(condition.left)
    if isinstance(left, Call):
        part = _part(left)
        return part is not None and isinstance(rule.granularity, str) and _is_whole(part, rule.granularity)
    if rule.values is not None and any(_same(value, constant, column.type) for value in rule.values):
        return True
    return rule.granularity is not None and _is_step(rule.granularity, operator, constant, column.type)


def is_coarse(rule: FilterRule, expression: Expression) -> bool:
    """Whether an expression is a part of a column's date that tells no more apart than the rule allows."""
    if not isinstance(expression, Call) or not isinstance(rule.granularity, str):
        return False
    part = _part(expression)
    return part is not None and _column(expression.arguments[-1]) is not None and _is_whole(part, rule.granularity)


def rule_problem(rule: FilterRule, kind: str) -> str | None:
    """Return what is wrong with a rule on a column of this type, or None."""
    try:
        column_type = parse_type(kind)
    except TypeProblem:
        return None  # is said of the column itself
    if rule.values is None and rule.granularity is None:
        return "says neither values nor granularity"
    for value in rule.values or ():
        if value is not None and _as_value(value, column_type) is None:
            return f"compares {kind} with a value of another type"
    if isinstance(rule.granularity, str) and not isinstance(column_type, Date):
        return f"a {kind} has no {rule.granularity}"
    if isinstance(rule.granularity, int | float):
        if not isinstance(column_type, Integer | Decimal | Double):
            return f"a {kind} has no steps of a number"
        if isinstance(column_type, Integer) and rule.granularity != int(rule.granularity):
            return "whole numbers need a step that is one"
    return None


def in_words(rule: FilterRule) -> str:
    """Return what a rule allows."""
    said = []
    if rule.values is not None:
        shown = ("null" if value is None else repr(value) for value in rule.values)
        said.append(f"compared with {', '.join(shown)}")
    if rule.granularity is not None:
        steps = f"whole {rule.granularity}s" if isinstance(rule.granularity, str) else f"steps of {rule.granularity}"
        said.append(f"by {steps}")
    return " or ".join(said)


def _column(expression: Expression) -> Column | None:
    """Return the column that an expression is, as exactly the same value."""
    while isinstance(expression, Cast) and isinstance(expression.type, Integer | Decimal | Varchar):
        expression = expression.operand
    return expression if isinstance(expression, Column) else None


def constant_of(expression: Expression) -> Any:
    """Return the constant that an expression is; None if it is none, or NULL."""
    match expression:
        case Literal(value):
            return value
        case Cast(operand):
            return constant_of(operand)
        case Negate(operand):
            value = constant_of(operand)
            return None if value is None else -value
    return None


def _part(call: Call) -> str | None:
    """Return which part of a date a call takes, `trunc` before it if the rest stays; None if it is none."""
    if call.function == "date_trunc":
        units = [argument.value for argument in call.arguments if isinstance(argument, Literal)]
        return f"trunc {units[0]}" if len(units) == 1 else None
    return call.function if call.function in _PARTS["day"] else None


def _is_whole(part: str, granularity: str) -> bool:
    if part.startswith("trunc "):
        return part.removeprefix("trunc ") in _TRUNCATIONS[granularity]
    return part in _PARTS[granularity]


def _same(value: Any, constant: Any, kind: Type) -> bool:
    listed, asked = _as_value(value, kind), _as_value(constant, kind)
    return listed is not None and listed == asked


def _as_value(value: Any, kind: Type) -> Any:
    """Return a value as one of the column's type; None if it is none."""
    match kind:
        case Integer() | Decimal() | Double() if isinstance(value, int | float | decimal.Decimal):
            return None if isinstance(value, bool) else decimal.Decimal(str(value))
        case Varchar() if isinstance(value, str):
            return value
        case Boolean() if isinstance(value, bool):
            return value
        case Date() if isinstance(value, datetime.date):
            return value
        case Date() if isinstance(value, str):
            try:
                return datetime.date.fromisoformat(value)
            except ValueError:
                return None
    return None


def _is_step(granularity: str | float, operator: str, constant: Any, kind: Type) -> bool:
    """Whether a comparison is true or false of all that lies between two steps: it is `<` or `>=` of a step."""
    value = _as_value(constant, kind)
    if value is None:
        return False
    if granularity in ("day", 1) and isinstance(kind, Date | Integer):
        return True  # every value is a step of its own
    is_discrete = isinstance(kind, Integer | Date)
    if operator in ("=", "<>") or (operator in ("<=", ">") and not is_discrete):
        return False
    if isinstance(kind, Integer) and value != int(value):
        return False
    if operator in ("<=", ">"):
        try:
            value = value + (datetime.timedelta(days=1) if isinstance(kind, Date) else 1)
        except OverflowError:
            return False
    if isinstance(granularity, str):
        return isinstance(value, datetime.date) and _begins(value, granularity)
    if not isinstance(value, decimal.Decimal):
        return False
    try:
        return _EXACT.remainder(value, decimal.Decimal(str(granularity))) == 0
    except decimal.InvalidOperation:  # so many digits that it is not certain
        return False


def _begins(day: datetime.date, granularity: str) -> bool:
    match granularity:
        case "week":
            return day.weekday() == 0
        case "month":
            return day.day == 1
        case "quarter":
            return day.day == 1 and day.month % 3 == 1
        case "year":
            return (day.month, day.day) == (1, 1)
    return granularity == "day"
