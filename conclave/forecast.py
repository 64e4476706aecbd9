"""What a plan will cost with as many rows as there are: rounds, bytes and seconds, from rehearsals with few.

Costs of oblivious steps are sums of what grows with the rows, with their logarithm and, where every pair of rows is
looked at, with their product; so three small rehearsals tell them. Only what depends on the data is a guess: how many
rows an owner's own conditions and groups leave, as long as that is not known, and how many pairs there are of keys that
somebody sees.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from conclave.estimate import rehearse
from conclave.ir.guard import rounded_up
from conclave.ir.walk import scans_in
from conclave.mpc.costs import Cost
from conclave.mpc_steps import MOST_ROWS
from conclave.plan.sizes import rows_shared
from conclave.plan.steps import LocalStep, Plan, ShareStep
from conclave.plan.tariff import BYTES_PER_S, ROUND_S

_REHEARSED = (64, 128, 256)  # rows of the largest table; doubling, as the arithmetic below needs
_IS_SQUARE = 0.1  # how much steeper a cost has to get from one rehearsal to the next to be of pairs


@dataclass(frozen=True)
class Forecast:
    """What a step takes: of the busiest compute party its rounds and seconds, of all three together the bytes."""

    rounds: int
    size_bytes: int
    seconds: float


def forecast(plan: Plan, rows: Mapping[str, int], put_in: Mapping[str, int] | None = None) -> dict[str, Forecast]:
    """Return, by step, what a plan costs if its datasets have so many `rows`, or of ShareSteps in `put_in` so many were put in."""
    if plan.mpc is not None and plan.mpc.protocol != "replicated3":
        return {}  # nobody has measured another
    shares = [step for step in plan.steps if isinstance(step, ShareStep)]
    shared = {step.name: _rows_shared(step, plan, rows) for step in shares} | dict(put_in or {})
    most = max(shared.values(), default=0)
    if most <= _REHEARSED[-1]:
        costs = [rehearse(plan, shared)] * 3
    else:
        few = sum(shared.values()) <= MOST_ROWS
        sizes = [{name: -(-n * size // most) for name, n in shared.items()} for size in _REHEARSED]
        costs = [rehearse(plan, each, few) for each in sizes]
    return {name: _forecast([[each[name] for each in run] for run in costs], most) for name in costs[0][0]}


def _rows_shared(step: ShareStep, plan: Plan, rows: Mapping[str, int]) -> int:
    """Return how many rows an owner shares if none of its own conditions drops any."""
    (query,) = (each.query for each in plan.steps if isinstance(each, LocalStep) and each.name == step.source)
    n_rows = sum(rows.get(scan.dataset, 0) for scan in scans_in(query))
    return rounded_up(rows_shared(query, n_rows), step.padding)


def _forecast(runs: list[list[Cost]], most: int) -> Forecast:
    """Extrapolate from three rehearsals, each with the cost of every party."""
    total = _at([sum(cost.bytes_sent for cost in run) for run in runs], most)
    busiest = _at([max(cost.bytes_sent for cost in run) for run in runs], most)
    first, second = (runs[k][0].rounds for k in (1, 2))
    rounds = second + max(0, round((second - first) * math.log2(max(most / _REHEARSED[-1], 1))))
    return Forecast(rounds, total, round(busiest / BYTES_PER_S + rounds * ROUND_S, 6))


def _at(sizes: list[int], most: int) -> int:
    """Return the size at `most` rows, of sizes at those rehearsed."""
    a, b, c = sizes
    if most <= _REHEARSED[-1]:
        return c
    x, (x1, x2, x3) = most, _REHEARSED
    slope, steeper = (b - a) / (x2 - x1), (c - b) / (x3 - x2)
    if slope > 0 and steeper > slope * (1 + _IS_SQUARE):
        curve = (steeper - slope) / (x3 - x1)
        return round(c + steeper * (x - x3) + curve * (x - x3) * (x - x2))
    return round(c + steeper * (x - x3))
