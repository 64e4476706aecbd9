"""Rows compared with rows, `(a, b) = (c, d)`. As in DuckDB they are values: NULL in them is like NULL, and above all else."""

from collections.abc import Sequence

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Case, Compare, ComparisonOperator, Expression, IsNull, Literal, Logic, Not
from conclave.ir.types import Boolean
from conclave.ir.walk import all_of
from conclave.sql.functions import same_or_both_null
from conclave.sql.literals import alike


def values_in(part: exp.Expr) -> list[exp.Expr] | None:
    """Return what `(a, b)` or `ROW(a, b)` holds; None of anything else."""
    if isinstance(part, exp.Tuple) or (isinstance(part, exp.Anonymous) and str(part.this).upper() == "ROW"):
        return list(part.expressions)
    return None


def compare_rows(
    operator: ComparisonOperator, lefts: Sequence[Expression], rights: Sequence[Expression], at: Position | None
) -> Expression:
    """Return a comparison of rows: `=` is of all values, `<` of the first that are not the same. It is never NULL."""
    if len(lefts) != len(rights):
        raise QueryProblem(f"a row of {len(lefts)} values beside one of {len(rights)}", at, "compare as many")
    pairs = [alike(left, right) for left, right in zip(lefts, rights, strict=True)]
    match operator:
        case "=":
            return all_of(tuple(same_or_both_null(left, right, at) for left, right in pairs))
        case "<>":
            return Not(compare_rows("=", lefts, rights, at), at)
        case ">=":
            return Not(compare_rows("<", lefts, rights, at), at)
        case "<=":
            return Not(compare_rows("<", rights, lefts, at), at)
        case ">":
            return compare_rows("<", rights, lefts, at)
    *others, (left, right) = pairs
    below = _is_below(left, right, at)
    for left, right in reversed(others):
        same = Logic("and", same_or_both_null(left, right, at), below, at)
        below = Logic("or", _is_below(left, right, at), same, at)
    return below


def _is_below(left: Expression, right: Expression, at: Position | None) -> Expression:
    less = Compare("<", left, right, at)
    if not (left.nullable or right.nullable):
        return less
    true, false = Literal(True, Boolean(), at), Literal(False, Boolean(), at)
    branches: list[tuple[Expression, Expression]] = [(less, true)]
    if right.nullable:
        only_right: Expression = IsNull(right, at)
        if left.nullable:
            only_right = Logic("and", Not(IsNull(left, at), at), only_right, at)
        branches.append((only_right, true))
    return Case(tuple(branches), false, at)
