"""Sorts that a plan leaves out: which, that the answer stays, what it saves. `test_matrix` holds what it relies on."""

from dataclasses import replace

import duckdb
import pytest

from conclave.plan.steps import MpcStep
from renderer.answer import rows_of
from renderer.trial import parse_tables, prepare
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


# Each row's mean is computed for itself, and under MPC its last place is cut off at random.
SHARE = "SELECT f.k AS k, f.id AS id, {} AS c FROM f JOIN (SELECT k AS j, SUM(v) AS s, 3 + 0 * COUNT(*) AS n FROM f GROUP BY k) a ON f.k = a.j"
WITHIN = "SELECT k, COUNT(*) AS n, MAX(c) AS c FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY c, k, id) AS r FROM ({}) y) z WHERE r <= 300 GROUP BY k"


@pytest.fixture
def halves(tmp_path):
    """400 rows of two owners, in seven groups whose sums are alike but for the last."""
    with duckdb.connect() as database:
        for n, owner in enumerate(("alpha", "bravo")):
            rows = f"SELECT i::INTEGER AS id, (i % 7)::INTEGER AS k, (i < 7)::INTEGER AS v FROM range({n * 200}, {n * 200 + 200}) t(i)"
            database.execute(f"COPY ({rows}) TO '{tmp_path}/{owner}.parquet'")
    return parse_tables([f"f=alpha:{tmp_path}/alpha.parquet,bravo:{tmp_path}/bravo.parquet"])


@pytest.mark.parametrize(("computed", "is_told"), [("a.s / a.n", False), ("a.s // a.n", True), ("a.s + a.n", True)])
def test_what_is_computed_of_keys_follows_from_them_if_it_is_exact(computed, is_told, halves):
    share = SHARE.format(computed)
    assert spared_in(prepare(WITHIN.format(share), halves, None).plan) == (["existing"] if is_told else [])
    grouped = prepare(f"SELECT k, c, COUNT(*) AS n FROM ({share}) z GROUP BY k, c", halves, None).plan
    assert spared_in(grouped) == (["k"] if is_told else [])


def test_rows_of_a_group_whose_quotients_differ_in_the_last_place_stay_together(halves):
    made = prepare(WITHIN.format(SHARE.format("a.s / a.n")), halves, None)
    answer = rows_of(made.run(lambda _: None).answer)
    assert sum(row["n"] for row in answer) == 300
    assert len({row["k"] for row in answer}) == len(answer)
