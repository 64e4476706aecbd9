"""Where a plan's MPC steps have to look whether numbers outgrow their 64-bit words, and where that cannot happen.

How large the numbers of each step are follows from declared types, from owners' bounds on values, from what owners check
of their own numbers (`conclave.limits`) and from how many rows a table can have. What does not follow is looked at under
MPC; of all that is found one bit is opened, before the answer, and if it is set the run ends without one.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import assert_never

from conclave.ir.expressions import Arithmetic, Column
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
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
    field_of,
)
from conclave.ir.noise import TAIL, Noise
from conclave.ir.ranges import COUNT_MOST, LIFT_MOST, WORD_MOST, Ranges, most_of, scaled, times_of
from conclave.ir.types import Double, Integer, is_numeric
from conclave.ir.walk import children, scans_in
from conclave.ir.window import Window, WindowOutput
from conclave.ir.words import word_of
from conclave.limits import bounds, walk_of
from conclave.plan.steps import Checked, Disclosure, LocalStep, MpcStep, Plan, RevealStep, SendStep, ShareStep, Step

Sizes = Mapping[str, int]


def with_checks(plan: Plan) -> Plan:
    """Return the plan with what has to be looked at in it, and with the bit that tells of it among its disclosures.

    Idempotent. A plan with nothing to look at stays as it is.
    """
    if plan.mpc is None:
        return plan
    walk = _Walk(plan)
    steps = tuple(walk.step(step) for step in plan.steps)
    checked = [step.name for step in steps if isinstance(step, MpcStep) and step.checked is not None]
    kept = tuple(each for each in plan.disclosures if each.kind != "range_check")
    if checked:
        reveal = next(step for step in steps if isinstance(step, RevealStep))
        owners = {scan.owner for scan in scans_in(plan.query)}
        members = tuple(sorted(owners | set(plan.query.recipients) | set(plan.mpc.compute)))
        kept = (*kept, Disclosure(members, "range_check", reveal.name, ", ".join(checked)))
    return replace(plan, steps=steps, disclosures=kept)


class _Walk:
    """A walk through the steps of a plan, with how large the numbers are in the tables that have been made."""

    def __init__(self, plan: Plan) -> None:
        self.origins = walk_of(plan)
        self.made: dict[str, Sizes] = {}
        self.values: dict[tuple[str, str], int] = {}
        self.totals: dict[tuple[str, str], int] = {}
        self.of_means: dict[tuple[str, str], int] = {}
        for bound in bounds(plan):
            found = self.of_means if bound.per else self.totals if bound.is_total else self.values
            at = bound.share, bound.column
            found[at] = min(bound.most, found.get(at, bound.most))

    def step(self, step: Step) -> Step:
        """Return the step with what has to be looked at in it, after its table's sizes have been noted."""
        match step:
            case LocalStep(name, _, query):
                self.made[name] = self._sizes(query)
            case ShareStep(name, _, source):
                self.made[name] = {
                    column: min(most, self.values.get((name, column), most), self.totals.get((name, column), most))
                    for column, most in self.made[source].items()
                }
            case MpcStep(name, operator):
                checked = self._checked(operator)
                self.made[name] = self._sizes(operator)
                return replace(step, checked=checked)
            case RevealStep(name, source):
                self.made[name] = self.made[source]
            case SendStep():
                pass
            case _ as never:
                assert_never(never)
        return step

    def _checked(self, operator: Node) -> Checked | None:
        """Return what an operator of MPC has to look at."""
        match operator:
            case Project(Input(source)) | Filter(Input(source)):
                ranges = Ranges(self.made[source], self._means(source))
                asked = (
                    [o.expression for o in operator.outputs] if isinstance(operator, Project) else [operator.predicate]
                )
                if all(map(ranges.is_certain, asked)):
                    return None
                return _as_checked(ranges, is_by_row=True)
            case Aggregate(Input(source), _, outputs):
                ranges = Ranges(self.made[source])
                sums = tuple(o.name for o in outputs if self._is_open_sum(o, operator))
                by_row = [o for o in outputs if not _is_certain_by_row(o, operator.source, ranges, o.name in sums)]
                return _as_checked(ranges, sums, bool(by_row)) if sums or by_row else None
            case Window(Input(source), _, _, made):
                sums = tuple(o.name for o in made if self._is_open_sum(o, operator))
                return _as_checked(Ranges(self.made[source]), sums, is_by_row=True) if sums else None
        return None

    def _sizes(self, node: Node) -> Sizes:
        """Return how large the numbers of each column are at most."""
        match node:
            case Scan(schema=schema, clamps=clamps):
                within = {c.column: max(abs(word_of(end.value, end.type)) for end in (c.low, c.high)) for c in clamps}
                return {f.name: min(within.get(f.name, most_of(f.type)), most_of(f.type)) for f in schema}
            case Input(name):
                return self.made[name]
            case Concat(parts):
                found = [self._sizes(part) for part in parts]
                return {f.name: max(sizes[f.name] for sizes in found) for f in node.schema}
            case Project(source, outputs):
                ranges = Ranges(self._sizes(source), self._means(source.name) if isinstance(source, Input) else {})
                return {output.name: ranges.most(output.expression) for output in outputs}
            case Filter(source) | Sort(source) | Limit(source) | Collect(source):
                return self._sizes(source)
            case Aggregate(source, keys, outputs):
                below = self._sizes(source)
                return {key: below[key] for key in keys} | {o.name: self._of_output(o, node, below) for o in outputs}
            case Noise(source, keys, _, columns):
                below, fields = self._sizes(source), {f.name: f for f in node.schema}
                most = {each.column: below[each.column] + ceil(TAIL * each.scale) for each in columns}
                return {key: most_of(fields[key].type) for key in keys} | most
            case Window(source, _, _, made):
                below = self._sizes(source)
                return {**below, **{o.name: self._of_output(o, node, below) for o in made}}
            case Join() | CrossOne():
                both = {name: most for side in children(node) for name, most in self._sizes(side).items()}
                return {f.name: both[f.name] for f in node.schema}
            case _ as never:
                assert_never(never)

    def _of_output(self, output: AggregateOutput | WindowOutput, node: Aggregate | Window, below: Sizes) -> int:
        kind = field_of(node, output.name).type
        match output.function:
            case "count" if isinstance(output, AggregateOutput) and output.times is not None:
                return min(below[output.times] * COUNT_MOST, WORD_MOST)
            case "count" | "row_number" | "rank" | "dense_rank":
                return COUNT_MOST
            case "min" | "max" | "lag" | "lead" | "quantile_disc":
                return min(below[output.over or ""], most_of(kind))
            case "sum" | "sum_squares":
                return self._of_sum(output, node, below)
        return LIFT_MOST if isinstance(kind, Double) else most_of(kind)

    def _of_sum(self, output: AggregateOutput | WindowOutput, node: Aggregate | Window, below: Sizes) -> int:
        if isinstance(output, AggregateOutput) and output.is_total_of_counts:
            return COUNT_MOST
        largest = self._largest_sum(output, node, below)
        return LIFT_MOST if largest is None else largest

    def _is_open_sum(self, output: AggregateOutput | WindowOutput, node: Aggregate | Window) -> bool:
        if isinstance(output, AggregateOutput) and output.times is not None and output.function == "count":
            return self._sizes(node.source)[output.times] * COUNT_MOST > WORD_MOST
        if output.function not in ("sum", "sum_squares"):
            return False
        if isinstance(output, AggregateOutput) and output.is_total_of_counts:
            return False
        return self._largest_sum(output, node, self._sizes(node.source)) is None

    def _largest_sum(
        self, output: AggregateOutput | WindowOutput, node: Aggregate | Window, below: Sizes
    ) -> int | None:
        """Return how large a sum is at most, None if it has to be looked at."""
        over, source = output.over or "", node.source
        if isinstance(output, AggregateOutput) and output.times is not None:
            most = Ranges(below).most(times_of(over, output.times))
            return most * COUNT_MOST if most * COUNT_MOST <= LIFT_MOST else None
        if output.function == "sum" and isinstance(source, Input) and self.origins.is_covered(source.name, over, True):
            return min(self._total(source.name, over), WORD_MOST)
        most = below[over]
        if output.function == "sum_squares":
            column = field_of(source, over)
            most = Ranges(below).most(_square(Column(over, column.type, column.nullable)))
        return most * COUNT_MOST if most * COUNT_MOST <= LIFT_MOST else None

    def _total(self, at: str, column: str) -> int:
        """Return how large all values of a column are together, by what their owners look at."""
        origins = {(share, name) for share, name, _ in self.origins.origins(at, column, True)}
        return sum(self.totals.get(each, WORD_MOST) for each in origins)

    def _means(self, at: str) -> dict[tuple[str, str], int]:
        """Return the averages that can be made of a table's columns: no larger than the values they are of."""
        step = self.origins.steps.get(at)
        if isinstance(step, MpcStep) and isinstance(step.operator, Window):
            return self._window_means(step.operator)
        aggregate = self.origins.aggregate_below(at) if step is not None else None
        if aggregate is None or not isinstance(aggregate.source, Input):
            return {}
        found, below = {}, aggregate.source.name
        for summed in aggregate.outputs:
            for counted in aggregate.outputs:
                most = self._mean(summed, counted, below)
                if most is not None:
                    kind = field_of(aggregate.source, summed.over or "").type
                    found[summed.name, counted.name] = scaled(most, kind, Double())
        return found

    def _window_means(self, node: Window) -> dict[tuple[str, str], int]:
        found, below = {}, self._sizes(node.source)
        for summed in node.outputs:
            for counted in node.outputs:
                is_pair = summed.over == counted.over and summed.frame == counted.frame
                if is_pair and summed.over is not None and (summed.function, counted.function) == ("sum", "count"):
                    kind = field_of(node.source, summed.over).type
                    found[summed.name, counted.name] = scaled(below[summed.over], kind, Double())
        return found

    def _mean(self, summed: AggregateOutput, counted: AggregateOutput, below: str) -> int | None:
        if (
            summed.function != "sum"
            or summed.over is None
            or summed.is_total_of_counts
            or summed.times != counted.times
        ):
            return None
        if counted.function == "count" and counted.over in (None, summed.over):
            return self.made[below][summed.over]
        if not counted.is_total_of_counts or not self.origins.is_covered(below, summed.over, False):
            return None
        origins = [(share, name) for share, name, _ in self.origins.origins(below, summed.over, False)]
        return max(self.of_means.get(each, WORD_MOST) for each in origins)


