"""Aggregates of one grouping that are of different rows, or of some rows more than of others, under a minimum of subjects.

`SELECT SUM(days), SUM(CASE WHEN patient <> 7 THEN days END)` is two totals of many, and their difference is one person's.
So what can be subtracted from one another has to be of the same rows, or of rows that certainly have none in common.
And a UNION ALL must not count some rows for more than others: the sum of `days` of all but one, beside `-days` of all,
is that one's. What is NULL leaves rows out as well: COUNT(*) beside COUNT(days) tells how many have no days, be it one, and
SUM(pay) beside SUM(pay + 0 * days) what they are paid. So columns that may be NULL count as conditions.
"""

import decimal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

from conclave.ir.expressions import (
    Arithmetic,
    Case,
    Column,
    Expression,
    IsNull,
    Literal,
    Negate,
    Not,
    Spread,
    operands,
)
from conclave.ir.nodes import (
    SPREADS,
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    Filter,
    Limit,
    Node,
    Project,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.show import show_expression
from conclave.ir.types import Boolean
from conclave.ir.walk import children, nodes_in, scans_in
from policy.document import Policy
from policy.domain import passed, positive
from policy.made import ONE, Making, n_parts, origins, tables_of_parts
from policy.mean import without_casts
from policy.minimum import groupings, least_of
from policy.present import Present, is_null, needed
from policy.verdict import Reason
from policy.weights import may_be_null

_SPREAD = ("sum", "sum_squares", "avg", *SPREADS)
_NOBODY = frozenset[Expression]({Literal(False, Boolean())})  # what no rows pass
_EXTREMES = ("min", "max", "quantile_cont", "quantile_disc")


@dataclass(frozen=True)
class _Told:
    """An aggregate, for each part of a UNION ALL that its rows are from."""

    name: str
    kinds: frozenset[str]  # equal for what can be subtracted
    sources: frozenset[str]
    rows: tuple[frozenset[Expression], ...]  # the conditions that these pass
    counts: bool  # whether it tells how many rows there are
    present: tuple[frozenset[str], ...]  # which columns have to have a value in them


def check_selections(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the datasets that are to have a minimum of subjects, and of whose groups something is told of other rows."""
    present = Present(Making())
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy = policies[dataset]
        unequal = ((node, _unequal(node, dataset, present.making)) for node in nodes)
        found = next(((node, problem) for node, problem in unequal if problem), None)
        found = found or _subtracted(root, nodes, dataset, present)
        if found is None:
            continue
        node, (what, fix) = found
        yield Reason(
            code="differencing",
            dataset=dataset,
            version=policy.metadata.version,
            clause="spec.minimum.subjects",
            says=f"asks for at least {least_of(policy)} subjects behind all that is released",
            what=what,
            where=node.at,
            fix=fix,
        )


def _subtracted(
    root: Node, nodes: list[Aggregate], dataset: str, present: Present
) -> tuple[Aggregate, tuple[str, str]] | None:
    """Return what can be subtracted, and where: of one grouping, however often the query makes it."""
    told = [(node, each) for node in nodes for each in _all_told(root, node, present)]
    for (node, one), (_, other) in combinations(told, 2):
        first, second = sorted((one.name, other.name))
        if _shares(one, other) and not _are_apart(one.rows, other.rows):
            what = f"{first} and {second} are of different rows of {dataset}; their difference may be of fewer subjects"
            fix = "group by what the rows differ in, so that small groups are suppressed, or ask two questions"
            return node, (what, fix)
        if left_out := _left_out(one, other):
            where = f"where {', '.join(left_out)} is NULL, which may be of fewer subjects"
            fix = (
                "say WHERE ... IS NOT NULL, so that all is of the same rows; or declare `nullable: false` what never is"
            )
            return node, (f"{first} and {second} differ by the rows of {dataset} {where}", fix)
    return None


def _unequal(node: Aggregate, dataset: str, making: Making) -> tuple[str, str] | None:
    """Return why some rows would count for more than others because of a UNION ALL: each part has to count alike, once."""
    for output in node.outputs:
        values = (
            [without_casts(each) for each in making.made(node.source, output.over)] if output.over is not None else []
        )
        there = [
            (each, tables)
            for each, tables in zip(values, tables_of_parts(node.source), strict=False)
            if not is_null(each)
        ]
        if any(_differ(one, other) for one, other in combinations(there, 2)):
            what = f"{output.name} counts rows of {dataset} in one part of a UNION ALL for more than those in another"
            return what, "compute the same in all parts of the UNION ALL"
    for union in (each for each in nodes_in(node.source) if isinstance(each, Concat)):
        parts = [part for part in union.parts if dataset in {scan.dataset for scan in scans_in(part)}]
        for one, other in combinations(parts, 2):
            if not passed(making.asked(one)).is_disjoint_from(passed(making.asked(other))):
                what = f"rows of {dataset} may stand in several parts of a UNION ALL, and count for more than others"
                return what, "read each table once, or with conditions that exclude one another"
    return None


def _differ(one: tuple[Expression, frozenset[str]], other: tuple[Expression, frozenset[str]]) -> bool:
    """Whether two parts give an aggregate other values. Columns of other tables do, which are counted apart."""
    (mine, own), (theirs, others) = one, other
    if show_expression(mine) == show_expression(theirs):
        return False
    return bool(own & others) or not (isinstance(mine, Column) and isinstance(theirs, Column))


def _all_told(root: Node, node: Aggregate, present: Present) -> list[_Told]:
    uses = _Uses()
    _note_uses(root, node, {output.name: output for output in node.outputs}, uses)
    there = present.known(node.source)
    return [_told(node, output, present.making, there) for output in node.outputs if output.name in uses.told]


def _shares(one: _Told, other: _Told) -> bool:
    """Whether the one can be subtracted from the other, if the rows are not the same."""
    both = one.kinds & other.kinds
    return "count" in both or bool(both and one.sources & other.sources)


def _left_out(one: _Told, other: _Told) -> list[str]:
    """Return by which columns' NULLs the one is of other rows, in parts where both are of the same rows else."""
    is_of_same = bool(one.kinds & other.kinds and one.sources & other.sources)
    if not (is_of_same or (one.counts and other.counts)) or len(one.rows) != len(other.rows):
        return []
    both = zip(one.rows, other.rows, one.present, other.present, strict=True)
    return sorted({name for a, b, mine, theirs in both if _are_same(a, b) for name in mine ^ theirs})


def _are_apart(one: tuple[frozenset[Expression], ...], other: tuple[frozenset[Expression], ...]) -> bool:
    """Whether the rows are certainly the same, or certainly others, in every part."""
    if len(one) != len(other):
        return False
    if all(map(_are_same, one, other)):
        return True
    return all(
        mine | theirs >= _NOBODY or passed(mine).is_disjoint_from(passed(theirs))
        for mine, theirs in zip(one, other, strict=True)
    )


def _are_same(one: frozenset[Expression], other: frozenset[Expression]) -> bool:
    return {show_expression(each) for each in one} == {show_expression(each) for each in other}


def _told(node: Aggregate, output: AggregateOutput, making: Making, there: tuple[frozenset[str], ...]) -> _Told:
    values = (ONE,) * max(n_parts(node.source), 1) if output.over is None else making.made(node.source, output.over)
    bare = [picked(value) for value in values]
    sources = origins(node.source, output.over) if output.over is not None else frozenset[str]()
    is_plain = all(isinstance(without_casts(value), Column) for value, _ in bare)
    kinds = {"extreme"} if output.function in _EXTREMES else {"sum"} if output.function in _SPREAD else {"count"}
    if output.function == "sum" and not is_plain:
        kinds.add("count")  # SUM(1 + 0 * days) counts
    if output.is_distinct:
        kinds = {"distinct", "count"}  # of what nobody has twice, it is the number of rows
    counts = kinds == {"count"} or ("count" in kinds and not all(_is_nothing_of_nothing(value) for value, _ in bare))
    rows = tuple(conditions for _, conditions in bare)
    there = there if len(there) == len(bare) else (frozenset(),) * len(bare)
    present = tuple(needed(value) - certain for value, certain in zip(values, there, strict=True))
    return _Told(output.name, frozenset(kinds), sources, rows, counts, present)


def picked(value: Expression) -> tuple[Expression, frozenset[Expression]]:
    """Return what is aggregated, and which conditions its rows pass because it is NULL in others."""
    bare = without_casts(value)
    if is_null(bare):
        return bare, _NOBODY
    if isinstance(bare, Case) and len(bare.branches) == 1 and is_null(bare.default):
        ((condition, chosen),) = bare.branches
        inner, conditions = picked(chosen)
        return inner, conditions | {positive(condition)}
    return (bare, frozenset({Not(IsNull(bare))})) if may_be_null(bare, frozenset()) else (bare, frozenset())


def _is_nothing_of_nothing(expression: Expression) -> bool:
    """Whether its sum tells no number of rows: sums and products that are 0 where all columns are."""
    return _at_zero(expression) == 0


def _at_zero(expression: Expression) -> Fraction | None:
    match without_casts(expression):
        case Column():
            return Fraction(0)
        case Literal(value) if isinstance(value, int | float | decimal.Decimal):
            return Fraction(value)
        case Negate(operand):
            inner = _at_zero(operand)
            return None if inner is None else -inner
        case Arithmetic("+" | "-" | "*" as operator, left, right):
            a, b = _at_zero(left), _at_zero(right)
            if a is None or b is None:
                return None
            return a + b if operator == "+" else a - b if operator == "-" else a * b
    return None


@dataclass
class _Uses:
    """Which outputs are told of as they are, and which in a mean: what it is the sum of, and the number."""

    plain: set[str] = field(default_factory=set)
    means: set[tuple[str, str]] = field(default_factory=set)

    @property
    def told(self) -> set[str]:
        """A mean tells no count, unless its sum is told as well."""
        totals = {total for total, _ in self.means}
        return self.plain | totals | {count for total, count in self.means if total in self.plain}


def _note_uses(root: Node, node: Node, outputs: Mapping[str, AggregateOutput], uses: _Uses) -> None:
    for parent in nodes_in(root):
        if not any(source is node for source in children(parent)):
            continue
        match parent:
            case Project(_, made):
                for output in made:
                    _read(output.expression, outputs, uses)
                continue
            case Filter(_, predicate):
                _read(predicate, outputs, uses)
            case Sort(_, keys):
                uses.plain.update(key.column for key in keys)
            case Limit() | Noise():
                pass
            case _:
                uses.plain |= outputs.keys()
                continue
        _note_uses(root, parent, outputs, uses)


def _read(expression: Expression, outputs: Mapping[str, AggregateOutput], uses: _Uses) -> None:
    match expression:
        case Column(name):
            uses.plain.add(name)
            return
        case Spread(_, Column(count), Column(total)):
            uses.means.add((total, count))
            return
        case Arithmetic("/", left, right):
            total_of, count_of = without_casts(left), without_casts(right)
            pair = [each.name for each in (total_of, count_of) if isinstance(each, Column)]
            if len(pair) == 2 and _is_mean(pair[0], pair[1], outputs):
                uses.means.add((pair[0], pair[1]))
                return
    for part in operands(expression):
        _read(part, outputs, uses)


def _is_mean(total: str, count: str, outputs: Mapping[str, AggregateOutput]) -> bool:
    summed, counted = outputs.get(total), outputs.get(count)
    if summed is None or counted is None:
        return False
    return (summed.function, counted.function) == ("sum", "count") and summed.over == counted.over
