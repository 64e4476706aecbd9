"""Whether conditions leave what is aggregated in one piece: of two values that are left, a sum says how often the one comes.

`AVG(days) … WHERE days IN (0, 387) GROUP BY ward` has enough patients in each ward, and is more than 0 where whoever stayed
387 days was: a small number of rows, told beside others' zeros. So under a minimum conditions leave an aggregated column
one value, or all between two limits that are far enough apart: more values than subjects are asked for, which the sums,
spreads and extremes of so many rows cannot be solved for, or half of those that bounds allow. Fewer single values than that
may be left out. A sum's rows are not grouped by what is computed of it, and do not meet by it what a recipient has
brought, or what a condition picks but by one value. What conditions leave of a column they leave of those that it is
compared with. How often a flag is set is for the data to say, and its owner to grant. Of people who stand once for each value
of a column, the number of rows beside that of people is how many values each has, added up, and is asked the same of.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations

from conclave.ir.expressions import Call, Column, Expression, IsNull, Literal, Not, names_in, operands
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    Filter,
    Join,
    Limit,
    Node,
    Project,
    Sort,
    field_of,
)
from conclave.ir.show import show_expression
from conclave.ir.types import Boolean, Date, Decimal, Integer, Type
from conclave.ir.walk import conjuncts, length_of, nodes_in, scans_in, substitute
from policy.between import Limits, Link, Span, link, place, span_of_domain, tightened
from policy.composed import Columns, Composition, joined
from policy.document import Policy
from policy.domain import ANY, Domain, comparison, passed, positive
from policy.made import Making
from policy.mean import without_casts
from policy.minimum import groupings, least_of, refusal
from policy.narrowed import Bounds, bounds_of, chosen_by, conditions_in, ways_to
from policy.picked_values import subjects_of
from policy.verdict import Reason

_MOST_PARTS = 200  # of a condition that is followed further
_NO_SUMS = ("min", "max", "quantile_cont", "quantile_disc", "count")  # of different values


def check_pieces(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset with a minimum of which conditions leave few values of what is aggregated."""
    tracing = _Tracing(bounds_of(root, policies), subjects_of(root, policies), frozenset(root.recipients))
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy = policies[dataset]
        asked = [(node, output) for node in nodes for output in node.outputs if output.over is not None]
        asked += [each for node in nodes for each in tracing.put_apart(node)]
        told = ((node, output, tracing.problem(node, output, least_of(policy))) for node, output in asked)
        node, output, problem = next((each for each in told if each[2]), (None, None, ""))
        if node is None or output is None:
            continue
        yield refusal(
            policy,
            "minimum-not-countable",
            f"{problem} leaves few values of what {output.function}({output.over}) is of: how many rows of {dataset} have the"
            " one, be it of one subject, follows from it",
            output.at or node.at,
            "let conditions on what is aggregated be a range of many values, and join and group by other columns; or ask for COUNT",
        )


@dataclass(frozen=True)
class _Asked:
    """An aggregate, and what its values are made of."""

    node: Aggregate
    columns: Columns
    beside: Columns  # of tables that are looked up by such values, and so say something of these
    ways: frozenset[tuple[int, str]]  # relations' columns, by the relations' ids
    subjects: Columns
    adds: bool


