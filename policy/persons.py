"""Whether a query tells several things of one column person by person: for most people they are the same, and cancel out.

Whoever has one row has the same largest, least, mean and last value. So `SUM(largest - least)`, or the two sums side by side, are
of those alone who have several, be it one; and `SUM(MAX(days) - MAX(days) FILTER (WHERE ward <> 'A'))` of those whose largest
is of ward A. It is the difference of two aggregates of different rows, made in each row. So among what is aggregated of people
under a minimum there is one thing of each column: its values as they are, of one copy of the table, or one aggregate of each
person's rows. Numbers of rows are of the same rows. Of people who have several rows by a condition (`HAVING COUNT(*) > 1`) there
may be several aggregates of the same rows: how far these differ is then for the data to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from conclave.ir.expressions import Arithmetic, Column, Compare, Expression, names_in, operands
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Join,
    Node,
    Project,
    Scan,
    field_of,
)
from conclave.ir.walk import conjuncts, nodes_in, scans_in
from conclave.ir.window import Window
from policy.comparisons import constant_of
from policy.composed import read
from policy.document import Policy
from policy.domain import positive
from policy.lineage import Lineage, short
from policy.minimum import groupings, refusal
from policy.verdict import Reason

_NUMBER = ("", "rows")  # of rows of a person, in the place of a table's column


@dataclass(frozen=True, order=True)
class Thing:
    """What is told of a column of one person."""

    of: str = ""  # which of the column's values
    function: str = ""  # by which aggregate of the person's rows; "": as they are
    is_of_several: bool = False  # only of people who have several rows


Things = Mapping[tuple[str, str], frozenset[Thing]]  # by table and column


def check_persons(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset with a minimum of which one column's values would be held against one another."""
    tracing = _Tracing()
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy, tables = policies[dataset], {scan.table for scan in scans_in(root) if scan.dataset == dataset}
        told = [tracing.told(node, output) for node in nodes for output in node.outputs]
        several = {column for column, things in _merged(told).items() if not _go_together(things)}
        table, name = min((each for each in several if each[0] in tables or each == _NUMBER), default=("", ""))
        if not name:
            continue
        yield refusal(
            policy,
            "differencing",
            f"several things are told of {name if table else 'the rows'} of each person of {dataset}: they differ"
            " for those alone who have several rows, which may be fewer subjects",
            nodes[0].at,
            "aggregate one thing of it: its values, or one aggregate by person; or several of people HAVING COUNT(*) > 1",
        )


