"""What a column is computed by from datasets' columns, part by part of a UNION ALL, and which of these may be NULL in its rows."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from operator import contains

from conclave.ir.expressions import Case, Column, Compare, Expression, IsNull, Literal, Not, names_in, operands
from conclave.ir.nodes import Aggregate, Concat, Filter, Join, Limit, Node, Project, Sort, field_of
from conclave.ir.show import show_expression
from conclave.ir.types import Integer
from conclave.ir.walk import children, conjuncts, substitute
from conclave.ir.window import Window
from policy.mean import without_casts

ONE = Literal(1, Integer(8))
_MOST_PARTS = 200  # of an expression that is followed further


def made_of(node: Node, name: str) -> tuple[Expression, ...]:
    """Return what a column is computed by from datasets' columns, for each part of a UNION ALL below."""
    match node:
        case Concat(parts):
            return tuple(each for part in parts for each in made_of(part, name))
        case Filter(source) | Sort(source) | Limit(source):
            return made_of(source, name)
        case Project(source, outputs):
            return computed(source, next(output.expression for output in outputs if output.name == name))
        case Aggregate(source, keys, outputs) if name not in keys:
            # What is made of one person's rows first is of just these rows.
            over = next(output.over for output in outputs if output.name == name)
            return (ONE,) * n_parts(source) if over is None else made_of(source, over)
        case Aggregate(source):
            return made_of(source, name)
    sides, found = [side for side in children(node) if name in {f.name for f in side.schema}], field_of(node, name)
    if len(sides) == 1 and n_parts(sides[0]) == 1:
        (made,) = made_of(sides[0], name)
        if not (isinstance(node, Join) and node.how == "left" and sides[0] is node.right):
            return (made,)
        if columns := {each.name: replace(each, nullable=True) for each in _columns_in(made)}:
            return (substitute(made, columns),)
    return (Column(name, found.type, found.nullable),)


def computed(source: Node, expression: Expression) -> tuple[Expression, ...]:
    """Return the expression over a relation's columns as one over datasets' columns, for each part."""
    below = {name: made_of(source, name) for name in sorted(names_in(expression))}
    n = n_parts(source) if not below else max(map(len, below.values()))
    made = []
    for part in range(n):
        values = {name: each[part if len(each) == n else 0] for name, each in below.items()}
        made.append(substitute(expression, values) if sum(map(_size, values.values())) < _MOST_PARTS else expression)
    return tuple(made)


def n_parts(node: Node) -> int:
    """Return from how many parts of UNION ALLs its rows are; what a join puts together counts as one."""
    match node:
        case Concat(parts):
            return sum(map(n_parts, parts))
        case Project(source) | Filter(source) | Sort(source) | Limit(source) | Aggregate(source):
            return n_parts(source)
    return 1


def _size(expression: Expression) -> int:
    return 1 + sum(map(_size, operands(expression)))


def _columns_in(expression: Expression) -> Iterator[Column]:
    if isinstance(expression, Column):
        yield expression
    for part in operands(expression):
        yield from _columns_in(part)


def known(node: Node) -> tuple[frozenset[str], ...]:
    """Return which columns certainly have a value in all rows, for each part of a UNION ALL below."""
    match node:
        case Concat(parts):
            return tuple(each for part in parts for each in known(part))
        case Filter(source, predicate):
            asked = [name for each in conjuncts(predicate) for name in _asked_for(each)]
            made = [made_of(source, name) for name in asked]
            return tuple(
                there | {show_expression(each[k]) for each in made if k < len(each)}
                for k, there in enumerate(known(source))
            )
        case Project(source) | Sort(source) | Limit(source) | Aggregate(source) | Window(source):
            return known(source)
        case Join(left, right, on, how):
            sides = (left, right) if how == "inner" else (left,)
            matched = {name for pair in on for name in pair} if how == "inner" else set()
            return (frozenset(each for side in sides for each in _known_in(side, matched)),)
    return (frozenset(),)


def _known_in(side: Node, matched: Collection[str]) -> Iterator[str]:
    """Yield the columns of a join's side that have a value in all its rows, by the names that they go by above it."""
    there = known(side)
    for f in side.schema:
        made = [show_expression(each) for each in made_of(side, f.name)]
        if f.name in matched or (len(made) == len(there) and all(map(contains, there, made))):
            yield made[0] if len(made) == 1 else f.name


def _asked_for(condition: Expression) -> Iterator[str]:
    """Yield the columns that are not NULL where a condition holds."""
    match condition:
        case Not(IsNull(Column(name))):
            yield name
        case Compare(_, left, right):
            yield from (side.name for side in map(without_casts, (left, right)) if isinstance(side, Column))


def needed(expression: Expression) -> frozenset[str]:
    """Return the columns that may be NULL, and by which the expression may be."""
    match expression:
        case Column():
            return frozenset({show_expression(expression)} if expression.nullable else ())
        case IsNull():
            return frozenset()
        case Case(branches, default):
            # Which rows its conditions pick is held against the others' conditions: here is what they lack beyond that.
            parts = [value for _, value in branches] + ([] if is_null(default) else [default])
        case _:
            parts = list(operands(expression))
    return frozenset(name for part in parts for name in needed(part))


def is_null(expression: Expression) -> bool:
    """Whether it is NULL, whatever the row."""
    bare = without_casts(expression)
    return isinstance(bare, Literal) and bare.value is None
