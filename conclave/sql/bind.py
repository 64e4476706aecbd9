"""A whole query: WITH, UNION ALL, and the order of the answer."""

from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp

from conclave.ir.errors import QueryProblem, TypeProblem
from conclave.ir.expressions import Cast, Column, Expression, Literal
from conclave.ir.nodes import Collect, Concat, Node, Output, Project
from conclave.ir.types import Schema, common_type
from conclave.sql.bind_expression import Context
from conclave.sql.bind_from import renamed
from conclave.sql.bind_order import bind_order
from conclave.sql.bind_select import Selected, bind_select
from conclave.sql.literals import is_null_literal
from conclave.sql.parse import Text, parse
from conclave.sql.refuse import part_name, refuse_others, refused, unsupported


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
    context = Context(text, {name.lower(): node for name, node in tables.items()}, _bind_subquery)
    selected = _bind_query(query, context)
    return Collect(bind_order(query, selected, text), recipients)


def _bind_subquery(query: exp.Expr, context: Context) -> Node:
    for name in ("order", "limit", "offset"):
        if query.args.get(name) is not None:
            fix = "order and cut the answer itself, at the end of the query"
            raise refused(f"{part_name(name)} in a subquery", context.text.at(query.args[name]), fix)
    return _bind_query(query, context).node


def _bind_query(query: exp.Expr, context: Context) -> Selected:
    context = _with(query, context)
    match query:
        case exp.Select():
            return bind_select(query, context)
        case exp.Union() if query.args.get("distinct") is False:
            return _union_all(query, context)
        case exp.Subquery():
            refuse_others(query, frozenset({"this", "with_", "order", "limit"}), context.text)
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
            node = Project(node, tuple(map(Output, names, _columns(node))))
        context = replace(context, tables={**context.tables, part.alias.lower(): node})
    return context


def _union_all(union: exp.Union, context: Context) -> Selected:
    refuse_others(union, frozenset({"this", "expression", "distinct", "with_", "order", "limit"}), context.text)
    left, right = (_bind_subquery(side, context) for side in (union.this, union.expression))
    at = context.text.at(union.expression)
    if len(left.schema) != len(right.schema):
        raise QueryProblem(f"UNION ALL of {len(left.schema)} and {len(right.schema)} columns", at)
    fields = []
    for first, second in zip(left.schema, right.schema, strict=True):
        kind = second.type if _is_null(left, first.name) else first.type
        if not _is_null(right, second.name):
            try:
                kind = common_type(kind, second.type)
            except TypeProblem as problem:
                what = f"UNION ALL of {first.name} {kind} and {second.name} {second.type}"
                raise TypeProblem(what, at) from problem
        fields.append(replace(first, type=kind))
    parts: list[Node] = []
    for side in (left, right):
        conformed = _conform(side, tuple(fields))
        # (a union all b) union all c is one concat of three, unless a part is a table by itself.
        is_union = side is left and isinstance(union.this, exp.Union) and isinstance(conformed, Concat)
        parts += conformed.parts if is_union and isinstance(conformed, Concat) else (conformed,)
    return Selected(Concat(tuple(parts), at), _find_nothing)


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
    for column, want in zip(_columns(node), fields, strict=True):
        value: Expression = column
        if _is_null(node, column.name):
            value = Literal(None, want.type)
        elif column.type != want.type:
            value = Cast(column, want.type)
        outputs.append(Output(want.name, value))
    return Project(node, tuple(outputs))


def _columns(node: Node) -> tuple[Column, ...]:
    return tuple(Column(f.name, f.type, f.nullable) for f in node.schema)
