"""WHERE: conditions that look at a row, and those that ask a subquery about it, which become joins.

`x IN (SELECT y ...)` is a semi join, NOT EXISTS an anti join. NOT IN differs from NOT EXISTS where there are NULLs: then
nothing is not in the set, unless the set is empty; so the set's rows and NULLs are counted, too.
"""

from dataclasses import dataclass, replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem
from conclave.ir.expressions import Case, Column, Compare, ComparisonOperator, Expression, IsNull, Literal, Logic, Not
from conclave.ir.nodes import Aggregate, AggregateFunction, AggregateOutput, CrossOne, Filter, Node, Output, Project
from conclave.ir.types import Boolean, Integer
from conclave.ir.walk import all_of
from conclave.sql.bind_expression import Context, ExpressionBinder, ScalarSubqueries
from conclave.sql.bind_from import Rows
from conclave.sql.bind_subquery import Asked, ask, is_correlated
from conclave.sql.keys import Pair, join_on
from conclave.sql.literals import alike
from conclave.sql.parse import unwrapped
from conclave.sql.refuse import refused
from conclave.sql.scope import Names

# Some value of a group is below x if the least one is.
_DECIDED_BY: dict[ComparisonOperator, tuple[AggregateFunction, ...]] = {
    "<>": ("min", "max"), "<": ("min",), "<=": ("min",), ">": ("max",), ">=": ("max",),
}  # fmt: skip


@dataclass(frozen=True)
class _Question:
    """A condition that asks a subquery."""

    part: exp.Exists | exp.In
    is_negated: bool


def bind_where(rows: Rows, conditions: list[exp.Expr], context: Context) -> Rows:
    """Return the rows that meet all conditions. They may have columns more, which the scope does not name.

    Raises:  QueryProblem, and its kinds.
    """
    plain = [part for part in conditions if _question(part) is None]
    if plain:
        subqueries = ScalarSubqueries(Names.besides(rows.node.schema))
        bind = ExpressionBinder(context, rows.scope, "WHERE", subqueries=subqueries)
        predicate = all_of(tuple(bind.condition(part) for part in plain))
        rows = Rows(Filter(subqueries.beside(rows.node), predicate, context.text.at(plain[0])), rows.scope)
    for question in filter(None, map(_question, conditions)):
        rows = Rows(_asking(rows, question, context), rows.scope)
    return rows


def _question(part: exp.Expr) -> _Question | None:
    is_negated = False
    while isinstance(part, exp.Paren | exp.Not):
        is_negated ^= isinstance(part, exp.Not)
        part = part.this
    if isinstance(part, exp.Exists) or (isinstance(part, exp.In) and part.args.get("query") is not None):
        return _Question(part, is_negated)
    return None


def _asking(rows: Rows, question: _Question, context: Context) -> Node:
    part, at = question.part, context.text.at(question.part)
    inside = replace(context, outer=(*context.outer, rows.scope))
    if isinstance(part, exp.Exists):
        asked = ask(unwrapped(part.this), rows, context, inside)
        asked = replace(asked, rows=bind_where(asked.rows, asked.conditions, inside))
        return _exists(rows, asked, question.is_negated, at)
    query = unwrapped(part.args["query"])
    bind = ExpressionBinder(context, rows.scope, "WHERE")
    values = [
        bind.bind(value) for value in (part.this.expressions if isinstance(part.this, exp.Tuple) else [part.this])
    ]
    if is_correlated(query, inside):
        return _in_correlated(rows, question, query, values, context, inside)
    return _in(rows, values, context.bind_query(query, inside), question.is_negated, at)


