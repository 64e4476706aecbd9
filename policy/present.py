"""Which columns have a value in all rows of a relation, and which an expression needs to have one.

What is NULL leaves rows out of an aggregate, as a condition does: COUNT(*) beside COUNT(days) tells how many have no days.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import contains

from conclave.ir.expressions import Case, Column, Compare, Expression, IsNull, Literal, Not, operands
from conclave.ir.nodes import Aggregate, Concat, Filter, Join, Limit, Node, Project, Sort
from conclave.ir.show import show_expression
from conclave.ir.walk import conjuncts
from conclave.ir.window import Window
from policy.made import Making
from policy.mean import without_casts


@dataclass
class Present:
    """Tells which columns certainly have a value in all rows of a query's relations."""

    making: Making
    _done: dict[int, tuple[frozenset[str], ...]] = field(default_factory=dict)  # by the id of a node

    def known(self, node: Node) -> tuple[frozenset[str], ...]:
        """Return which columns have, for each part of a UNION ALL below."""
        if id(node) not in self._done:
            self._done[id(node)] = self._known(node)
        return self._done[id(node)]

    def _known(self, node: Node) -> tuple[frozenset[str], ...]:
        match node:
            case Concat(parts):
                return tuple(each for part in parts for each in self.known(part))
            case Filter(source, predicate):
                asked = [name for each in conjuncts(predicate) for name in _asked_for(each)]
                made = [self.making.made(source, name) for name in asked]
                return tuple(
                    there | {show_expression(each[k]) for each in made if k < len(each)}
                    for k, there in enumerate(self.known(source))
                )
            case Project(source) | Sort(source) | Limit(source) | Aggregate(source) | Window(source):
                return self.known(source)
            case Join():
                return (frozenset(self._known_above(node)),)
        return (frozenset(),)

    def _known_above(self, node: Join) -> Iterator[str]:
        """Yield the columns that have a value in all rows of a join, by the names that they go by above it."""
        is_inner = node.how == "inner"
        matched = {name for pair in node.on for name in pair} if is_inner else set[str]()
        for side in (node.left, node.right) if is_inner else (node.left,):
            there = self.known(side)
            for f in side.schema:
                made = [show_expression(each) for each in self.making.made(side, f.name)]
                if f.name in matched or (len(made) == len(there) and all(map(contains, there, made))):
                    yield from map(show_expression, self.making.made(node, f.name))


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


def _asked_for(condition: Expression) -> Iterator[str]:
    """Yield the columns that are not NULL where a condition holds."""
    match condition:
        case Not(IsNull(Column(name))):
            yield name
        case Compare(_, left, right):
            yield from (side.name for side in map(without_casts, (left, right)) if isinstance(side, Column))
