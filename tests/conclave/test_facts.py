"""Sorts that a plan leaves out: which, that the answer stays, what it saves. `test_matrix` holds what it relies on."""

from dataclasses import replace

import pytest

from conclave.plan.steps import MpcStep
from tests.conclave.facts import held_facts
from tests.conclave.operators.matrix import CASES, plan_of
from tests.conclave.operators.test_matrix import assert_same, of_twin

__all__ = ["held_facts"]
pytestmark = pytest.mark.usefixtures("held_facts")

# What each step leaves out, and the share of the rounds that is left at most.
SPARED = {
    "groups of groups": (["all"], 0.85),
    "groups of some groups": (["existing"], 0.85),
    "groups in order": (["all"], 0.6),
    "some groups in order": (["existing"], 0.45),
    "windows over groups": (["all", "all", "all"], 0.55),
    "windows over some groups": (["existing", "all"], 0.7),
    "groups after a window": (["existing"], 0.9),
    "groups by keys that others tell": (["k"], 0.35),
    "groups by keys that others may tell": (["k"], 0.6),
    "count distinct": (["all"], 0.9),
    "having": ([], 1.0),
    "top-k": ([], 1.0),
    "join, then groups": ([], 1.0),
    "groups, keys seen by one": ([], 1.0),
    "compacted": ([], 1.0),
    "groups of too few": ([], 1.0),
    "counts of different values": ([], 1.0),
}


def spared_in(plan):
    found = []
    for step in plan.steps:
        if isinstance(step, MpcStep):
            found += [step.in_order] if step.in_order != "no" else [",".join(step.sorts_by)] if step.sorts_by else []
    return found


def sorting_all(plan):
    """The plan as if nothing were known of rows."""
    steps = (replace(s, sorts_by=(), in_order="no") if isinstance(s, MpcStep) else s for s in plan.steps)
    return replace(plan, steps=tuple(steps))


@pytest.mark.parametrize("name", SPARED)
def test_what_is_sorted_already_is_not_sorted_again_and_the_answer_stays(name):
    wanted, most = SPARED[name]
    plan = plan_of(name, True)
    assert spared_in(plan) == wanted
    case = CASES["NULLs among values"]
    (got, costs), (answer, full) = of_twin(plan, case), of_twin(sorting_all(plan), case)
    assert_same(name, got, answer, "with all sorts")
    rounds, all_rounds = (sum(cost.rounds for cost in each.values()) for each in (costs, full))
    assert rounds <= most * all_rounds
    assert (rounds < all_rounds) == bool(wanted)
    assert sum(cost.bytes_sent for cost in costs.values()) <= sum(cost.bytes_sent for cost in full.values())