@dataclass
class _Tracing:
    lineage: Lineage = field(default_factory=Lineage)
    _done: dict[tuple[int, str], Things] = field(default_factory=dict)  # by the id of a node of one query

    def told(self, node: Aggregate, output: AggregateOutput) -> Things:
        """Return what an aggregate of enough people is of."""
        if output.over is None or (output.function == "count" and not output.is_distinct):
            return {}
        return self.things(node.source, output.over)

    def things(self, node: Node, name: str) -> Things:
        """Return what a relation's column holds of tables' columns."""
        if (id(node), name) not in self._done:
            self._done[id(node), name] = self._things(node, name)
        return self._done[id(node), name]

    def _things(self, node: Node, name: str) -> Things:
        match node:
            case Scan(table):
                return {(table, name): frozenset({Thing()})}
            case Aggregate(keys=keys, outputs=outputs) if name not in keys:
                return self._total(node, next(output for output in outputs if output.name == name))
            case Window(source) if name not in {f.name for f in source.schema}:
                return {}  # of rows it is refused, and of groups it is nobody's
            case Concat(parts):
                return _in_parts([self.things(part, name) for part in parts])
            case Join(left, right) | CrossOne(left, right):
                side, place = (left, "left") if name in {f.name for f in left.schema} else (right, "right")
                tables = {scan.table for scan in scans_in(left)} & {scan.table for scan in scans_in(right)}
                return {
                    column: _each(things, lambda each: replace(each, of=f"{place} {each.of}"))
                    if column[0] in tables
                    else things
                    for column, things in self.things(side, name).items()
                }
            case Filter(source, predicate):
                found = self.things(source, name)
                if not any(self._asks_for_several(source, each) for each in conjuncts(predicate)):
                    return found
                return {c: _each(things, lambda each: replace(each, is_of_several=True)) for c, things in found.items()}
            case Project(source, outputs) if _multiplies(next(o.expression for o in outputs if o.name == name)):
                found = _merged(self.things(below, each) for below, each in read(node, name))
                return {
                    c: _each(things, lambda each: replace(each, is_of_several=False))
                    for c, things in self._by_number(found).items()
                }
        return self._by_number(_merged(self.things(side, below) for side, below in read(node, name)))

    def _by_number(self, found: Things) -> Things:
        """Return a person's total by the number of its rows as another thing than the total."""
        if _NUMBER not in found or len(found) == 1:
            return found
        number = " and ".join(sorted(each.of for each in found[_NUMBER]))
        by_number = {c: things for c, things in found.items() if c != _NUMBER}
        return {
            c: _each(things, lambda each: replace(each, function=f"{each.function} with {number}"))
            for c, things in by_number.items()
        }

    def _asks_for_several(self, source: Node, condition: Expression) -> bool:
        """Whether a condition is that a person has more than one row."""
        match positive(condition):
            case Compare(">" | ">=" as operator, Column(name), right) if isinstance(least := constant_of(right), int):
                return least >= (1 if operator == ">" else 2) and _is_number(source, name)
        return False

    def _total(self, node: Aggregate, output: AggregateOutput) -> Things:
        if node.guards:
            return {}
        source, rows = node.source, str([(name, sorted(passed)) for name, passed in self.lineage.rows(node.source)])
        over = str(self.lineage.column(source, output.over)) if output.over is not None else ""
        if output.function == "count":
            is_of_all = output.is_distinct or output.over is None or not field_of(source, output.over).nullable
            return {_NUMBER: frozenset({Thing(short(f"rows {'' if is_of_all else over} of {rows}"))})}
        assert output.over is not None
        by = sorted(self.lineage.column(source, key) for key in node.keys)
        thing = Thing(short(f"{over} by {by} of {rows}"), f"{output.function} {output.fraction}")
        return {column: frozenset({thing}) for column in self.things(source, output.over) if column != _NUMBER}


def _go_together(things: frozenset[Thing]) -> bool:
    """Whether all are of the same rows of people who have several, or there is one alone."""
    return len(things) < 2 or (all(each.is_of_several for each in things) and len({each.of for each in things}) == 1)


def _each(things: frozenset[Thing], change: Callable[[Thing], Thing]) -> frozenset[Thing]:
    return frozenset(map(change, things))


def _is_number(node: Node, name: str) -> bool:
    """Whether a column is a number of a table's rows or values, as it is: a join would repeat them."""
    match node:
        case Aggregate(source, keys, outputs) if name not in keys:
            is_joined = any(isinstance(each, Join) for each in nodes_in(source))
            return not is_joined and any(output.function == "count" for output in outputs if output.name == name)
        case Project(source, outputs):
            expression = next(output.expression for output in outputs if output.name == name)
            return isinstance(expression, Column) and _is_number(source, expression.name)
        case Filter(source):
            return _is_number(source, name)
    return False


def _multiplies(expression: Expression) -> bool:
    """Whether it has a product or quotient of columns."""
    match expression:
        case Arithmetic("*" | "/", left, right) if names_in(left) and names_in(right):
            return True
    return any(map(_multiplies, operands(expression)))


def _merged(several: Iterable[Things]) -> dict[tuple[str, str], frozenset[Thing]]:
    found: dict[tuple[str, str], frozenset[Thing]] = {}
    for each in several:
        for column, things in each.items():
            found[column] = found.get(column, frozenset()) | things
    return found


def _in_parts(parts: list[Things]) -> Things:
    """Return what a UNION ALL holds: in each part another thing is still one in each row."""
    found = {}
    for column in sorted({column for part in parts for column in part}):
        own = [part.get(column, frozenset()) for part in parts]
        texts = " or ".join(sorted({f"{each.function} of {each.of}" for things in own for each in things}))
        found[column] = frozenset({Thing(short(texts))}) if all(len(each) < 2 for each in own) else max(own, key=len)
    return found
