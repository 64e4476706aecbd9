"""How large an owner's numbers may be, so that what a plan computes with them fits MPC's 64-bit words.

Nobody sees an overflow of shares: a sum beyond 2**63 would come out as another number. So each owner, before it shares,
looks whether its own numbers keep the sizes below (`conclave.held`), which follow from the plan alone. They are chosen so that sums of
shared columns, averages, conversions to a finer type and products of whole numbers stay in range.

What is computed under MPC and not covered here is looked at when it is computed: see `conclave.ranges`.
Reveals: that an owner's numbers are too large, if they are; the run ends with that.
"""

import decimal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, isqrt
from typing import assert_never

from conclave.ir.expressions import (
    Arithmetic,
    Case,
    Cast,
    Column,
    Compare,
    Expression,
    Literal,
    Negate,
    Spread,
    operands,
)
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
from conclave.ir.noise import TAIL, Noise
from conclave.ir.ranges import DIVISOR_MOST, LIFT_MOST, WORD_MOST, squares_most
from conclave.ir.types import Decimal, Double, Integer, Schema, Type, common_type, is_numeric
from conclave.ir.window import Window
from conclave.ir.words import FRACTION_BITS, constant_word
from conclave.plan.steps import MpcStep, Plan, ShareStep


@dataclass(frozen=True, order=True)
class Bound:
    """What must hold for the words of one shared column, NULLs apart."""

    share: str
    column: str
    most: int
    is_total: bool = False  # of the sizes of all words together, not of each
    per: str = ""  # the column with the counts that `most` is multiplied by: words are sums, and `most` is of a mean


def bounds(plan: Plan) -> tuple[Bound, ...]:
    """Return all bounds that the MPC steps of a plan need."""
    walk = walk_of(plan)
    for step in walk.steps.values():
        match step:
            case MpcStep(operator=Aggregate(Input(source, schema), _, outputs)):
                for output in outputs:
                    # Counts are far below.
                    is_of_numbers = not output.is_total_of_counts and output.times is None
                    if output.function == "sum" and output.over is not None and is_of_numbers:
                        walk.need(source, output.over, WORD_MOST, is_total=True)
                    if output.function == "quantile_cont" and output.over is not None:
                        walk.need_double(schema, output.over, source)
            case MpcStep(operator=Window(Input(source), _, _, made)):
                for window in made:
                    if window.function == "sum" and window.over is not None:
                        walk.need(source, window.over, WORD_MOST, is_total=True)
            case MpcStep(operator=Noise(Input(source), _, _, columns)):
                for noised in columns:
                    # What does not fit a word with its noise would come out as another number.
                    walk.need(source, noised.column, WORD_MOST - ceil(TAIL * noised.scale))
            case MpcStep(operator=Project(Input(source), outputs)):
                for projected in outputs:
                    walk.visit(projected.expression, source)
            case MpcStep(operator=Filter(Input(source), predicate)):
                walk.visit(predicate, source)
    return tuple(sorted(walk.found))


def walk_of(plan: Plan) -> "Walk":
    """Return a way to find where the columns of the plan's MPC steps come from."""
    return Walk({step.name: step for step in plan.steps if isinstance(step, ShareStep | MpcStep)})


