"""Go over trees and expressions, and rebuild them: nothing else knows where each node keeps its sources."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import is_
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
    LogicOperator,
    Negate,
    Not,
    Spread,
    columns_of,
    names_in,
    operands,
)
from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.window import Window

# Longer expressions are not written out in terms of what tables below are made of.
MOST_PARTS = 500


def children(node: Node) -> tuple[Node, ...]:
    """Return the sources of `node`, left to right."""
    if isinstance(node, Scan):  # the frequent ones first, at a glance: every pass asks this of every node
        return ()
    if isinstance(node, (Project, Filter, Aggregate)):
        return (node.source,)
    match node:
        case Concat(parts):
            return parts
        case Join(left, right) | CrossOne(left, right):
            return (left, right)
        case Window(source) | Sort(source) | Limit(source) | Noise(source) | Collect(source):
            return (source,)
        case Input():
            return ()
        case _ as never:
            assert_never(never)


def with_children(node: Node, sources: tuple[Node, ...]) -> Node:
    """Return `node` over other sources; `node` itself if they are the ones it has."""
    old = children(node)
    if len(old) == len(sources) and all(map(is_, old, sources)):
        return node
    return _over(node, sources)


def _over(node: Node, sources: tuple[Node, ...]) -> Node:
    match node:
        case Scan() | Input():
            return node
        case Concat():
            return replace(node, parts=sources)
        case Join() | CrossOne():
            return replace(node, left=sources[0], right=sources[1])
        case Project() | Filter() | Aggregate() | Noise() | Window() | Sort() | Limit() | Collect():
            return replace(node, source=sources[0])
        case _ as never:
            assert_never(never)


def bottom_up(root: Node, rewrite: Callable[[Node], Node]) -> Node:
    """Return `root` with `rewrite` applied to every node, sources first. A subtree used twice stays one object."""
    done: dict[int, Node] = {}

    def visit(node: Node) -> Node:
        made = done.get(id(node))
        if made is None:
            if isinstance(node, (Project, Filter, Aggregate)):  # the frequent ones, without the lists that others take
                source = visit(node.source)
                own = node if source is node.source else _over(node, (source,))
            else:
                own = with_children(node, tuple([visit(source) for source in children(node)]))
            made = done[id(node)] = rewrite(own)
        return made

    return visit(root)


def nodes_in(root: Node) -> Iterator[Node]:
    """Yield every node once, each before its sources; a subtree that is used twice comes after both users."""
    seen: set[int] = set()
    order: list[Node] = []

    def visit(node: Node) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        for source in reversed(children(node)):
            visit(source)
        order.append(node)

    visit(root)
    yield from reversed(order)


def shared(root: Node) -> Node:
    """Return `root` with equal subtrees as one object, wherever they stand."""
    known: dict[Node, Node] = {}
    return bottom_up(root, lambda node: known.setdefault(node, node))


def scans_in(root: Node) -> tuple[Scan, ...]:
    """Return the scans below `root`, each once."""
    return tuple(node for node in nodes_in(root) if isinstance(node, Scan))


def owner_of(root: Node) -> str | None:
    """Return the one party that owns every scan below `root`; None for several, or a plan's Input."""
    return next(iter(root.owners)) if len(root.owners) == 1 else None


def is_one_row(node: Node) -> bool:
    """Whether `node` has exactly one row whatever the data: what the right side of a CrossOne must have."""
    match node:
        case Aggregate(keys=keys) | Noise(keys=keys):
            return not keys
        case Project(source) | Window(source) | Sort(source) | Collect(source):
            return is_one_row(source)
        case CrossOne(left, right):
            return is_one_row(left) and is_one_row(right)
        case Limit(source, count):
            return count > 0 and is_one_row(source)
        case Scan() | Input() | Concat() | Filter() | Join():
            return False
        case _ as never:
            assert_never(never)


def rebuild(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Return the expression with `change` applied to each of its direct parts.

    >>> from conclave.ir.types import Integer
    >>> rebuild(Negate(Column("a", Integer())), lambda part: Literal(1, Integer())).operand.value
    1
    """
    match expression:
        case Column() | Literal():
            return expression
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right) | Logic(left=left, right=right):
            return replace(expression, left=change(left), right=change(right))
        case Negate(operand) | Not(operand) | IsNull(operand) | Cast(operand):
            return replace(expression, operand=change(operand))
        case Case(branches, default):
            changed = tuple((change(condition), change(value)) for condition, value in branches)
            return replace(expression, branches=changed, default=change(default))
        case Call(_, arguments):
            return replace(expression, arguments=tuple(change(argument) for argument in arguments))
        case Spread(_, count, total, squares):
            return replace(expression, count=change(count), total=change(total), squares=change(squares))
        case _ as never:
            assert_never(never)


def substitute(expression: Expression, by_name: Mapping[str, Expression]) -> Expression:
    """Return the expression with each column that `by_name` holds replaced."""
    if isinstance(expression, Column):
        return by_name.get(expression.name, expression)
    return rebuild(expression, lambda part: substitute(part, by_name))


def length_of(expression: Expression) -> int:
    """Return how long an expression is: of how many operations, columns and constants."""
    return 1 + sum(map(length_of, operands(expression)))


def is_short(expression: Expression, by_name: Mapping[str, Expression]) -> bool:
    """Whether `substitute` makes an expression that is not too long: what reads a column twice doubles with each table."""
    lengths = {name: length_of(by_name[name]) for name in names_in(expression) if name in by_name}
    return length_of(expression) + sum(lengths.get(column.name, 0) for column in columns_of(expression)) <= MOST_PARTS


def conjuncts(predicate: Expression) -> tuple[Expression, ...]:
    """Return the conditions that `predicate` joins by AND, in the order they are written."""
    return tuple(parts_of(predicate, "and"))


def parts_of(condition: Expression, operator: LogicOperator) -> list[Expression]:
    """Return the conditions that are joined by AND, or by OR, in the order they are written."""
    if isinstance(condition, Logic) and condition.operator == operator:
        return [*parts_of(condition.left, operator), *parts_of(condition.right, operator)]
    return [condition]


def joined(operator: LogicOperator, conditions: Sequence[Expression]) -> Expression:
    """Return the conditions joined by AND or OR; there is at least one."""
    first, *rest = conditions
    for condition in rest:
        first = Logic(operator, first, condition, first.at)
    return first


def all_of(predicates: tuple[Expression, ...]) -> Expression:
    """Return the conditions joined by AND; there is at least one."""
    return joined("and", predicates)
