"""Hold the plaintext twin's walk through a plan against the three parties' own."""

from conclave.execute import Execution
from conclave.mpc.costs import Cost
from conclave.plan.steps import Plan

# What a party sends differs from the busiest one's by who deals, and the twin counts the busiest primitive by primitive.
LEAST, MOST, SMALL_BYTES = 0.98, 1.3, 64


def assert_same_costs(plan: Plan, ended: dict[str, Execution], alone: dict[str, Cost]) -> None:
    """The twin counts the rounds of every step under MPC exactly, and of bytes as many as the busiest party sends."""
    if plan.mpc is None:
        assert all(cost == Cost(0, 0) for cost in alone.values())
        return
    reports = [[r for r in ended[party].steps if r.kind in ("mpc", "reveal")] for party in plan.mpc.compute]
    assert reports[0]
    for party in plan.mpc.compute:
        assert sum(r.rounds for r in ended[party].steps) == sum(cost.rounds for cost in alone.values()), party
    for of_step in zip(*reports, strict=True):
        (name,) = {r.name for r in of_step}
        assert {r.rounds for r in of_step} == {alone[name].rounds}, name
        busiest = max(r.bytes_sent for r in of_step)
        assert LEAST * busiest - SMALL_BYTES <= alone[name].bytes_sent <= MOST * busiest + SMALL_BYTES, name
