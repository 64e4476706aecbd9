"""Aggregates that pick a row of each group, ARG_MAX, ARG_MIN, MODE and FIRST of an order: the value of the row that is numbered 1 in it.

Rows are numbered before they are grouped; what is aggregated is NULL in all others. Of rows that are alike either may be
the first, as in a database.
"""

from collections.abc import Callable

from sqlglot import exp

from conclave.ir.errors import Position
from conclave.ir.expressions import Case, Compare, Expression, IsNull, Literal, Logic, Not
from conclave.sql.literals import whole
from conclave.sql.parse import Text
from conclave.sql.refuse import refused
from conclave.sql.windows import Windows

PICKS = (exp.ArgMax, exp.ArgMin, exp.Mode, exp.First)


def picked(
    call: exp.Func,
    condition: Expression | None,
    bind: Callable[[exp.Expr], Expression],
    ranked: Windows,
    text: Text,
) -> Expression:
    """Return what is NULL but for the row that is picked, by a number among `ranked`, which know of no groups yet."""
    at = text.at(call)
    name = (text.called_at(at) or call.sql_name()).upper()
    if isinstance(call, exp.First):
        return _first(call, condition, bind, ranked, text)
    if call.args.get("count") is not None:
        fix = (
            "number the rows, ROW_NUMBER() OVER (PARTITION BY ... ORDER BY ...), and keep the first of each by QUALIFY"
        )
        raise refused(f"{name} of several rows", at, fix)
    if call.this is None or isinstance(call.this, exp.Distinct):
        raise refused(f"{name} like this", at, f"write {name}(x{', y' if call.args.get('expression') else ''})")
    value = bind(call.this)
    tests = [] if condition is None else [condition]
    if value.nullable:
        tests.append(Not(IsNull(value, at), at))
    is_mode = isinstance(call, exp.Mode)
    by = ranked.count_of(_where(tests, value, at), at) if is_mode else bind(call.expression)
    key = _where(tests, by, at)
    number = ranked.number_by(key, not isinstance(call, exp.ArgMin), at)
    is_first: Expression = Compare("=", number, whole(1, at), at)
    if key.nullable:
        is_first = Logic("and", is_first, Not(IsNull(key, at), at), at)
    return Case(((is_first, value),), Literal(None, value.type, at), at)


def _first(
    call: exp.First,
    condition: Expression | None,
    bind: Callable[[exp.Expr], Expression],
    ranked: Windows,
    text: Text,
) -> Expression:
    """Return the value of the first row of an order, NULL too; of those that meet the condition."""
    at = text.at(call)
    if not isinstance(call.this, exp.Order):
        raise refused("FIRST without an order", at, "say FIRST(x ORDER BY y), or take ANY_VALUE, MIN or MAX")
    value = bind(call.this.this)
    order = exp.Order(expressions=call.this.expressions)
    is_first: Expression = Compare("=", ranked.number_in(order, condition, bind, at), whole(1, at), at)
    if condition is not None:
        is_first = Logic("and", is_first, condition, at)
    return Case(((is_first, value),), Literal(None, value.type, at), at)


def _where(tests: list[Expression], value: Expression, at: Position | None) -> Expression:
    """Return the value where all tests are met."""
    if not tests:
        return value
    met = tests[0]
    for test in tests[1:]:
        met = Logic("and", met, test, at)
    return Case(((met, value),), Literal(None, value.type, at), at)