def _is_certain_by_row(output: AggregateOutput, source: Node, ranges: Ranges, is_open_sum: bool) -> bool:
    """Whether nothing has to be looked at in single rows."""
    if output.times is not None and output.function == "count":
        return not is_open_sum or ranges.limited(Column(output.times, Integer(64)), LIFT_MOST).is_certain
    if output.over is None or not is_numeric(field_of(source, output.over).type):
        return True
    if output.times is not None and output.function == "sum":
        product = times_of(output.over, output.times)
        return ranges.is_certain(product) and (not is_open_sum or ranges.added(product).is_certain)
    found = field_of(source, output.over)
    column = Column(found.name, found.type, found.nullable)
    match output.function:
        case "sum":
            return not is_open_sum or ranges.limited(column, LIFT_MOST).is_certain
        case "sum_squares":
            return ranges.is_certain(_square(column))
        case "quantile_cont":
            return ranges.as_double(column).is_certain
    return True


def _square(column: Column) -> Arithmetic:
    return Arithmetic("*", column, column)


def _as_checked(ranges: Ranges, sums: tuple[str, ...] = (), is_by_row: bool = False) -> Checked:
    means = tuple(sorted((total, count, most) for (total, count), most in ranges.means.items()))
    return Checked(tuple(sorted(ranges.columns.items())), means, sums, is_by_row)
