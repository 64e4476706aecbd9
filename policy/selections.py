"""Aggregates of one grouping that are of different rows, or of some rows more than of others, under a minimum of subjects.

`SELECT SUM(days), SUM(CASE WHEN patient <> 7 THEN days END)` is two totals of many, and their difference is one person's.
So what can be subtracted from one another has to be of the same rows, or of rows that certainly have none in common.
And a UNION ALL must not count some rows for more than others: the sum of `days` of all but one, beside `-days` of all,
is that one's. What is NULL leaves rows out as well: COUNT(*) beside COUNT(days) tells how many have no days, be it one, and
SUM(pay) beside SUM(pay + 0 * days) what they are paid. So columns that may be NULL count as conditions. A mean or variance tells
what it was divided by: of few rows that is the least number by which it is the quotient of whole ones. How many different
people there are is a number of rows as well, where each has one.
"""

import decimal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
)
from conclave.ir.nodes import (
    SPREADS,
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
)
from conclave.ir.show import show_expression
from conclave.ir.types import Boolean
from conclave.ir.walk import nodes_in, scans_in
from conclave.plan.unique import Uniqueness, uniqueness
from policy.composed import Columns, Composition
from policy.document import Policy
from policy.domain import passed, positive
from policy.made import ONE, Making, n_parts, tables_of_parts
from policy.mean import without_casts
from policy.minimum import groupings, refusal
from policy.picked_values import subjects_of
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
    present, composition = Present(Making()), Composition()
    people = composition.matched(root, subjects_of(root, policies))
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy = policies[dataset]
        unequal = ((node, _unequal(node, dataset, present.making)) for node in nodes)
        found = next(((node, problem) for node, problem in unequal if problem), None)
        found = found or _subtracted(nodes, dataset, present, people)
        if found is None:
            continue
        node, (what, fix) = found
        yield refusal(policy, "differencing", what, node.at, fix)


def _subtracted(
    nodes: list[Aggregate], dataset: str, present: Present, people: Columns
) -> tuple[Aggregate, tuple[str, str]] | None:
    """Return what can be subtracted, and where: of one grouping, however often the query makes it."""
    told = [(node, each) for node in nodes for each in _all_told(node, present, people)]
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
            return what, (
                "compute the same in all parts of the UNION ALL; for INTERSECT say SELECT DISTINCT x ... WHERE x IN (SELECT x ..."
                " GROUP BY x), for EXCEPT the same with NOT IN"
            )
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


def _all_told(node: Aggregate, present: Present, people: Columns) -> list[_Told]:
    """Return all aggregates, be they told as they are or in a mean: a quotient of whole numbers has one least divisor."""
    there = present.known(node.source)
    return [_told(node, output, present.making, there, people) for output in node.outputs]


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


def _told(
    node: Aggregate, output: AggregateOutput, making: Making, there: tuple[frozenset[str], ...], people: Columns
) -> _Told:
    values = (ONE,) * max(n_parts(node.source), 1) if output.over is None else making.made(node.source, output.over)
    bare = [picked(value) for value in values]
    of = Composition().made(node.source, output.over).of if output.over is not None else ()
    sources = frozenset(column for _, column in of)
    may_count = not all(_is_nothing_of_nothing(value) for value, _ in bare)
    kinds = {"extreme"} if output.function in _EXTREMES else {"sum"} if output.function in _SPREAD else {"count"}
    if output.function == "sum" and may_count:
        kinds.add("count")  # SUM(1 + 0 * days) counts
    if output.is_distinct:
        kinds = {"distinct", "count"}  # of what nobody has twice, it is the number of rows
    is_of_all = (
        output.is_distinct and uniqueness(node.source, frozenset({output.over or "", *node.keys})) > Uniqueness.NONE
    )
    counts = kinds == {"count"} or ("count" in kinds and (may_count or is_of_all))
    if output.function in ("avg", *SPREADS):
        kinds, counts = {"sum", "count"}, True  # whose divisor is told as well
    rows = tuple(conditions for _, conditions in bare)
    there = there if len(there) == len(bare) else (frozenset(),) * len(bare)
    # A sum of products lacks rows where a factor is NULL just as it does where that is 0, which is a weight like others.
    is_product = output.function == "sum" and not may_count
    needing = [needed(value) - (_factors(value) if is_product else frozenset()) for value in values]
    if is_of_all and set(of) <= people:
        needing = [frozenset()] * len(values)  # rows without a person are nobody's
    present = tuple(names - certain for names, certain in zip(needing, there, strict=True))
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


def _factors(expression: Expression) -> frozenset[str]:
    """Return the columns that stand in every product of a sum, so that it is 0 where one of them is."""
    match without_casts(expression):
        case Column() as column:
            return frozenset({show_expression(column)})
        case Negate(operand):
            return _factors(operand)
        case Arithmetic("*", left, right):
            return _factors(left) | _factors(right)
        case Arithmetic("+" | "-", left, right):
            return _factors(left) & _factors(right)
    return frozenset()


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
