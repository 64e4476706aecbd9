"""Owners order their rows before they share them, and MPC merges what it would have sorted.

After Conclave (Volgushev et al., EuroSys 2019): an owner sorts in the clear, in no rounds. A step that sorts by columns of
tables as they were shared, below each other or one on each side of a join, can merge them instead (`conclave.mpc.merge`);
at each step the three find out from the numbers of rows, which they know, whether that is faster, by what both declare
(`conclave.mpc.merge.pays`). Nobody orders rows by keys so narrow that it cannot be.

Reveals: nothing. Rows are shared in another order than they were, which nobody sees; those that do not exist come last.
Relies on: each owner's worker, which orders what it shares. An owner that has other code can make the answer wrong, as it
         can with other rows; but its rows could also keep rows of a group apart, so that the answer shows parts of the
         group. So nothing is merged where an owner asks for a minimum of subjects, or for noise.
All of it follows from the steps, so that whoever judges a plan finds it out again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from conclave.ir.expressions import Column
from conclave.ir.nodes import QUANTILES, Aggregate, Concat, Input, Join, Node, Project
from conclave.ir.noise import Noise
from conclave.ir.types import key_bits
from conclave.ir.walk import nodes_in
from conclave.plan.steps import LocalStep, MpcStep, ShareStep, Step

# How wide a key has to be for each level of merges: two runs are one, up to four are two, up to eight three.
LEVEL_BITS = 16
# A shared table's name, and how its columns are called there.
Run = tuple[str, Mapping[str, str]]


def with_runs(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps with what owners order, and what is merged: the first step that can sets a table's order.

    >>> from conclave.ir.nodes import AggregateOutput
    >>> from conclave.ir.types import Field, Integer
    >>> rows = (Field("ward", Integer()), Field("cost", Integer()))
    >>> shares = [ShareStep(f"s{k}", name, f"l{k}", rows, frozenset()) for k, name in ((1, "alpha"), (2, "bravo"))]
    >>> both = MpcStep("m1", Concat((Input("s1", rows), Input("s2", rows))))
    >>> total = Aggregate(Input("m1", rows), ("ward",), (AggregateOutput("cost", "sum", "cost"),))
    >>> *found, _, groups = with_runs([*shares, both, MpcStep("m2", total)])
    >>> [step.order for step in found], groups.merges
    ([('ward',), ('ward',)], ('s1', 's2'))
    """
    plain = tuple(without_runs(step) for step in steps)
    if any(_protects(step) for step in plain):
        return plain
    named = {step.name: step for step in plain}
    orders: dict[str, tuple[str, ...]] = {}
    merges: dict[str, tuple[str, ...]] = {}
    for step in plain:
        runs = _wanted(step, named) if isinstance(step, MpcStep) else None
        if (
            runs is not None
            and may_pay(len(runs), _bits(runs, named))
            and all(orders.get(name, by) == by for name, by in runs)
        ):
            orders |= dict(runs)
            merges[step.name] = tuple(name for name, _ in runs)
    return tuple(_marked(step, orders, merges) for step in plain)


def without_runs(step: Step) -> Step:
    """Return the step as if nobody had ordered anything."""
    return _marked(step, {}, {})


def _marked(step: Step, orders: Mapping[str, tuple[str, ...]], merges: Mapping[str, tuple[str, ...]]) -> Step:
    match step:
        case ShareStep():
            return replace(step, order=orders.get(step.name, ()))
        case MpcStep():
            return replace(step, merges=merges.get(step.name, ()))
    return step


def _protects(step: Step) -> bool:
    """Whether the step keeps a minimum of subjects, or draws noise."""
    match step:
        case MpcStep(operator=node) | LocalStep(query=node):
            return any(
                isinstance(each, Noise) or (isinstance(each, Aggregate) and each.guards) for each in nodes_in(node)
            )
    return False


def _wanted(step: MpcStep, named: Mapping[str, Step]) -> list[tuple[str, tuple[str, ...]]] | None:
    """Return the shared tables that the step puts below each other, and by what it sorts each; None if there are other rows."""
    if step.seen_by or step.in_order != "no":
        return None
    match step.operator:
        case Aggregate(source, keys, outputs) if not any(o.is_distinct for o in outputs):
            # The values of the first column that quantiles are of are put in order with the keys; each other's by a sort.
            values = [o.over for o in outputs if o.function in QUANTILES and o.over is not None][:1]
            by = tuple(dict.fromkeys([*(step.sorts_by or keys), *values]))
            return _of_runs([(source, by)], named) if by else None
        case Join(left, right, on, how) if step.bounded is None and (step.unique_side or how in ("semi", "anti")):
            sides = [(left, tuple(name for name, _ in on)), (right, tuple(name for _, name in on))]
            # Rows are looked up among those whose keys are unique, which stand below.
            is_turned = step.unique_side == "left" and how in ("inner", "left")
            return _of_runs(sides[::-1] if is_turned else sides, named)
    return None


def _of_runs(
    sources: Sequence[tuple[Node, tuple[str, ...]]], named: Mapping[str, Step]
) -> list[tuple[str, tuple[str, ...]]] | None:
    found: list[tuple[str, tuple[str, ...]]] = []
    for source, by in sources:
        runs = _runs(source, named)
        if runs is None or not all(name in columns for _, columns in runs for name in by):
            return None
        found += [(table, tuple(columns[name] for name in by)) for table, columns in runs]
    # A table that comes twice would have to be in two orders, or is a join with itself.
    return found if len(found) > 1 and len(dict(found)) == len(found) else None


def _runs(source: Node, named: Mapping[str, Step]) -> list[Run] | None:
    """Return the shared tables that a table is put together from, in order; None if rows of it are made in other ways."""
    match source:
        case Input(name):
            match named.get(name):
                case ShareStep(schema=schema):
                    return [(name, {f.name: f.name for f in schema})]
                case MpcStep(operator=operator, is_compacted=False):
                    return _runs(operator, named)
        case Concat(parts):
            runs = [_runs(part, named) for part in parts]
            return [run for each in runs if each is not None for run in each] if None not in runs else None
        case Project(below, outputs):
            runs_below = _runs(below, named)
            kept = {o.name: o.expression.name for o in outputs if isinstance(o.expression, Column)}
            if runs_below is not None:
                return [
                    (table, {new: columns[old] for new, old in kept.items() if old in columns})
                    for table, columns in runs_below
                ]
    return None


def may_pay(n_runs: int, bits: int) -> bool:
    """Whether there are numbers of rows at which runs are merged faster than sorted.

    >>> may_pay(2, 32), may_pay(4, 32), may_pay(5, 32)
    (True, True, False)
    """
    return bits >= LEVEL_BITS * (n_runs - 1).bit_length()


def _bits(runs: Sequence[tuple[str, tuple[str, ...]]], named: Mapping[str, Step]) -> int:
    """Return how wide the key is."""
    widest = 0
    for name, by in runs:
        step = named[name]
        assert isinstance(step, ShareStep)
        widest = max(widest, sum(key_bits(field.type) for field in step.schema if field.name in by))
    return widest
