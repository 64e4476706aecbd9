"""What the MPC steps of a plan will cost, found by rehearsing them: three parties in one process, rows made up.

Protocols are oblivious: rounds and bytes depend on nothing but the shapes of tables. So a rehearsal with the right
numbers of rows does not guess, and there are no formulas that could drift from the code.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from conclave.carry import MOST_ROWS, layout
from conclave.mpc.channel import Network
from conclave.mpc.costs import Cost
from conclave.mpc.inprocess import connect_all
from conclave.mpc.party import Party
from conclave.mpc_steps import batches, only_mpc, run_mpc_steps
from conclave.operators.apply import apply
from conclave.operators.input import InputTable, PlainTable, exchange_inputs
from conclave.operators.noise import no_noise
from conclave.operators.reveal import reveal_to
from conclave.operators.table import SecretTable
from conclave.operators.watch import Watch
from conclave.plan.sizes import rows_shared
from conclave.plan.steps import LocalStep, MpcSetting, MpcStep, Plan, RevealStep, ShareStep, Step

REHEARSED_ROWS = 100
TIMEOUT_S = 60.0


def estimate(plan: Plan, n_rows: int = REHEARSED_ROWS) -> dict[str, Cost]:
    """Return the rounds of each step and the bytes that a compute party sends in it, if every owner shares `n_rows`.

    An owner shares one row where its part of the query has exactly one, as for an aggregate without groups, and no more
    than its part of a LIMIT keeps.
    """
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    shares = [step for step in plan.steps if isinstance(step, ShareStep)]
    costs = rehearse(plan, {step.name: rows_shared(queries[step.source], n_rows) for step in shares})
    return {name: max((each[name] for each in costs), key=lambda cost: cost.bytes_sent) for name in costs[0]}


def rehearse(plan: Plan, n_rows: Mapping[str, int], side_by_side: bool = True) -> tuple[dict[str, Cost], ...]:
    """Return what each step costs each compute party, if so many rows are shared in each ShareStep.

    Not `side_by_side`: as if they were more than are worked on so.
    """
    if plan.mpc is None or plan.mpc.protocol != "replicated3":
        return ({},)  # nothing to rehearse, or nothing that runs here
    setting = plan.mpc
    networks = connect_all(setting.compute, TIMEOUT_S)
    with ThreadPoolExecutor(len(networks)) as pool:
        futures = [
            pool.submit(_rehearse, plan, setting, network, n_rows, side_by_side) for network in networks.values()
        ]
        return tuple(future.result() for future in futures)


def _rehearse(
    plan: Plan, setting: MpcSetting, network: Network, n_rows: Mapping[str, int], side_by_side: bool
) -> dict[str, Cost]:
    try:
        me = Party.setup(network, setting.three, b"rehearsal")
        tables: dict[str, SecretTable] = {}
        costs: dict[str, Cost] = {}
        watch = Watch()
        me.side_by_side = side_by_side

        def run(step: MpcStep, lane: Party) -> SecretTable:
            # Rows are made up: keys may repeat, and are of few subjects. As far as is known, all pass.
            return apply(
                step,
                tables,
                lane,
                lambda _: None,
                lambda: None,
                watch,
                on_more=lambda *_: None,
                draw=no_noise,
                as_if_all_exist=True,
            )

        def done(step: MpcStep, cost: Cost, _: float) -> None:
            costs[step.name] = cost

        for batch in batches(plan.steps):
            if mpc := only_mpc(batch):
                run_mpc_steps(mpc, tables, me, run, lambda _: None, done)
                continue
            for step in batch:
                cost = _moved(step, tables, setting, n_rows, watch, me)
                costs |= {step.name: cost} if cost is not None else {}
        return costs
    finally:
        network.close()


def _moved(
    step: Step,
    tables: dict[str, SecretTable],
    setting: MpcSetting,
    n_rows: Mapping[str, int],
    watch: Watch,
    me: Party,
) -> Cost | None:
    """Share or reveal; return what that costs, None for other steps."""
    network = me.network
    rounds, size_bytes = network.rounds, network.bytes_sent
    match step:
        case ShareStep():
            tables |= _share(step, network, setting, n_rows[step.name])
        case RevealStep(_, source):
            watch.end(me)
            # To one of the three, whoever the recipient is: what compute parties send is nearly the same.
            reveal_to(tables[source], setting.compute[:1], me)
        case _:
            return None
    return Cost(network.rounds - rounds, network.bytes_sent - size_bytes)


def _share(step: ShareStep, network: Network, setting: MpcSetting, n_rows: int) -> dict[str, SecretTable]:
    columns = layout(step.schema, step.texts)
    # Whoever owns the rows, in the rehearsal the first party has them: the others receive as they will.
    table = InputTable(
        step.name, setting.compute[0], columns, MOST_ROWS, step.padding, step.hides_filters, order=step.order
    )
    rows = 1 if step.is_one_row else n_rows
    # Different numbers, as far as they fit: of keys that one party sees, those that are equal make pairs.
    numbers: PlainTable = {
        column.name: (
            np.arange(rows) % (1 << max(min(column.width - 1, 62), 0)),
            np.zeros(rows, np.bool_) if column.nullable else None,
        )
        for column in columns
    }
    mine = {step.name: numbers} if network.me == setting.compute[0] else {}
    return exchange_inputs([table], mine, network, setting.three)
