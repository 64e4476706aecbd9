"""The MPC steps of a plan, each as soon as the tables that it reads are there, side by side with those that read others."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from conclave.ir.nodes import Input
from conclave.ir.walk import nodes_in
from conclave.mpc.costs import Cost
from conclave.mpc.party import Party
from conclave.mpc.together import added_rounds, together, wait_for
from conclave.operators.table import SecretTable
from conclave.plan.steps import MpcStep, ShareStep, Step

# With more rows, things are done one after the other: there bytes take the time, not rounds, and memory is dear.
MOST_ROWS = 1 << 16
Run = Callable[[MpcStep, Party], SecretTable]


def batches(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """Yield steps one by one, but neighbours that share rounds together: all ShareSteps, all MpcSteps."""
    for kind, group in groupby(steps, key=type):
        if kind in (ShareStep, MpcStep):
            yield tuple(group)
        else:
            yield from ((step,) for step in group)


def only_mpc(steps: Iterable[Step]) -> list[MpcStep]:
    """Return the MPC steps among some."""
    return [step for step in steps if isinstance(step, MpcStep)]


def run_mpc_steps(
    steps: Sequence[MpcStep],
    tables: dict[str, SecretTable],
    me: Party,
    run: Run,
    begin: Callable[[MpcStep], None],
    done: Callable[[MpcStep, Cost, float], None],
) -> None:
    """Add each step's table to `tables`; `done` is told what the step cost, and its seconds.

    Rounds that several steps share count for the first of them, so that all steps' costs add up to the whole.
    Reveals: what the steps reveal.
    """

    def protocol(step: MpcStep) -> Callable[[Party], None]:
        sources = [node.name for node in nodes_in(step.operator) if isinstance(node, Input)]

        def take_turn(lane: Party) -> None:
            wait_for(lambda: all(name in tables for name in sources), lane)
            lane.side_by_side = me.side_by_side and are_few([tables[name] for name in sources])
            begin(step)
            network, rounds, started = lane.network, added_rounds(lane), time.monotonic()
            size_bytes = network.bytes_sent
            tables[step.name] = run(step, lane)
            cost = Cost(added_rounds(lane) - rounds, network.bytes_sent - size_bytes)
            done(step, cost, time.monotonic() - started)

        return take_turn

    me.side_by_side = me.side_by_side and are_few(tables.values())
    together([protocol(step) for step in steps], me)


def are_few(tables: Iterable[SecretTable]) -> bool:
    """Whether what is done with these tables is done side by side; all three know."""
    return sum(table.n_rows for table in tables) <= MOST_ROWS
