"""Subqueries that read the query around them: what ties a row of the one to rows of the other."""

from dataclasses import dataclass, replace

from sqlglot import exp

from conclave.ir.errors import QueryProblem
from conclave.ir.expressions import Column, Compare, ComparisonOperator, Expression
from conclave.plan.unique import Uniqueness, uniqueness
from conclave.sql.bind_expression import AGGREGATES, MANY_ROWS_FIX, Context, ExpressionBinder, Tied
from conclave.sql.bind_from import Rows, bind_from, conditions_in
from conclave.sql.keys import Pair
from conclave.sql.literals import alike
from conclave.sql.one_row import as_aggregate, asks_first, first_value
from conclave.sql.parse import unwrapped
from conclave.sql.refuse import part_name, refuse_others, refused
from conclave.sql.scope import Scope

_FLIPPED: dict[ComparisonOperator, ComparisonOperator] = {
    "=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
_TIE_FIX = "join the two on an equality, ask for the rest in WHERE, and group by what tells rows apart"
_OPERATORS: dict[type[exp.Expr], ComparisonOperator] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """The rows of a subquery, and how they are tied to a row of the query around it."""

    rows: Rows
    conditions: list[exp.Expr]  # those of WHERE that tie nothing; not applied yet
    keys: list[Pair]  # outer side, inner side
    compared: tuple[ComparisonOperator, Expression, Expression] | None  # inner `operator` outer; outer, inner


def ask(query: exp.Expr, rows: Rows, context: Context, inside: Context) -> Asked:
    """Return what a subquery asks about, its conditions on columns of the query around it apart."""
    if not isinstance(query, exp.Select) or query.args.get("group") or any(map(_has_aggregate, query.expressions)):
        fix = "ask a plain SELECT ... FROM ... WHERE, or use IN"
        raise refused("EXISTS over a grouped or combined subquery", context.text.at(query), fix)
    refuse_others(query, frozenset({"expressions", "from_", "joins", "where", "distinct"}), context.text)
    inner, conditions = bind_from(query, inside)
    tying = [part for part in conditions if _reads_outside(part, inner.scope, inside)]
    keys: list[Pair] = []
    compared: list[tuple[ComparisonOperator, Expression, Expression]] = []
    for part in tying:
        operator, outer, own = _bound(part, rows, inner, context, inside)
        if operator == "=":
            keys.append((outer, own))
        else:
            compared.append((operator, outer, own))
    if len(compared) > 1 or (compared and not keys):
        fix = "tie the subquery by equalities, and by one other comparison at most"
        raise refused("a subquery tied to the query around it like this", context.text.at(tying[0]), fix)
    others = [part for part in conditions if part not in tying]
    return Asked(inner, others, keys, compared[0] if compared else None)


def bind_tied(query: exp.Expr, scope: Scope, context: Context) -> Tied | exp.Expr | None:
    """Return a scalar subquery that reads the query around it, as rows grouped by what ties it; None if it does not.

    The first row of an order is said by an aggregate, and so is the only row that a key has. One that computes with its
    aggregates is said as an expression over subqueries that do not: where no row is tied,
    there is no group to compute COALESCE(SUM(x), 0) for.

    Raises:  UnsupportedQuery if it may have several rows, or is tied by anything but equalities.
    """
    query = unwrapped(query)
    if not isinstance(query, exp.Select):
        return None
    inside = replace(context, outer=(*context.outer, scope))
    tying: list[exp.Expr] = []
    where = query.args.get("where")
    if where is not None and query.args.get("with_") is None:
        inner, conditions = bind_from(query, inside)
        tying = [part for part in conditions if _reads_outside(part, inner.scope, inside)]
    if where is None or not tying:
        return exp.Subquery(this=as_aggregate(query, context.text)) if asks_first(query) else None
    if asks_first(query) and not _has_aggregate(query.expressions[0]):
        query = first_value(query, context.text)
    at = context.text.at(query)
    for name in ("order", "limit", "offset", "qualify", "distinct"):
        if query.args.get(name) is not None:  # they would be of all rows, and not of those that are tied to one
            fix = "leave it out: an aggregate is one row; for the first of several rows, ORDER BY and LIMIT 1 do"
            raise refused(f"{part_name(name)} in a subquery that reads the query around it", at, fix)
    if query.args.get("group") or query.args.get("having") or len(query.expressions) != 1:
        raise refused("a grouped subquery that reads the query around it", at, "join with the grouped subquery")
    value = unwrapped(query.expressions[0].unalias())
    sides = [_sides(part, scope, inner.scope, inside) for part in tying]
    if not _has_aggregate(value):
        own = [
            ExpressionBinder(inside, inner.scope, "WHERE").bind(each) for operator, _, each in sides if operator == "="
        ]
        read = frozenset(each.name for each in own if isinstance(each, Column))
        if uniqueness(inner.node, read) is not Uniqueness.KNOWN:
            raise refused("a subquery that may have no row or several", at, MANY_ROWS_FIX)
        value = exp.Min(this=value.copy())  # of one row
    if not _is_aggregate(value):
        return _said_by_aggregates(query, value, inner.scope, context)
    if any(operator != "=" for operator, _, _ in sides):
        raise refused("a scalar subquery tied to the query around it by anything but =", at, _TIE_FIX)
    kept = [part for part in conditions_in(where.this) if not any(part is each for each in tying)]
    grouped = query.copy()
    grouped.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
    names = [f"tie_{n}" for n in range(len(sides))]
    keys = [_called(own, name) for name, (_, _, own) in zip(names, sides, strict=True)]
    grouped.set("expressions", [_called(value, "value"), *keys])
    by = [own.copy() for _, _, own in sides if _columns_in(own)]  # GROUP BY 1 would mean the first column
    grouped.set("group", exp.Group(expressions=by) if by else None)
    node = context.bind_query(grouped, inside)
    bind = ExpressionBinder(context, scope, "WHERE")
    ties = tuple((bind.bind(outer), name) for (_, outer, _), name in zip(sides, names, strict=True))
    return Tied(node, ties, is_count=isinstance(_aggregate_of(value), exp.Count))


def _said_by_aggregates(query: exp.Select, value: exp.Expr, scope: Scope, context: Context) -> exp.Expr:
    """Return what the query around a subquery computes of its aggregates, each in a subquery by itself."""
    said = exp.Paren(this=value.copy())
    found = list(said.walk(prune=lambda node: isinstance(node, exp.Query) or _is_aggregate(node)))
    for part in found:
        if isinstance(part, exp.Column) and scope.has(part.table or None, part.name):
            what = f"{part.name} is neither grouped by nor aggregated"
            raise QueryProblem(what, context.text.at(part), f"aggregate {part.name}")
        if _is_aggregate(part):
            alone = query.copy()
            alone.set("expressions", [part.copy()])
            part.replace(exp.Subquery(this=alone))
    return said


def _called(part: exp.Expr, name: str) -> exp.Expr:
    return exp.Alias(this=part.copy(), alias=exp.to_identifier(name))


def _aggregate_of(part: exp.Expr) -> exp.Expr:
    return part.this if isinstance(part, exp.Filter) else part


def _is_aggregate(part: exp.Expr) -> bool:
    return isinstance(_aggregate_of(part), AGGREGATES)


def _bound(
    part: exp.Expr, rows: Rows, inner: Rows, context: Context, inside: Context
) -> tuple[ComparisonOperator, Expression, Expression]:
    """Return a comparison with the query around as (operator, outer side, inner side), read inner `operator` outer."""
    operator, outer, own = _sides(part, rows.scope, inner.scope, inside)
    ours = ExpressionBinder(inside, inner.scope, "WHERE").bind(own)
    theirs = ExpressionBinder(context, rows.scope, "WHERE").bind(outer)
    checked = Compare(operator, *alike(ours, theirs), context.text.at(part))
    return operator, checked.right, checked.left


def _sides(
    part: exp.Expr, outer_scope: Scope, scope: Scope, inside: Context
) -> tuple[ComparisonOperator, exp.Expr, exp.Expr]:
    operator = _OPERATORS.get(type(part))
    if operator is not None:
        either_way = ((part.this, part.expression, operator), (part.expression, part.this, _FLIPPED[operator]))
        for own, outer, said in either_way:
            if not _reads_outside(own, scope, inside) and _reads_only(outer, outer_scope, scope):
                return said, outer, own
    fix = "compare a column of the subquery with one of the query around it"
    raise refused("this condition between a subquery and the query around it", inside.text.at(part), fix)


def is_correlated(query: exp.Expr, inside: Context) -> bool:
    """Whether the conditions of a plain subquery read columns of the query around it."""
    if not isinstance(query, exp.Select) or query.args.get("where") is None or query.args.get("with_") is not None:
        return False
    if query.args.get("group") or any(map(_has_aggregate, query.expressions)):
        return False
    inner, conditions = bind_from(query, inside)
    return any(_reads_outside(part, inner.scope, inside) for part in conditions)


def _reads_outside(part: exp.Expr, own: Scope, inside: Context) -> bool:
    outer = [c for c in _columns_in(part) if not own.has(c.table or None, c.name)]
    return any(scope.has(c.table or None, c.name) for c in outer for scope in inside.outer)


def _reads_only(part: exp.Expr, scope: Scope, other: Scope) -> bool:
    """Whether all columns of `part` are of `scope`, and it has some; a name that both have is the inner one's."""
    columns = _columns_in(part)
    return bool(columns) and all(
        scope.has(c.table or None, c.name) and not other.has(c.table or None, c.name) for c in columns
    )


def _columns_in(part: exp.Expr) -> list[exp.Column]:
    """Return the columns that `part` reads itself, not those of subqueries in it."""
    found = part.walk(prune=lambda node: isinstance(node, exp.Query))
    return [node for node in found if isinstance(node, exp.Column)]


def _has_aggregate(part: exp.Expr) -> bool:
    return any(isinstance(node, AGGREGATES) for node in part.walk(prune=lambda node: isinstance(node, exp.Query)))