@dataclass
class _Tracing:
    bounds: Bounds
    subjects: Columns
    recipients: frozenset[str]
    composition: Composition = field(default_factory=Composition)
    making: Making = field(default_factory=Making)

    @cached_property
    def limits(self) -> Limits:
        """Between what columns lie by what owners say."""
        return Limits(self.bounds, self.composition)

    def problem(self, node: Aggregate, output: AggregateOutput, least: int) -> str:
        """Return what leaves few values of a column that is aggregated; "" if nothing does."""
        assert output.over is not None
        if output.function == "count" and not output.is_distinct:
            return ""
        subjects = self.composition.matched(node.source, self.subjects)
        values = self.composition.values(node.source, output.over) - subjects
        columns = self._equal(node.source, output.over, self.composition.matched(node.source, values)) - subjects
        beside = frozenset[tuple[str, str]]() if output.is_distinct else self._beside(node.source, values, columns)
        ways = frozenset((id(at), name) for at, name in ways_to(node.source, output.over))
        asked = _Asked(node, columns, beside, ways, subjects, output.function not in _NO_SUMS)
        for each in (node, *nodes_in(node.source)):
            if text := self._by_key(each, asked):
                return text
        return self._by_conditions(asked, output.over, least)

    def put_apart(self, node: Aggregate) -> Iterator[tuple[Aggregate, AggregateOutput]]:
        """Yield by which columns people are told apart in several rows, as if their values were counted by person."""
        people = self.composition.matched(node.source, self.subjects)
        numbers = [output for output in node.outputs if output.function not in _NO_SUMS or output.function == "count"]
        of_people = [o for o in numbers if o.is_distinct and o.over and self._made(node.source, o.over) & people]
        if not of_people or len(of_people) == len(numbers):
            return
        shown = {self.making.made(node.source, key) for key in node.keys}
        for each in nodes_in(node.source):
            if isinstance(each, Aggregate) and any(self._made(each.source, key) & people for key in each.keys):
                for key in each.keys:
                    if not self._made(each.source, key) & people and self.making.made(each.source, key) not in shown:
                        yield each, AggregateOutput(key, "count", key, is_distinct=True, at=node.at)

    def _made(self, node: Node, name: str) -> Columns:
        return self.composition.made(node, name).of

    def _by_key(self, node: Node, asked: _Asked) -> str:
        """Return by what rows are grouped, meet or are put together that is made of what is aggregated."""
        match node:
            case Aggregate(source, keys):
                return next((f"the key {key}" for key in keys if not self._may_group(source, key, asked)), "")
            case Join():
                met = [each for each in joined(node) if self._is_of(each[0], each[2], asked)]
                for side, other, a, b in met:
                    if not self._is_as_it_is(side, a, asked) or not self._is_as_it_is(other, b, asked):
                        return f"the join by {a}"
                    if self._is_told(other, b):
                        return f"the join by {a} with rows of who is told"
            case Concat(parts):
                for one, other in combinations(parts, 2):
                    both = {scan.dataset for scan in scans_in(one)} & {scan.dataset for scan in scans_in(other)}
                    read = (each for part in (one, other) for each in conditions_in(part))
                    if both and any(self._is_of(source, name, asked) for source, c in read for name in names_in(c)):
                        return "a UNION ALL of rows by conditions on it"
        return ""

    def _beside(self, node: Node, values: Columns, columns: Columns) -> Columns:
        """Return the other columns of tables that rows are joined with by what is aggregated."""
        found: set[tuple[str, str]] = set()
        for join in (each for each in nodes_in(node) if isinstance(each, Join)):
            for side, other, a, _ in joined(join):
                scans = scans_in(other)
                if self.composition.made(side, a).of & columns and not {t for t, _ in values} & {
                    s.table for s in scans
                }:
                    found |= {(scan.table, f.name) for scan in scans for f in scan.schema}
        return frozenset(found) - columns

    def _is_told(self, node: Node, name: str) -> bool:
        """Whether a column holds something that a recipient has brought."""
        tables = {table for table, _ in self.composition.made(node, name).of}
        return any(scan.table in tables and scan.owner in self.recipients for scan in scans_in(node))

    def _may_group(self, source: Node, key: str, asked: _Asked) -> bool:
        made = self.composition.made(source, key)
        if made.is_plain or not made.of & asked.columns:
            return True
        is_condition = isinstance(field_of(source, key).type, Boolean)
        return not asked.adds and not is_condition and all(map(_is_of_functions, self.making.made(source, key)))

    def _is_as_it_is(self, source: Node, name: str, asked: _Asked) -> bool:
        return self.composition.made(source, name).is_plain or (id(source), name) in asked.ways

    def _is_of(self, source: Node, name: str, asked: _Asked) -> bool:
        is_value = (id(source), name) in asked.ways and not self.composition.made(source, name).of & asked.subjects
        return is_value or bool(self.composition.made(source, name).of & asked.columns)

    def _equal(self, node: Node, over: str, columns: Columns) -> Columns:
        """Return columns, and those that a condition holds to be these, or these and a constant."""
        links = [(source, each) for source, c in self._conditions(node, over) if (each := link(c)) and each.is_equality]
        for _ in links:
            for source, each in links:
                made = [self.composition.made(source, name).of for name in each.factors]
                if any(of & columns for of in made):
                    columns = columns.union(*made)
        return columns

    def _by_conditions(self, asked: _Asked, over: str, least: int) -> str:
        left: dict[str, Domain] = {}  # by column, what is no single value: those may be of another copy of it
        conditions = list(self._conditions(asked.node.source, over))
        for source, condition in conditions:
            names = names_in(condition)
            name = next(iter(names), "")
            if len(names) == 1 and self.composition.made(source, name).of & asked.beside and not _is_one(condition):
                return show_expression(condition)
            if len(names) > 1 and self._is_held_against_few(source, names, asked, least):
                return show_expression(condition)
            if len(names) != 1 or not self._is_of(source, name, asked):
                continue  # of several columns: see `policy.picked_values`
            found = _range(condition, name, asked.adds)
            if found is None:
                return show_expression(condition)
            limits, kind = self.limits.of(source, name), field_of(source, name).type
            if _number(found.meet(limits), kind) == 1:
                continue
            key = self._key(source, name)
            left[key] = left.get(key, ANY).meet(found)
            if not _is_wide(left[key], limits, kind, least):
                return show_expression(condition)
        return self._by_comparisons(asked, conditions, least)

    def _by_comparisons(self, asked: _Asked, conditions: list[tuple[Node, Expression]], least: int) -> str:
        """Return which comparison of columns leaves few values of what is aggregated, by what is asked of the others."""
        spans: dict[str, Span] = {}
        links: list[Link] = []
        compared: dict[str, tuple[Node, str, Expression]] = {}  # columns of what is aggregated
        for source, condition in conditions:
            names = sorted(names_in(condition))
            keys = {name: self._key(source, name) for name in names}
            for name, key in keys.items():
                spans[key] = spans.get(key, Span()).meet(span_of_domain(self.limits.of(source, name)))
            if len(names) == 1:
                found = next(iter(passed([condition]).domains.items()), None)
                if found is not None and found[0][0] == names[0]:
                    spans[keys[names[0]]] = spans[keys[names[0]]].meet(span_of_domain(found[1]))
            elif (each := link(condition)) is not None and len(set(keys.values())) == len(keys):
                links.append(Link({keys[name]: factor for name, factor in each.factors.items()}, each.within))
                compared |= {keys[n]: (source, n, condition) for n in names if self._is_of(source, n, asked)}
        tight = tightened(spans, links)
        for key, (source, name, condition) in compared.items():
            limits, kind, span = self.limits.of(source, name), field_of(source, name).type, tight[key]
            number = _number_between(span, kind)
            within = _number(limits, kind)
            if number is not None and number != 1 and number <= least and (within is None or 2 * number < within):
                return f"{show_expression(condition)}, beside what else is asked,"
        return ""

    def _key(self, source: Node, name: str) -> str:
        made = self.composition.made(source, name)
        return str(sorted(made.of)) if made.is_plain else name

    def _is_held_against_few(self, source: Node, names: frozenset[str], asked: _Asked, least: int) -> bool:
        """Whether an aggregated column is compared with one that has few values, or is computed: a constant, or as good as one."""
        others = [name for name in names if not self._is_of(source, name, asked)]
        made = {name: self.composition.made(source, name) for name in others}
        numbers = (_number(self.limits.of(source, name), field_of(source, name).type) for name in others)
        is_few = any(number is not None and number <= least for number in numbers)
        return len(others) < len(names) and (is_few or not all(each.is_plain for each in made.values()))

    def _conditions(self, node: Node, over: str) -> Iterator[tuple[Node, Expression]]:
        """Yield what decides about rows and a column's values, said by columns that are not computed from others."""
        for source, condition in (*conditions_in(node), *chosen_by(node, over)):
            below, unfolded = _unfolded(source, condition)
            yield from ((below, each) for each in conjuncts(positive(unfolded)))


