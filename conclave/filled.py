"""How many rows an owner puts into MPC at least, lest their number tell what its conditions leave.

Reveals: nothing by itself; what is made of it does, see `conclave.plan.sizes`.
"""

from conclave.ir.guard import rounded_up
from conclave.local.engine import Engine
from conclave.plan.sizes import N_ROWS, without_conditions
from conclave.plan.steps import LocalStep, Plan, ShareStep


def rows_at_least(plan: Plan, step: ShareStep, engine: Engine) -> int:
    """Return how many rows `step` shares at least: as if no condition had dropped any; 0 if it does not hide that."""
    if not step.hides_filters:
        return 0
    (query,) = (each.query for each in plan.steps if isinstance(each, LocalStep) and each.name == step.source)
    counts = [engine.answer(part, step=step.name)[N_ROWS][0].as_py() for part in without_conditions(query)]
    return sum(rounded_up(int(count), step.padding) for count in counts)
