"""Aggregates of conditions, said by counts: how many are met, and whether any is known to be met or not."""

from collections.abc import Callable

from sqlglot import exp

from conclave.ir.expressions import Compare, Expression
from conclave.sql.around import call_in, with_call
from conclave.sql.functions import case
from conclave.sql.literals import null, whole
from conclave.sql.parse import Text
from conclave.sql.refuse import refused

CONDITIONS = (exp.CountIf, exp.LogicalOr, exp.LogicalAnd)


def of_conditions(part: exp.Expr, may_be_none: bool, bind: Callable[[exp.Expr], Expression], text: Text) -> Expression:
    """Return what COUNT_IF, BOOL_OR or BOOL_AND means; `part` is the call with its FILTER and OVER, `bind` binds others so.

    They are NULL where no condition is known to be met or not, as in DuckDB: COUNT_IF, too. `may_be_none` is whether that
    can be.
    """
    call, at = call_in(part), text.at(part)
    if isinstance(call.this, exp.Distinct):
        raise refused(
            f"DISTINCT in {(text.called_at(text.at(call)) or 'COUNT_IF').upper()}",
            at,
            "leave it out, or aggregate a SELECT DISTINCT",
        )
    asked = exp.Not(this=exp.Paren(this=call.this.copy())) if isinstance(call, exp.LogicalAnd) else call.this.copy()

    def counted(of: exp.Expr) -> Expression:
        made = with_call(part, exp.Count(this=of))
        made.meta.update(part.meta)
        return bind(made)

    zero = whole(0, at)
    any_known = Compare(">", counted(call.this.copy()), zero, at) if may_be_none else None
    found = counted(exp.Case(ifs=[exp.If(this=asked, true=exp.Literal.number(1))]))
    match call:
        case exp.LogicalOr():
            found = Compare(">", found, zero, at)
        case exp.LogicalAnd():
            found = Compare("=", found, zero, at)
    return found if any_known is None else case(((any_known, found),), null(at), at)
