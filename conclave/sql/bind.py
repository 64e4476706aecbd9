"""A whole query: WITH, the set operations, and the order of the answer."""

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from conclave.ir.errors import Position, QueryProblem, TypeProblem
from conclave.ir.expressions import Cast, Column, Compare, Expression, Literal, Logic
from conclave.ir.nodes import Aggregate, AggregateOutput, Collect, Concat, Filter, Node, Output, Project, field_of
from conclave.ir.types import Integer, Schema, common_type
from conclave.sql.bind_expression import Context
from conclave.sql.bind_from import renamed
from conclave.sql.bind_order import bind_first, bind_order, hidden_in, with_hidden
from conclave.sql.bind_select import bind_select
from conclave.sql.bind_subquery import bind_tied
from conclave.sql.keys import columns_of
from conclave.sql.literals import is_null_literal
from conclave.sql.parse import Text, parse
from conclave.sql.refuse import part_name, refuse_others, refused, unsupported
from conclave.sql.scope import Names
from conclave.sql.select_items import Selected
from conclave.sql.shorthand import write_out

_CUTS = ("order", "limit", "offset")  # what is bound where a query stands, see `bind_order`


def bind(sql: str, tables: Mapping[str, Node], recipients: tuple[str, ...]) -> Collect:
    """Return what `sql` means over `tables` (each a Scan or a Concat of Scans), answered to `recipients`.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()),))
    >>> sql = "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward"
    >>> print(show(bind(sql, {"visits": visits}, ("bravo",))))
    collect for bravo
      aggregate by ward: n = count(*)
        scan visits @alpha

    Raises:  QueryProblem, with the place in the text; UnsupportedQuery and TypeProblem are kinds of it.
    """
    query = parse(sql)
    text = Text(sql)
    write_out(query, text)
    context = Context(text, {name.lower(): node for name, node in tables.items()}, _bind_subquery, bind_tied)
    selected = _bind_query(query, context)
    return Collect(bind_order(query, selected, text), recipients)


def _bind_subquery(query: exp.Expr, context: Context) -> Node:
    order, limit, offset = (query.args.get(name) for name in _CUTS)
    if order is not None and (limit is not None or offset is not None):
        selected = _bind_query(query, context)
        hidden = hidden_in(query, selected, context.text)
        if not hidden:
            return bind_first(query, selected, context.text)
        longer = with_hidden(query, hidden)
        picked = bind_first(longer, _bind_query(longer, context), context.text)
        return Project(picked, tuple(Output(c.name, c) for c in columns_of(picked)[: -len(hidden)]))
    for name, part in (("order", order), ("limit", limit), ("offset", offset)):
        if part is not None:
            fix = "order and cut the answer itself, or have ORDER BY and LIMIT both, which picks rows"
            raise refused(f"{part_name(name)} in a subquery", context.text.at(part), fix)
    return _bind_query(query, context).node


def _bind_query(query: exp.Expr, context: Context) -> Selected:
    context = _with(query, context)
    match query:
        case exp.Select():
            return bind_select(query, context)
        case exp.Union() if query.args.get("distinct") is False:
            return _union_all(query, context)
        case exp.Union():
            rows = _union_all(query, context).node
            return Selected(_distinct(rows, context.text.at(query.expression)), _find_nothing)
        case exp.Except() | exp.Intersect() if query.args.get("distinct") is not False:
            return _in_both_or_one(query, context)
        case exp.Subquery():
            refuse_others(query, frozenset({"this", "with_", *_CUTS}), context.text)
            return Selected(_bind_subquery(query.this, context), _find_nothing)
    raise unsupported(query, context.text)


def _with(query: exp.Expr, context: Context) -> Context:
    clause = query.args.get("with_")
    if clause is None:
        return context
    refuse_others(clause, frozenset({"expressions"}), context.text)
    for part in clause.expressions:
        refuse_others(part, frozenset({"this", "alias"}), context.text)
        node = _bind_subquery(part.this, context)
        _, names = renamed(node, part.args.get("alias"), context)
        if names != tuple(f.name for f in node.schema):
            node = Project(node, tuple(map(Output, names, columns_of(node))))
        context = replace(context, tables={**context.tables, part.alias.lower(): node})
    return context


