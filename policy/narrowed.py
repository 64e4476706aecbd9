"""Whether a query leaves few of the values that a factor may have: of two, a sum of products tells the one rows from the others.

`SUM(cost)` and `SUM(cost * days)` of rows in which days are 1 or 387 are what those of 387 days cost, be it one. Bounds say that
a column may have more values; so conditions, joins and groups may not take them away again. They may leave out NULLs, single
values, and what is beyond a limit, as long as half of the way between the bounds is left.
"""

import decimal
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from conclave.ir.expressions import Column, Compare, Expression, IsNull, Not, names_in
from conclave.ir.nodes import Aggregate, Collect, Filter, Join, Node, Project
from conclave.ir.show import show_expression
from conclave.ir.walk import conjuncts, nodes_in, scans_in
from policy.comparisons import constant_of
from policy.composed import Composition, joined, read
from policy.document import Policy
from policy.domain import positive
from policy.mean import without_casts
from policy.multiples import tests_in

Bounds = Mapping[tuple[str, str], tuple[float, float]]


@dataclass(frozen=True)
class Limits:
    """Between what a column's values lie."""

    low: Fraction
    high: Fraction
    n_out: int = 0  # of which so many are left out

    @property
    def width(self) -> Fraction:
        """How far apart they are, as if what is left out were one after the other."""
        return self.high - self.low - self.n_out


@dataclass
class Narrowing:
    """Looks for what reads a factor's column."""

    bounds: Bounds  # of tables' columns, where there are any
    composition: Composition

    def problem(self, node: Aggregate, name: str, column: tuple[str, str]) -> str:
        """Return what leaves few values of a table's column where an aggregate is over products with it; "" if nothing does."""
        for each in (node, *nodes_in(node.source)):
            if text := self._keyed(each, column):
                return text
        low, high = self.bounds[column]
        limits = Limits(exact(low), exact(high))
        half = limits.width / 2
        for source, condition in (*conditions_in(node.source), *chosen_by(node.source, name)):
            if column not in self.composition.computed(source, condition).of:
                continue
            left = self._limits(source, condition, limits)
            if left is None or left.width < half:
                return show_expression(condition)
            limits = left
        return ""

    def _keyed(self, node: Node, column: tuple[str, str]) -> str:
        """Return by what a relation's rows are grouped or meet that is made of the column; groups of one value each weigh alike."""
        match node:
            case Aggregate(source, keys):
                made = ((key, self.composition.made(source, key)) for key in keys)
                return next((f"the key {key}" for key, each in made if column in each.of and not each.is_plain), "")
            case Join():
                met = ((name, self.composition.made(side, name)) for side, _, name, _ in joined(node))
                return next((f"the join by {name}" for name, each in met if column in each.of), "")
        return ""

    def _limits(self, source: Node, condition: Expression, before: Limits) -> Limits | None:
        """Return between what a condition leaves the values of the one column that it reads; None: it picks some."""
        names = names_in(condition)
        if len(names) != 1 or not all(self.composition.made(source, name).is_plain for name in names):
            return None
        match positive(condition):
            case Not(IsNull(Column())):
                return before
            case Compare(operator, left, right) if isinstance(without_casts(left), Column):
                constant = constant_of(right)
                if not isinstance(constant, int | float | decimal.Decimal) or not math.isfinite(constant):
                    return None
                match operator:
                    case "<" | "<=":
                        return replace(before, high=min(before.high, exact(constant)))
                    case ">" | ">=":
                        return replace(before, low=max(before.low, exact(constant)))
                    case "<>":
                        return replace(before, n_out=before.n_out + 1)
        return None


def bounds_of(root: Collect, policies: Mapping[str, Policy]) -> dict[tuple[str, str], tuple[float, float]]:
    """Return between what the tables' numbers lie, by their owners' policies: all of them together."""
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for scan in scans_in(root):
        columns = policies[scan.dataset].spec.columns if scan.dataset in policies else {}
        for each in scan.schema:
            if each.name in columns and (bounds := columns[each.name].bounds) is not None:
                low, high = found.get((scan.table, each.name), bounds)
                found[scan.table, each.name] = min(low, bounds[0]), max(high, bounds[1])
    return found


def conditions_in(node: Node) -> Iterator[tuple[Node, Expression]]:
    """Yield what rows have to meet, one condition at a time, and the rows that each is asked of."""
    for each in nodes_in(node):
        if isinstance(each, Filter):
            yield from ((each.source, condition) for condition in conjuncts(each.predicate))


def chosen_by(node: Node, name: str) -> Iterator[tuple[Node, Expression]]:
    """Yield the conditions of each CASE that a column is computed by."""
    for at, made in ways_to(node, name):
        if isinstance(at, Project):
            expression = next(output.expression for output in at.outputs if output.name == made)
            for test in tests_in(expression):
                yield from ((at.source, condition) for condition in conjuncts(test))


def ways_to(node: Node, name: str) -> Iterator[tuple[Node, str]]:
    """Yield a relation's column, and those below that its values are made of."""
    pending, seen = [(node, name)], set[tuple[int, str]]()
    while pending:
        at, made = pending.pop()
        if (id(at), made) not in seen:
            seen.add((id(at), made))
            yield at, made
            pending += read(at, made)


def exact(number: float | decimal.Decimal) -> Fraction:
    """Return a number as it is written."""
    return Fraction(str(number))
