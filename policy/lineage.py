"""What rows and columns are made of, as text that is equal for equal ones."""

import hashlib
from typing import assert_never

from conclave.ir.expressions import Column, Expression, names_in
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
from conclave.ir.show import show_expression
from conclave.ir.walk import conjuncts, substitute
from conclave.ir.window import Window

MOST_CHARACTERS = 200  # what is computed again and again would double with every step

# What a relation's rows are, columns aside: for each part of a UNION ALL, where they are from and what they passed.
Rows = tuple[tuple[str, frozenset[str]], ...]


class Lineage:
    """Texts of one query's relations. Long ones are known by their digest."""

    def __init__(self) -> None:
        self._rows: dict[int, Rows] = {}
        self._columns: dict[tuple[int, str], tuple[str, ...]] = {}

    def grouping(self, node: Aggregate) -> tuple[Rows, frozenset[tuple[str, ...]]]:
        """Return the rows that are grouped, and by what."""
        return self.rows(node.source), frozenset(self.column(node.source, key) for key in node.keys)

    def rows(self, node: Node) -> Rows:
        """Return what a relation's rows are."""
        if id(node) not in self._rows:
            self._rows[id(node)] = self._of_rows(node)
        return self._rows[id(node)]

    def column(self, node: Node, name: str) -> tuple[str, ...]:
        """Return how a column is made of the scans' columns, for each of the relation's parts."""
        if (id(node), name) not in self._columns:
            self._columns[id(node), name] = tuple(map(short, self._of_column(node, name)))
        return self._columns[id(node), name]

    def _of_rows(self, node: Node) -> Rows:
        match node:
            case Scan(dataset=name) | Input(name=name):
                return ((name, frozenset()),)
            case Concat(parts):
                return tuple(row for part in parts for row in self.rows(part))
            case Project(source) | Noise(source) | Window(source) | Sort(source) | Collect(source):
                return self.rows(source)
            case Filter(source, predicate):
                passed = [self._values(source, condition) for condition in conjuncts(predicate)]
                return tuple(
                    (name, before | {short(values[k]) for values in passed})
                    for k, (name, before) in enumerate(self.rows(source))
                )
            case Limit(source, count):
                return _one(f"the first {count} of {self._text(source)}")
            case Aggregate(source, keys):
                return _one(f"groups of {self._text(source)} by {sorted(self.column(source, key) for key in keys)}")
            case Join(left, right, on, how):
                pairs = sorted((self.column(left, a), self.column(right, b)) for a, b in on)
                return _one(f"{how} join of {self._text(left)} and {self._text(right)} on {pairs}")
            case CrossOne(left, right):
                return _one(f"{self._text(left)} beside {self._text(right)}")
            case _ as never:
                assert_never(never)

    def _of_column(self, node: Node, name: str) -> tuple[str, ...]:
        match node:
            case Scan() | Input():
                return (name,)
            case Concat(parts):
                return tuple(text for part in parts for text in self.column(part, name))
            case Project(source, outputs):
                return self._values(source, next(o.expression for o in outputs if o.name == name))
            case Filter(source) | Noise(source) | Sort(source) | Collect(source):
                return self.column(source, name)
            case Window(source, partition, order, made_by_window):
                made_here = next((output for output in made_by_window if output.name == name), None)
                if made_here is None:
                    return self.column(source, name)
                read = (*partition, *(key.column for key in order), *([made_here.over] if made_here.over else []))
                return (f"{made_here.function} of {[self.column(source, each) for each in read]}",) * len(
                    self.rows(source)
                )
            case Limit(source):
                return (str(self.column(source, name)),)
            case Aggregate(source, keys, outputs):
                if name in keys:
                    return (str(self.column(source, name)),)
                made = next(output for output in outputs if output.name == name)
                over = str(self.column(source, made.over)) if made.over is not None else "*"
                return (f"{made.function}({'distinct ' if made.is_distinct else ''}{over})",)
            case Join(left, right) | CrossOne(left, right):
                side = left if name in {f.name for f in left.schema} else right
                return (f"{'left' if side is left else 'right'} {self.column(side, name)}",)
            case _ as never:
                assert_never(never)

    def _text(self, node: Node) -> str:
        return str([(name, sorted(passed)) for name, passed in self.rows(node)])

    def _values(self, source: Node, expression: Expression) -> tuple[str, ...]:
        columns = {name: self.column(source, name) for name in sorted(names_in(expression))}
        fields = {f.name: f for f in source.schema}
        texts = []
        for k in range(len(self.rows(source))):
            named: dict[str, Expression] = {
                name: Column(made[k], fields[name].type, fields[name].nullable) for name, made in columns.items()
            }
            texts.append(show_expression(substitute(expression, named)))
        return tuple(texts)


def _one(text: str) -> Rows:
    return ((short(text), frozenset()),)


def short(text: str) -> str:
    """Return a text that is equal for equal ones, and never long."""
    return text if len(text) <= MOST_CHARACTERS else hashlib.sha256(text.encode()).hexdigest()
