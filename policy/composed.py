"""Of which tables' columns a column is made, be it through groups, joins and the parts of a UNION ALL."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from conclave.ir.expressions import Case, Column, Expression, names_in, operands
from conclave.ir.nodes import Aggregate, Join, Node, Project, Scan
from conclave.ir.walk import children, nodes_in
from conclave.ir.window import Window
from policy.mean import without_casts

Columns = frozenset[tuple[str, str]]  # tables' columns


@dataclass(frozen=True)
class Made:
    """What a column is made of."""

    of: Columns = frozenset()
    is_mixed: bool = False  # of several columns of one row
    is_plain: bool = False  # of a table's column, as it is


@dataclass
class Composition:
    """Goes back to what columns are made of."""

    _done: dict[tuple[int, str], Made] = field(default_factory=dict)  # by the id of a node of one query
    _valued: dict[tuple[int, str], Columns] = field(default_factory=dict)

    def made(self, node: Node, name: str) -> Made:
        """Return what a relation's column is made of."""
        if (id(node), name) not in self._done:
            self._done[id(node), name] = self._made(node, name)
        return self._done[id(node), name]

    def computed(self, source: Node, expression: Expression) -> Made:
        """Return what an expression over a relation's columns is made of."""
        made = [self.made(source, name) for name in sorted(names_in(expression))]
        is_plain = isinstance(without_casts(expression), Column) and all(each.is_plain for each in made)
        return Made(_of_all(made), len(made) > 1 or any(each.is_mixed for each in made), is_plain)

    def values(self, node: Node, name: str) -> Columns:
        """Return what a column's values are made of, conditions aside."""
        if isinstance(node, Scan):
            return frozenset({(node.table, name)})
        if (id(node), name) not in self._valued:
            columns = (self.values(side, below) for side, below in read(node, name))
            self._valued[id(node), name] = frozenset[tuple[str, str]]().union(*columns)
        return self._valued[id(node), name]

    def matched(self, node: Node, columns: Columns) -> Columns:
        """Return tables' columns, and those that rows hold the same of because they are joined by these."""
        joins = (each for each in nodes_in(node) if isinstance(each, Join))
        met = [self.made(join.left, a).of | self.made(join.right, b).of for join in joins for a, b in join.on]
        for _ in met:
            columns = columns.union(*(each for each in met if each & columns))
        return columns

    def _made(self, node: Node, name: str) -> Made:
        match node:
            case Scan(table=table):
                return Made(frozenset({(table, name)}), is_plain=True)
            case Project(source, outputs):
                return self.computed(source, next(output.expression for output in outputs if output.name == name))
            case Aggregate(source, keys, outputs) if name not in keys:
                over = next(output.over for output in outputs if output.name == name)
                made = self.made(source, over) if over is not None else Made()
                return Made(made.of, made.is_mixed)
            case Window(source) if name not in {f.name for f in source.schema}:
                return Made(_of_all(self.made(source, f.name) for f in source.schema), is_mixed=True)
        sides = [side for side in children(node) if name in {f.name for f in side.schema}]
        below = [self.made(side, name) for side in sides]  # of another in each part of a UNION ALL, which is no mixture
        is_mixed, is_plain = any(each.is_mixed for each in below), all(each.is_plain for each in below)
        return Made(_of_all(below), is_mixed, is_plain)


def joined(join: Join) -> Iterator[tuple[Node, Node, str, str]]:
    """Yield each side of a join with the other one, and the columns of both that have to be equal."""
    for left, right in join.on:
        yield join.left, join.right, left, right
        yield join.right, join.left, right, left


def read(node: Node, name: str) -> Iterator[tuple[Node, str]]:
    """Yield the columns below that a column's values are made of."""
    match node:
        case Project(source, outputs):
            valued = _valued(next(output.expression for output in outputs if output.name == name))
            yield from ((source, below) for below in sorted(valued))
        case Aggregate(source, keys, outputs) if name not in keys:
            yield from ((source, o.over) for o in outputs if o.name == name and o.over is not None)
        case Window(source) if name not in {f.name for f in source.schema}:
            yield from ((source, f.name) for f in source.schema)
        case _:
            yield from ((side, name) for side in children(node) if name in {f.name for f in side.schema})


def _valued(expression: Expression) -> frozenset[str]:
    """Return the columns in an expression, but for those in conditions of a CASE alone."""
    match expression:
        case Column(name):
            return frozenset({name})
        case Case(branches, default):
            return frozenset[str]().union(*(_valued(each) for each in (*(value for _, value in branches), default)))
    return frozenset[str]().union(*(_valued(part) for part in operands(expression)))


def _of_all(made: Iterable[Made]) -> Columns:
    return frozenset(column for each in made for column in each.of)