def _distinct(node: Node, at: Position | None) -> Node:
    return Aggregate(node, tuple(f.name for f in node.schema), (), at)


def _in_both_or_one(query: exp.SetOperation, context: Context) -> Selected:
    """EXCEPT and INTERSECT: the distinct rows, as grouping knows them (NULL is a value), by where they come from."""
    parts, at = _conformed(query, context), context.text.at(query.expression)
    names = Names.besides(parts[0].schema)
    flags = [names.fresh("in_left"), names.fresh("in_right")]
    kind = Integer(64)
    flagged = []
    for n, part in enumerate(parts):
        marks = (Output(flag, Literal(int(n == k), kind)) for k, flag in enumerate(flags))
        flagged.append(Project(part, (*map(Output, (f.name for f in part.schema), columns_of(part)), *marks)))
    totals = tuple(AggregateOutput(names.fresh(f"rows_{flag}"), "sum", flag, at=at) for flag in flags)
    grouped = Aggregate(Concat(tuple(flagged), at), tuple(f.name for f in parts[0].schema), totals, at)
    in_left, in_right = (Column(total.name, field_of(grouped, total.name).type, False) for total in totals)
    zero = Literal(0, kind)
    beside = Compare(">" if isinstance(query, exp.Intersect) else "=", in_right, zero, at)
    kept = Filter(grouped, Logic("and", Compare(">", in_left, zero, at), beside, at), at)
    shown = Project(
        kept, tuple(Output(f.name, column) for f, column in zip(parts[0].schema, columns_of(kept), strict=False))
    )
    return Selected(shown, _find_nothing)


def _union_all(union: exp.SetOperation, context: Context) -> Selected:
    parts: list[Node] = []
    for side, conformed in zip((union.this, union.expression), _conformed(union, context), strict=True):
        # (a union all b) union all c is one concat of three, unless a part is a table by itself.
        is_union = side is union.this and isinstance(side, exp.Union) and isinstance(conformed, Concat)
        parts += conformed.parts if is_union and isinstance(conformed, Concat) else (conformed,)
    return Selected(Concat(tuple(parts), context.text.at(union.expression)), _find_nothing)


def _conformed(query: exp.SetOperation, context: Context) -> tuple[Node, Node]:
    """Return both sides of a set operation with the same names and types, the left side's names."""
    refuse_others(query, frozenset({"this", "expression", "distinct", "with_", *_CUTS}), context.text)
    left, right = (_bind_subquery(side, context) for side in (query.this, query.expression))
    at = context.text.at(query.expression)
    what_it_is = f"{query.key.upper()}{' ALL' if query.args.get('distinct') is False else ''}"
    if len(left.schema) != len(right.schema):
        raise QueryProblem(f"{what_it_is} of {len(left.schema)} and {len(right.schema)} columns", at)
    fields = []
    for first, second in zip(left.schema, right.schema, strict=True):
        kind = second.type if _is_null(left, first.name) else first.type
        if not _is_null(right, second.name):
            try:
                kind = common_type(kind, second.type)
            except TypeProblem as problem:
                what = f"{what_it_is} of {first.name} {kind} and {second.name} {second.type}"
                raise TypeProblem(what, at) from problem
        fields.append(replace(first, type=kind))
    return _conform(left, tuple(fields)), _conform(right, tuple(fields))


def _find_nothing(_: exp.Expr) -> None:
    """There are no items that an expression of ORDER BY could be equal to: columns go by their names."""


def _is_null(node: Node, name: str) -> bool:
    """Whether a column is nothing but the constant NULL, which fits any type."""
    return isinstance(node, Project) and any(o.name == name and is_null_literal(o.expression) for o in node.outputs)


def _conform(node: Node, fields: Schema) -> Node:
    """Return the node's rows under the names and types of `fields`."""
    if [(f.name, f.type) for f in node.schema] == [(f.name, f.type) for f in fields]:
        return node
    outputs: list[Output] = []
    for column, want in zip(columns_of(node), fields, strict=True):
        value: Expression = column
        if _is_null(node, column.name):
            value = Literal(None, want.type)
        elif column.type != want.type:
            value = Cast(column, want.type)
        outputs.append(Output(want.name, value))
    return Project(node, tuple(outputs))