def _exists(rows: Rows, asked: Asked, is_negated: bool, at: Position | None) -> Node:
    names = Names.besides(rows.node.schema)
    if not asked.keys:
        count = AggregateOutput(names.fresh("found"), "count", None, at=at)
        counted = CrossOne(rows.node, Aggregate(asked.rows.node, (), (count,), at), at)
        return Filter(counted, Compare("=" if is_negated else ">", _count(count), Literal(0, Integer(64))), at)
    outputs = [Output(names.fresh("key"), own) for _, own in asked.keys]
    pairs: list[Pair] = [(outer, _column(o)) for (outer, _), o in zip(asked.keys, outputs, strict=True)]
    if asked.compared is None:
        keyed = Project(asked.rows.node, tuple(outputs))
        return join_on(rows.node, keyed, pairs, at, "anti" if is_negated else "semi")
    operator, outer, own = asked.compared
    value = Output(names.fresh("value"), own)
    functions = _DECIDED_BY[operator]
    extremes = tuple(AggregateOutput(names.fresh(f"{f}_value"), f, value.name, at=at) for f in functions)
    keys = tuple(output.name for output in outputs)
    grouped = Aggregate(Project(asked.rows.node, (*outputs, value)), keys, extremes, at)
    node = join_on(rows.node, grouped, pairs, at, "left" if is_negated else "inner")
    tests = [Compare(operator, Column(e.name, own.type), outer, at) for e in extremes]
    found: Expression = tests[0] if len(tests) == 1 else Logic("or", tests[0], tests[1], at)
    if is_negated:  # what is not known to be there is not there
        found = Case(((found, Literal(False, Boolean())),), Literal(True, Boolean()), at)
    return Filter(node, found, at)


def _in(rows: Rows, values: list[Expression], found: Node, is_negated: bool, at: Position | None) -> Node:
    if len(found.schema) != len(values):
        raise QueryProblem(f"{len(values)} values are looked up among {len(found.schema)} columns", at)
    names = Names.besides(rows.node.schema)
    outputs = tuple(Output(names.fresh(f.name), Column(f.name, f.type, f.nullable)) for f in found.schema)
    pairs = _checked([(v, _column(o)) for v, o in zip(values, outputs, strict=True)], at)
    node = join_on(rows.node, Project(found, outputs), pairs, at, "anti" if is_negated else "semi")
    if not is_negated or not any(
        value.nullable or o.expression.nullable for value, o in zip(values, outputs, strict=True)
    ):
        return node
    if len(values) > 1:
        raise refused("NOT IN of several columns that may be NULL", at, "use NOT EXISTS")
    return _unless_null(node, values[0], found, names, at)


def _unless_null(node: Node, value: Expression, found: Node, names: Names, at: Position | None) -> Node:
    """Drop what is neither in the set nor known not to be: where the value or one of the set is NULL."""
    rows = AggregateOutput(names.fresh("set_rows"), "count", None, at=at)
    known = AggregateOutput(names.fresh("set_values"), "count", found.schema[0].name, at=at)
    tests: list[Expression] = []
    if found.schema[0].nullable:
        tests.append(Compare("=", _count(known), _count(rows), at))
    if value.nullable:
        is_empty = Compare("=", _count(rows), Literal(0, Integer(64)), at)
        tests.append(Logic("or", Not(IsNull(value, at), at), is_empty, at))
    counted = CrossOne(node, Aggregate(found, (), (rows, known), at), at)
    return Filter(counted, all_of(tuple(tests)), at)


def _in_correlated(
    rows: Rows, question: _Question, query: exp.Expr, values: list[Expression], context: Context, inside: Context
) -> Node:
    at = context.text.at(question.part)
    asked = ask(query, rows, context, inside)
    asked = replace(asked, rows=bind_where(asked.rows, asked.conditions, inside))
    bind = ExpressionBinder(inside, asked.rows.scope, "SELECT")
    own = [bind.bind(item.unalias()) for item in query.expressions]
    if len(own) != len(values):
        raise QueryProblem(f"{len(values)} values are looked up among {len(own)} columns", at)
    if question.is_negated and any(e.nullable for e in (*values, *own)):
        raise refused("NOT IN of what may be NULL, in a subquery that reads the query around it", at, "use NOT EXISTS")
    pairs = _checked(list(zip(values, own, strict=True)), at)
    return _exists(rows, replace(asked, keys=[*asked.keys, *pairs]), question.is_negated, at)


def _checked(pairs: list[Pair], at: Position | None) -> list[Pair]:
    compared = [Compare("=", *alike(outer, own), at) for outer, own in pairs]
    return [(each.left, each.right) for each in compared]


def _column(output: Output) -> Column:
    return Column(output.name, output.expression.type, output.expression.nullable)


def _count(output: AggregateOutput) -> Column:
    return Column(output.name, Integer(64), nullable=False)