def _unfolded(source: Node, condition: Expression) -> tuple[Node, Expression]:
    """Return a condition as what it says of a relation further down that its columns are from, as they are there."""
    while True:
        names = names_in(condition)
        match source:
            case Filter(below) | Sort(below) | Limit(below):
                source = below
            case Aggregate(below, keys) if names <= set(keys):
                source = below
            case Project(below, outputs):
                made = {output.name: output.expression for output in outputs if output.name in names}
                if sum(map(length_of, made.values())) > _MOST_PARTS:
                    return source, condition
                source, condition = below, substitute(condition, made)
            case Join(left, right) if how := next(
                (n for n in (left, right) if names <= {f.name for f in n.schema}), None
            ):
                source = how
            case _:
                return source, condition


def _is_one(condition: Expression) -> bool:
    """Whether a condition leaves a column one value, or all that it has."""
    found = passed([condition])
    is_there = isinstance(condition, Not) and isinstance(condition.operand, IsNull)
    return is_there or (not found.others and all(len(each.only or ()) == 1 for each in found.domains.values()))


def _range(condition: Expression, name: str, adds: bool) -> Domain | None:
    """Return between what a condition leaves a column's values, all of them or all but some; None: it picks among them.

    What leaves one value leaves nothing to tell apart, and what it leaves of another copy of the column is not known.
    """
    bare = positive(condition)
    operand = bare.operand if isinstance(bare, Not) else bare
    if isinstance(operand, IsNull):
        return ANY if isinstance(without_casts(operand.operand), Column) else None
    found = passed([bare])
    if found.others or len(found.domains) != 1:
        return ANY if _is_of_functions(operand) and not adds else None
    ((text, _), domain) = next(iter(found.domains.items()))
    if domain.only is not None:
        is_one = len(domain.only) == 1
        return ANY if is_one and (text == name or not adds) else None
    if text == name:
        return domain
    compared = comparison(bare)
    return ANY if not adds and compared is not None and _is_of_functions(compared.term) else None