@dataclass
class Walk:
    """A way through the steps, down to what owners share, and the bounds found on it."""

    steps: Mapping[str, ShareStep | MpcStep]
    found: set[Bound] = field(default_factory=set)

    def need(self, at: str, column: str, most: int, is_total: bool = False) -> None:
        """Keep every value of a column, or all of them together, at or below `most`."""
        most = max(most - self._noise_on(at, column), 0)
        origins = list(self.origins(at, column, is_total))
        n_summed = max(sum(summed for _, _, summed in origins), 1)
        for share, name, summed in origins:
            self.found.add(Bound(share, name, most // n_summed if summed else most, summed))

    def _noise_on(self, at: str, column: str) -> int:
        """Return how much noise a column's values may hold, those of all groups together."""
        step, own = self.steps[at], 0
        if isinstance(step, ShareStep):
            return 0
        if isinstance(step.operator, Noise):
            own = sum(ceil(TAIL * each.scale) for each in step.operator.columns if each.column == column)
            own *= step.operator.n_groups
        return own + max((self._noise_on(below, name) for below, name, _ in _below(step, column, False)), default=0)

    def need_double(self, schema: Schema, column: str, at: str) -> None:
        """Keep a column so small that its values are doubles, too."""
        found = next(f for f in schema if f.name == column)
        self._need_converted(Column(column, found.type, found.nullable), Double(), LIFT_MOST, at)

    def visit(self, expression: Expression, at: str) -> None:
        """Find what an expression over the rows of step `at` needs."""
        match expression:
            case Arithmetic(operator, left, right):
                if is_numeric(left.type) and is_numeric(right.type):
                    self._arithmetic(operator, left, right, expression.type, at)
            case Compare(_, left, right):
                kind = common_type(left.type, right.type)
                for side in (left, right):
                    if side.type != kind:
                        self._need_converted(side, kind, LIFT_MOST, at)
            case Spread(total=total, squares=squares):
                self._need_converted(total, total.type, LIFT_MOST, at)
                self._need_converted(squares, squares.type, squares_most(expression), at)
            case Negate(operand):
                self._need_converted(operand, operand.type, WORD_MOST, at)
            case Cast(operand, kind):
                self._need_converted(operand, kind, LIFT_MOST, at)
            case Case(branches, default):
                for value in (*(value for _, value in branches), default):
                    if value.type != expression.type:
                        self._need_converted(value, expression.type, LIFT_MOST, at)
            case _:
                pass
        for part in operands(expression):
            self.visit(part, at)

    def _arithmetic(self, operator: str, left: Expression, right: Expression, kind: Type, at: str) -> None:
        if operator == "*" and not isinstance(kind, Double):
            self._product(left, right, at)
            return
        if operator == "&":
            return
        if operator in ("//", "%"):
            self._need_converted(left, left.type, LIFT_MOST, at)
            self._need_converted(right, right.type, DIVISOR_MOST, at)
            return
        self._constant(operator, left, right, kind, at)
        if operator == "/":
            self._mean(left, right, at)
            if isinstance(left.type, Double) and isinstance(right.type, Integer):
                # Divided as they are.
                self._need_converted(left, left.type, LIFT_MOST, at)
                self._need_converted(right, right.type, LIFT_MOST, at)
                return
            kind = common_type(left.type, right.type)
        for side in (left, right):
            self._need_converted(side, kind, LIFT_MOST, at)

    def _product(self, left: Expression, right: Expression, at: str) -> None:
        largest = [_largest(left), _largest(right)]
        if largest[0] * largest[1] <= WORD_MOST:
            return
        # Where one side's type is narrow the other may be wide; two wide ones get half of the bits each.
        root = isqrt(WORD_MOST)
        for side, other in ((left, largest[1]), (right, largest[0])):
            self._need_converted(side, side.type, max(WORD_MOST // max(other, 1), root), at)

    def _constant(self, operator: str, left: Expression, right: Expression, kind: Type, at: str) -> None:
        """Bound what a constant makes a double of: more than any double holds, it would be another number."""
        if not isinstance(kind, Double):
            return
        if operator == "/" and (size := _size_of(right)) is not None:
            self._need_converted(left, kind, int(LIFT_MOST * size), at)
        elif operator == "*":
            for side, other in ((left, right), (right, left)):
                if (size := _size_of(other)) is not None:
                    self._need_converted(side, kind, int(LIFT_MOST / size), at)

    def _mean(self, total: Expression, count: Expression, at: str) -> None:
        """Bound an average: it is no larger than the largest of the values, or of the owners' own averages."""
        most = _converted_most(total.type, Double(), LIFT_MOST)
        if not (isinstance(total, Column) and isinstance(count, Column)) or isinstance(total.type, Double):
            return
        step = self.steps[at]
        if isinstance(step, MpcStep) and isinstance(step.operator, Window):
            self._window_mean(step.operator, total.name, count.name, most)
            return
        aggregate = self.aggregate_below(at)
        if aggregate is None:
            return
        made = {output.name: output for output in aggregate.outputs}
        summed, counted = made.get(total.name), made.get(count.name)
        if summed is None or counted is None or summed.function != "sum" or summed.over is None:
            return
        if summed.times != counted.times:
            return  # of partial sums and their counts: looked at when they are divided
        assert isinstance(aggregate.source, Input)
        below = aggregate.source.name
        if counted.function == "count":
            self.need(below, summed.over, most)
        elif counted.is_total_of_counts and counted.over is not None:
            counts = {share: name for share, name, _ in self.origins(below, counted.over, is_total=False)}
            for share, name, _ in self.origins(below, summed.over, is_total=False):
                if share in counts:
                    self.found.add(Bound(share, name, most, per=counts[share]))

    def _window_mean(self, node: Window, total: str, count: str, most: int) -> None:
        made = {output.name: output for output in node.outputs}
        summed, counted = made.get(total), made.get(count)
        if summed is None or counted is None or (summed.function, counted.function) != ("sum", "count"):
            return
        if summed.over is not None and (summed.over, summed.frame) == (counted.over, counted.frame):
            self.need(_name(node.source), summed.over, most)

    def aggregate_below(self, at: str) -> Aggregate | None:
        """Return the aggregate that a table's rows are the groups of."""
        match self.steps[at]:
            case MpcStep(operator=Aggregate() as aggregate):
                return aggregate
            case MpcStep(
                operator=Filter(Input(source)) | Noise(Input(source)) | Sort(Input(source)) | Limit(Input(source))
            ):
                # With noise, too: where so little is counted that a mean is beyond all values, it says nothing anyway.
                return self.aggregate_below(source)
        return None

    def _need_converted(self, side: Expression, kind: Type, most: int, at: str) -> None:
        """Keep a column's words at or below `most` when they have become words of `kind`."""
        while isinstance(side, Negate):
            side = side.operand
        if isinstance(side, Column) and is_numeric(side.type) and is_numeric(kind):
            fitting = _converted_most(side.type, kind, most)
            if _largest(side) > fitting:
                self.need(at, side.name, fitting)

    def is_covered(self, at: str, column: str, is_total: bool) -> bool:
        """Whether all of a column's values come from shared ones, so that the owners' bounds are bounds of it."""
        step = self.steps[at]
        if isinstance(step, ShareStep):
            return True
        below = list(_below(step, column, is_total))
        n_parts = len(step.operator.parts) if isinstance(step.operator, Concat) else 1
        return len(below) >= n_parts and all(self.is_covered(*each) for each in below)

    def origins(self, at: str, column: str, is_total: bool) -> Iterator[tuple[str, str, bool]]:
        """Yield the shared columns that a column's values come from, and whether they are added up on the way."""
        step = self.steps[at]
        if isinstance(step, ShareStep):
            yield at, column, is_total
            return
        for source, name, summed in _below(step, column, is_total):
            yield from self.origins(source, name, summed)


_MOVED, _KEPT = ("lag", "lead"), ("sum", "min", "max")  # window functions: each value once, or any number of times


def _below(step: MpcStep, column: str, is_total: bool) -> Iterator[tuple[str, str, bool]]:
    """Yield the steps and columns right below that a column's values come from; nothing if they are computed."""
    match step.operator:
        case Filter(Input(source)) | Noise(Input(source)) | Sort(Input(source)) | Limit(Input(source)):
            yield source, column, is_total
        case Concat(parts):
            yield from ((_name(part), column, is_total) for part in parts)
        case Project(Input(source), outputs):
            for output in outputs:
                if output.name == column and isinstance(output.expression, Column):
                    yield source, output.expression.name, is_total
        case Aggregate(Input(source), keys, outputs):
            if column in keys:
                yield source, column, is_total
            for made in outputs:
                if made.name == column and made.over is not None and made.function not in ("count", "sum_squares"):
                    if made.times is not None:
                        return  # computed: products
                    yield source, made.over, is_total or made.function == "sum"
        case Join(left, right, _, how):
            for side, place in ((left, "left"), (right, "right")):
                # Rows of a side whose partner has unique keys come once at most; others may come any number of times.
                is_repeated = how in ("inner", "left") and step.unique_side in (None, place)
                if column in {f.name for f in side.schema} and not (is_total and is_repeated):
                    yield _name(side), column, is_total
        case Window(Input(source), _, _, made):
            window = next((o for o in made if o.name == column), None)
            if window is None:
                yield source, column, is_total
            # A sum of running sums or extremes has a value as often as there are rows: nothing bounds that.
            elif window.over is not None and window.function in (*_MOVED, *(() if is_total else _KEPT)):
                yield source, window.over, is_total or window.function == "sum"
        case CrossOne(left, right):
            for side, is_repeated in ((left, False), (right, True)):
                if column in {f.name for f in side.schema} and not (is_total and is_repeated):
                    yield _name(side), column, is_total
        case Scan() | Input() | Collect() | Project() | Filter() | Aggregate() | Noise() | Window() | Sort() | Limit():
            raise AssertionError("an operator of MPC reads Inputs")
        case _ as never:
            assert_never(never)


def _name(node: Node) -> str:
    assert isinstance(node, Input)
    return node.name


def _largest(side: Expression) -> int:
    """Return the largest size of a word of the expression's type, or of the constant it is."""
    if isinstance(side, Literal):
        return abs(constant_word(side, side.type))
    match side.type:
        case Integer(bits):
            return 1 << (bits - 1)
        case Decimal(precision):
            return _ten_to(precision)
    return WORD_MOST


def _size_of(side: Expression) -> Fraction | None:
    """Return the size of a constant other than zero; None for anything else."""
    if isinstance(side, Literal) and isinstance(side.value, int | float | decimal.Decimal) and side.value:
        return abs(Fraction(side.value))
    return None


def _converted_most(source: Type, target: Type, most: int) -> int:
    """Return the largest word of `source` that is at most `most` as a word of `target`."""
    scale = source.scale if isinstance(source, Decimal) else 0
    match source, target:
        case ((Integer() | Decimal()), Double()):
            return most * _ten_to(scale) >> FRACTION_BITS
        case ((Integer() | Decimal()), Decimal(_, finer)):
            return most // _ten_to(max(finer - scale, 0))
    return most


def _ten_to(digits: int) -> int:
    return int(10**digits)
