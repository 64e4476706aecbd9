"""What a column of a relation is computed by from datasets' own columns, for each part of a UNION ALL.

Columns that come from two sides of a join keep their sides in their names, so that conditions on the one are none on the
other. What a LEFT JOIN puts beside rows is NULL in those without a match, and so is as if a CASE had picked the others.
"""

from dataclasses import dataclass, field

from conclave.ir.expressions import (
    Arithmetic,
    Case,
    Column,
    Expression,
    IsNull,
    Literal,
    Not,
    columns_of,
    names_in,
)
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Concat,
    CrossOne,
    Filter,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
    field_of,
)
from conclave.ir.show import show_expression
from conclave.ir.types import Integer
from conclave.ir.walk import conjuncts, length_of, scans_in, substitute
from policy.domain import positive
from policy.lineage import Lineage, short
from policy.weights import may_be_null

ONE = Literal(1, Integer(8))
_MOST_PARTS = 200  # of an expression that is followed further


@dataclass
class Making:
    """Goes back to where columns are from; what it cannot follow has a name that is equal for equal columns only."""

    lineage: Lineage = field(default_factory=Lineage)
    _done: dict[tuple[int, str], tuple[Expression, ...]] = field(
        default_factory=dict
    )  # by the id of a node of one query

    def made(self, node: Node, name: str) -> tuple[Expression, ...]:
        """Return what a column is computed by, for each part of a UNION ALL below."""
        column = (id(node), name)
        if column not in self._done:
            self._done[column] = self._made(node, name)
        return self._done[column]

    def _made(self, node: Node, name: str) -> tuple[Expression, ...]:
        match node:
            case Concat(parts):
                return tuple(each for part in parts for each in self.made(part, name))
            case Filter(source) | Sort(source) | Limit(source):
                return self.made(source, name)
            case Project(source, outputs):
                return self.computed(source, next(output.expression for output in outputs if output.name == name))
            case Aggregate(source, keys, outputs) if name not in keys:
                return self._total(node, next(output for output in outputs if output.name == name))
            case Aggregate(source):
                return self.made(source, name)
            case Join() | CrossOne():
                return (self._of_side(node, name),)
            case Scan():
                return (_column(node, name, name),)
        return (self._opaque(node, name),)

    def computed(self, source: Node, expression: Expression) -> tuple[Expression, ...]:
        """Return what an expression over a relation's columns is, for each part."""
        below = {name: self.made(source, name) for name in sorted(names_in(expression))}
        count = n_parts(source) if not below else max(map(len, below.values()))
        made = []
        for part in range(count):
            values = {name: each[part if len(each) == count else 0] for name, each in below.items()}
            if sum(map(length_of, values.values())) >= _MOST_PARTS:
                values = {name: self._opaque(source, name) for name in below}
            made.append(substitute(expression, values))
        return tuple(made)

    def asked(self, node: Node) -> list[Expression]:
        """Return conditions that all rows of a part meet, on its dataset's columns."""
        match node:
            case Filter(source, predicate):
                made = [self.computed(source, each) for each in conjuncts(predicate)]
                return [*(positive(each[0]) for each in made if len(each) == 1), *self.asked(source)]
            case Project(source) | Sort(source) | Limit(source):
                return self.asked(source)
        return []

    def _total(self, node: Aggregate, output: AggregateOutput) -> tuple[Expression, ...]:
        """Return what is made of one person's rows first: it is of just these rows, and other than any one of them."""
        by = sorted(self.lineage.column(node.source, key) for key in node.keys)
        made = field_of(node, output.name)
        if output.over is None:
            return (Arithmetic("*", ONE, Column(f"number by {by}", made.type, made.nullable)),) * n_parts(node.source)
        function = f"{output.function}{' distinct' if output.is_distinct else ''}"
        totals: list[Expression] = []
        for each in self.made(node.source, output.over):
            column = Column(short(f"{function} of {show_expression(each)} by {by}"), made.type, made.nullable)
            total = Arithmetic("*", ONE, column) if output.function == "count" else column
            is_picked = may_be_null(each, frozenset())
            totals.append(Case(((Not(IsNull(each)), total),), Literal(None, total.type)) if is_picked else total)
        return tuple(totals)

    def _of_side(self, node: Join | CrossOne, name: str) -> Expression:
        is_left = name in {f.name for f in node.left.schema}
        side = node.left if is_left else node.right
        place = "left" if is_left else "right"
        below = self.made(side, name) if n_parts(side) == 1 else ()
        made = _named(below[0], place) if len(below) == 1 else self._opaque(node, name)
        if is_left or not (isinstance(node, Join) and node.how == "left"):
            return made
        kind = field_of(node, name).type
        pairs = sorted(str(self.lineage.column(node.right, key)) for _, key in node.on)
        match = Column(f"match of {pairs} in {self.lineage.rows(node)}", kind)
        return Case(((Not(IsNull(match)), made),), Literal(None, made.type))

    def _opaque(self, node: Node, name: str) -> Column:
        return _column(node, name, str(self.lineage.column(node, name)))


def n_parts(node: Node) -> int:
    """Return of how many parts of a UNION ALL a relation's rows are."""
    match node:
        case Concat(parts):
            return sum(map(n_parts, parts))
        case Project(source) | Filter(source) | Sort(source) | Limit(source) | Aggregate(source):
            return n_parts(source)
    return 1


def tables_of_parts(node: Node) -> tuple[frozenset[str], ...]:
    """Return which tables are read by each part of a UNION ALL that a relation's rows are of."""
    match node:
        case Concat(parts):
            return tuple(tables for part in parts for tables in tables_of_parts(part))
        case Project(source) | Filter(source) | Sort(source) | Limit(source) | Aggregate(source):
            return tables_of_parts(source)
    return (frozenset(scan.table for scan in scans_in(node)),)


def _named(expression: Expression, place: str) -> Expression:
    names = {c.name: Column(f"{place} {c.name}", c.type, c.nullable) for c in columns_of(expression)}
    return substitute(expression, dict(names)) if names else expression


def _column(node: Node, name: str, text: str) -> Column:
    found = field_of(node, name)
    return Column(text, found.type, found.nullable)
