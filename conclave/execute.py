"""One party's walk through a plan. All parties walk the same steps in the same order; each does its own part.

Between parties only five things cross: shares, opened shuffled permutations, an answer's shares to its recipients,
row counts, and single bits that end the run. What is revealed is what `plan.disclosures` lists.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pyarrow as pa

from conclave.carry import MOST_ROWS, from_plain, layout, long_strings, send_plain, to_plain
from conclave.cheetah.party import CheetahParty
from conclave.cheetah.program import program_of
from conclave.filled import rows_at_least
from conclave.held import check_bounds
from conclave.ir.guard import rounded_up
from conclave.limits import bounds
from conclave.local.encode import decode, encode
from conclave.local.engine import Engine
from conclave.mpc.channel import Network
from conclave.mpc.costs import Cost
from conclave.mpc.laplace import Noise
from conclave.mpc.party import Party
from conclave.mpc.randomness import SEED_BYTES
from conclave.mpc_steps import batches, only_mpc, run_mpc_steps
from conclave.operators.apply import apply
from conclave.operators.input import InputTable, exchange_inputs
from conclave.operators.reveal import receive_revealed, reveal_to
from conclave.operators.table import SecretTable
from conclave.operators.watch import Watch
from conclave.plan.show import kind_of
from conclave.plan.steps import LocalStep, MpcSetting, MpcStep, Plan, RevealStep, SendStep, ShareStep, Step
from conclave.reach import is_held_whole
from conclave.whole import check_sums, check_wholes
from conclave.within import check_within

# How long those who do not compute wait for those who do. The three watch each other round by round, and whoever of
# them is lost, the others close their connections; so this ends only what none of them can see.
MPC_PATIENCE_S = 86400.0


@dataclass(frozen=True)
class StepReport:
    """What one step took at this party. Reported twice: when it begins (zeros) and when it is done."""

    name: str
    kind: str
    is_done: bool
    seconds: float = 0.0
    rounds: int = 0
    bytes_sent: int = 0
    put_in: tuple[tuple[str, int], ...] = ()  # how many rows the others see of each of this party's inputs


@dataclass(frozen=True)
class Execution:
    """How a party's walk ended: the answer, if this party is a recipient, and every step's report."""

    answer: pa.Table | None
    steps: tuple[StepReport, ...]


def execute(
    plan: Plan,
    me: str,
    network: Network,
    engine: Engine,
    context: bytes,
    progress: Callable[[StepReport], None],
    noise_key: bytes | None = None,
) -> Execution:
    """Run `me`'s part of `plan` with the peers in `network`.

    `engine` holds this party's datasets; `context` (run id and plan digest) is bound into the MPC session's keys.
    `noise_key` is this party's own secret for this very run on this very data, so that another attempt adds the same
    noise again; None: fresh noise.

    Raises:  ProtocolError if a peer is lost, late or out of step, or for what the steps find out; LocalError or EncodeProblem, both without values.
    """
    noise = Noise(noise_key if noise_key is not None else os.urandom(SEED_BYTES))
    walk = _Walk(plan, me, network, engine, noise, progress)
    if plan.mpc is not None and me in plan.mpc.compute:
        match plan.mpc:
            case MpcSetting("cheetah", (first, second)):
                walk.pair = CheetahParty(network, (first, second), context)
            case setting:
                walk.party = Party.setup(network, setting.three, context)
    for steps in batches(plan.steps):
        name, kind = steps[0].name, kind_of(steps[0])
        if isinstance(steps[0], RevealStep):
            walk.wait_for_mpc()
        if not walk.takes_part(steps):
            continue
        if isinstance(steps[0], MpcStep):
            walk.compute(only_mpc(steps))
            continue
        walk.tell(StepReport(name, kind, is_done=False))
        started, rounds, size_bytes = time.monotonic(), network.rounds, network.bytes_sent
        walk.run(steps)
        seconds = time.monotonic() - started
        cost = Cost(network.rounds - rounds, network.bytes_sent - size_bytes)
        put_in = tuple((step.name, walk.put_in[step.name]) for step in steps if step.name in walk.put_in)
        walk.tell(replace(_done(steps[0], cost, seconds), put_in=put_in))
    return Execution(walk.answer(), tuple(walk.reports))


def _done(step: Step, cost: Cost, seconds: float) -> StepReport:
    return StepReport(step.name, kind_of(step), True, round(seconds, 6), cost.rounds, cost.bytes_sent)


@dataclass
class _Walk:
    plan: Plan
    me: str
    network: Network
    engine: Engine
    noise: Noise
    progress: Callable[[StepReport], None]
    party: Party | None = None
    pair: CheetahParty | None = None  # in the place of `party`, if the protocol is of two
    shared: dict[str, SecretTable] = field(default_factory=dict)
    clear: dict[str, pa.Table] = field(default_factory=dict)
    put_in: dict[str, int] = field(default_factory=dict)  # rows of this party's own, by ShareStep
    watch: Watch = field(default_factory=Watch)
    reports: list[StepReport] = field(default_factory=list)

    def tell(self, report: StepReport) -> None:
        """Report that a step begins, or is done."""
        if report.is_done:
            self.reports.append(report)
        self.progress(report)

    @property
    def computes(self) -> bool:
        """Whether this party holds shares."""
        return self.party is not None or self.pair is not None

    def takes_part(self, steps: tuple[Step, ...]) -> bool:
        """Whether this party has anything to do in the steps."""
        for step in steps:
            match step:
                case LocalStep(party=party):
                    mine = party == self.me
                case ShareStep(party=party):
                    mine = self.computes or party == self.me
                case MpcStep():
                    mine = self.computes
                case RevealStep(recipients=recipients):
                    mine = self.computes or self.me in recipients
                case SendStep(party=party, recipients=recipients):
                    mine = self.me == party or self.me in recipients
            if mine:
                return True
        return False

    def wait_for_mpc(self) -> None:
        """Meet all others where MPC ends: the rounds may have taken longer than anyone waits for one message."""
        assert self.plan.mpc is not None
        compute = self.plan.mpc.compute
        if self.computes:
            others = [name for name in self.network.channels if name not in compute]
            self.network.exchange_control(dict.fromkeys(others, b""), (), 0)
        else:
            self.network.exchange_control({}, compute, 0, MPC_PATIENCE_S)

    def run(self, steps: tuple[Step, ...]) -> None:
        """Do this party's part of one batch of steps."""
        match steps[0]:
            case LocalStep(name, _, query) as step:
                if is_held_whole(self.plan):
                    check_sums(step, self.engine)
                self._hold(name, self.engine.answer(query, step=name))
            case ShareStep():
                self._share([step for step in steps if isinstance(step, ShareStep)])
            case MpcStep():
                raise AssertionError("see `compute`")
            case RevealStep():
                self._reveal(steps[0])
            case SendStep():
                self._send(steps[0])

    def compute(self, steps: list[MpcStep]) -> None:
        """Do MPC steps."""
        if self.pair is not None:
            for step in steps:  # the two run all of them at once, when they open what becomes of them
                self.tell(StepReport(step.name, kind_of(step), is_done=False))
                self.tell(_done(step, Cost(0, 0), 0.0))
            return
        assert self.party is not None
        run_mpc_steps(
            steps,
            self.shared,
            self.party,
            lambda step, me: apply(step, self.shared, me, watch=self.watch, draw=self.noise.draw),
            lambda step: self.tell(StepReport(step.name, kind_of(step), is_done=False)),
            lambda step, cost, seconds: self.tell(_done(step, cost, seconds)),
        )

    def answer(self) -> pa.Table | None:
        """Return the table the last step left at a recipient."""
        if self.me not in self.plan.query.recipients:
            return None
        return self.clear[next(reversed(self.clear))]

    def _hold(self, name: str, table: pa.Table) -> None:
        self.clear[name] = table
        self.engine.register_table(name, table)

    def _share(self, steps: list[ShareStep]) -> None:
        assert self.plan.mpc is not None
        tables = [self._input_of(step) for step in steps]
        mine, wanted = {}, bounds(self.plan)
        for step, table in zip(steps, tables, strict=True):
            if step.party == self.me:
                n_rows = rounded_up(max(self.clear[step.source].num_rows, table.at_least), table.padding)
                self.put_in[step.name] = n_rows
                if is_held_whole(self.plan):
                    check_wholes(self.plan, step, n_rows, self.engine)
                encoded = encode(self.clear[step.source], step.schema, step.texts)
                check_within(encoded, self.plan, step)
                check_bounds(encoded, step, wanted)
                mine[step.name] = to_plain(encoded, step.texts)
        if self.pair is not None:
            self.pair.take(tables, mine)
        else:
            self.shared.update(exchange_inputs(tables, mine, self.network, self.plan.mpc.three))

    def _input_of(self, step: ShareStep) -> InputTable:
        at_least = rows_at_least(self.plan, step, self.engine) if step.party == self.me else 0
        columns = layout(step.schema, step.texts)
        return InputTable(
            step.name, step.party, columns, MOST_ROWS, step.padding, step.hides_filters, at_least, step.order
        )

    def _reveal(self, step: RevealStep) -> None:
        assert self.plan.mpc is not None
        if self.pair is not None:
            revealed = self.pair.run(program_of(self.plan))
        elif self.party is not None:
            self.watch.end(self.party)
            names = [column.name for column in layout(step.schema, long_strings(step.schema))]
            revealed = reveal_to(self.shared[step.source].select(names), step.recipients, self.party)
        else:
            revealed = receive_revealed(self.network, self.plan.mpc.three, MOST_ROWS)
        if revealed is not None:
            self._hold(step.name, decode(from_plain(revealed, step.schema), step.schema))

    def _send(self, step: SendStep) -> None:
        texts = long_strings(step.schema)
        plain = None
        if step.party == self.me:
            plain = to_plain(encode(self.clear[step.source], step.schema, texts), texts)
        received = send_plain(plain, layout(step.schema, texts), step.party, step.recipients, self.network)
        if received is not None:
            self._hold(step.name, decode(from_plain(received, step.schema), step.schema))
