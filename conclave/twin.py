"""A whole plan in the clear, by one process that has all data: the operators that run under MPC, by the plaintext twin.

The answer is that of the three parties, and so is the number of rounds of each step; but for noise, of which there is
none. For checking queries over more rows than one has patience for, and for holding operators against what they claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from conclave.carry import MOST_ROWS, from_plain, layout, long_strings, to_plain
from conclave.filled import rows_at_least
from conclave.held import check_bounds
from conclave.limits import bounds
from conclave.local.duckdb import LocalEngine
from conclave.local.encode import decode, encode
from conclave.mpc.arrays import Array
from conclave.mpc.costs import Cost
from conclave.mpc.party import Party
from conclave.mpc.shares import Share
from conclave.mpc.twin import Twin
from conclave.mpc_steps import batches, only_mpc, run_mpc_steps
from conclave.operators.apply import apply
from conclave.operators.input import InputTable, known_to_all
from conclave.operators.noise import no_noise
from conclave.operators.reveal import Layout, open_parts, reveal_to
from conclave.operators.table import SecretTable
from conclave.operators.watch import Watch
from conclave.plan.steps import LocalStep, MpcStep, Plan, RevealStep, SendStep, ShareStep, Step


def run_alone(plan: Plan, engine: LocalEngine) -> tuple[pa.Table, dict[str, Cost]]:
    """Return the answer of a plan, and what each of its steps costs the three parties, by its name.

    `engine` holds the datasets of all owners. Bytes are those of the busiest party, primitive by primitive.

    Raises:  as `execute` does for what the steps find out; LocalError or EncodeProblem.
    """
    walk = _Alone(plan, engine)
    for batch in batches(plan.steps):
        if mpc := only_mpc(batch):
            walk.compute(mpc)
            continue
        for step in batch:
            walk.run(step, is_first=step is batch[0])
    return walk.clear[next(reversed(walk.clear))], walk.costs


@dataclass
class _Alone:
    plan: Plan
    engine: LocalEngine
    shared: dict[str, SecretTable] = field(default_factory=dict)
    clear: dict[str, pa.Table] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    me: Twin = field(init=False)

    def __post_init__(self) -> None:
        names = self.plan.mpc.three if self.plan.mpc is not None else ("first", "second", "third")
        self.me = Twin(names, {open_parts: open_alone})

    def run(self, step: Step, is_first: bool) -> None:
        """Do all of one step. All owners share in one round, which counts for the first of them."""
        before = Cost(self.me.network.rounds, self.me.network.bytes_sent)
        match step:
            case LocalStep(name, _, _, sql):
                self._hold(name, self.engine.run(sql, step=name))
            case ShareStep():
                self._share(step)
                self.me.count(Cost(int(is_first), 0))  # the owner's bytes, which need not be one of the three
            case MpcStep():
                raise AssertionError("see `compute`")
            case RevealStep(name, source, recipients, schema):
                self.watch.end(self.me)
                wanted = [column.name for column in layout(schema, long_strings(schema))]
                revealed = reveal_to(self.shared[source].select(wanted), recipients, self.me)
                assert revealed is not None
                self._hold(name, decode(from_plain(revealed, schema), schema))
            case SendStep(name, _, source):
                self._hold(name, self.clear[source])
        after = self.me.network
        self.costs[step.name] = Cost(after.rounds - before.rounds, after.bytes_sent - before.bytes_sent)

    def compute(self, steps: list[MpcStep]) -> None:
        """Do MPC steps."""

        def run(step: MpcStep, lane: Party) -> SecretTable:
            return apply(step, self.shared, lane, watch=self.watch, draw=no_noise)

        def done(step: MpcStep, cost: Cost, _: float) -> None:
            self.costs[step.name] = cost

        run_mpc_steps(steps, self.shared, self.me, run, lambda _: None, done)

    def _hold(self, name: str, table: pa.Table) -> None:
        self.clear[name] = table
        self.engine.register_table(name, table)

    def _share(self, step: ShareStep) -> None:
        encoded = encode(self.clear[step.source], step.schema, step.texts)
        check_bounds(encoded, step, bounds(self.plan))
        columns = layout(step.schema, step.texts)
        at_least = rows_at_least(self.plan, step, self.engine)
        table = InputTable(
            step.name, step.party, columns, MOST_ROWS, step.padding, step.hides_filters, at_least, step.order
        )
        self.shared[step.name] = known_to_all(table, to_plain(encoded, step.texts), self.me)


def open_alone(shares: Sequence[Share], layout: Layout, recipients: Sequence[str], me: Twin) -> list[Array]:
    """Stand in for `open_parts`: all is in the part that the twin holds."""
    outside = sum(name not in me.names for name in recipients)
    is_next, is_prev = (me.names[peer] in recipients for peer in (me.next, me.prev))
    me.count(open_parts.cost(size_bytes=layout.size_bytes, outside=outside, is_next=is_next, is_prev=is_prev))
    return [share.own for share in shares]