def _is_of_functions(made: Expression) -> bool:
    bare = without_casts(made)
    return isinstance(bare, Column | Literal) or (isinstance(bare, Call) and all(map(_is_of_functions, operands(bare))))


def _is_wide(domain: Domain, limits: Domain, kind: Type, least: int) -> bool:
    """Whether many values lie within a domain."""
    number, within = _number(domain.meet(limits), kind), _number(limits, kind)
    if len(domain.never) >= least or domain.is_empty:
        return False
    return number is None or number > least or (within is not None and 2 * number >= within)


def _number(domain: Domain, kind: Type) -> int | None:
    """Return how many values a domain has; None: any number."""
    number = _number_between(span_of_domain(domain), kind)
    step = _step(kind)
    if number is None or step is None:
        return None
    number -= not domain.low_passes and (place(domain.low) / step).denominator == 1
    number -= not domain.high_passes and (place(domain.high) / step).denominator == 1
    all_between = replace(domain, never=frozenset())
    return number - sum(all_between.passes(value) for value in domain.never)


def _number_between(span: Span, kind: Type) -> int | None:
    """Return how many values of a type lie within a span; None: any number."""
    step = _step(kind)
    if step is None or span.low is None or span.high is None:
        return None
    return math.floor(span.high / step) - math.ceil(span.low / step) + 1


def _step(kind: Type) -> Fraction | None:
    if isinstance(kind, Decimal):
        return Fraction(1, 10**kind.scale)
    return Fraction(1) if isinstance(kind, Integer | Date) else None
