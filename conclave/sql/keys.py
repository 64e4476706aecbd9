"""Join keys: columns on both sides that an equality of the query is about."""

from conclave.ir.errors import Position
from conclave.ir.expressions import Cast, Column, Compare, Expression, names_in
from conclave.ir.nodes import Join, JoinKind, Node, Output, Project
from conclave.ir.types import Integer, Schema, Type, common_type
from conclave.sql.scope import Names

Pair = tuple[Expression, Expression]


def pair_of(predicate: Expression, left: Schema, right: Schema) -> Pair | None:
    """Return the two sides of an equality between the tables, left table's first."""
    if not (isinstance(predicate, Compare) and predicate.operator == "="):
        return None
    lefts, rights = ({f.name for f in schema} for schema in (left, right))
    for first, second in ((predicate.left, predicate.right), (predicate.right, predicate.left)):
        if names_in(first) and names_in(second) and names_in(first) <= lefts and names_in(second) <= rights:
            return first, second
    return None


def join_on(left: Node, right: Node, pairs: list[Pair], at: Position | None, how: JoinKind = "inner") -> Node:
    """Return the join on the equalities, whose sides become columns where they are not, both of one type."""
    names = Names.besides((*left.schema, *right.schema))
    on: list[tuple[str, str]] = []
    for first, second in pairs:
        kind = common_type(first.type, second.type)
        left, first_name = _with_key(left, first, kind, names)
        right, second_name = _with_key(right, second, kind, names)
        if (first_name, second_name) not in on:
            on.append((first_name, second_name))
    return Join(left, right, tuple(on), how, at)


def columns_of(node: Node) -> tuple[Column, ...]:
    """Return the node's columns as expressions."""
    return tuple(Column(f.name, f.type, f.nullable) for f in node.schema)


def _with_key(node: Node, key: Expression, kind: Type, names: Names) -> tuple[Node, str]:
    """Return the node with a column that holds `key` as `kind`, and that column's name."""
    if key.type != kind and not (isinstance(key.type, Integer) and isinstance(kind, Integer)):
        key = Cast(key, kind)
    if isinstance(key, Column):
        return node, key.name
    name = names.fresh("join_key")
    kept = tuple(Output(column.name, column) for column in columns_of(node))
    return Project(node, (*kept, Output(name, key))), name
