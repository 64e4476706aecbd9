"""What a plan's steps say beside their operators is found out again: a plan that says otherwise is refused."""

from dataclasses import replace

import pytest

from conclave.ir.nodes import Join
from conclave.plan.steps import Bounded, MpcStep, ShareStep
from policy.claims import check_claims
from policy.verify import Request, verify
from tests.conclave.operators.matrix import ENTRIES, plan_of
from tests.policy.conftest import plan
from tests.policy.test_steps import JOINED, POLICIES, changed, without_rewriting

PAIRS = "pairs", without_rewriting(plan(JOINED))
UNIQUE = "unique", plan(JOINED, unique=("pid",))
REWRITTEN = "rewritten", plan(JOINED)


def reasons(made):
    return {(reason.code, reason.what) for reason in verify(made, POLICIES, Request("research")).reasons}


def with_join(made, **said):
    (join,) = (s for s in made.steps if isinstance(s, MpcStep) and isinstance(s.operator, Join))
    return join.name, replace(made, steps=tuple(replace(s, **said) if s is join else s for s in made.steps))


@pytest.mark.parametrize(("title", "made"), [PAIRS, UNIQUE, REWRITTEN])
def test_what_follows_from_the_query_is_believed(title, made):
    assert reasons(made) == set()


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (PAIRS, {"unique_side": "right"}),  # of rows with one key, all but one would be lost
        (PAIRS, {"unique_side": "left"}),
        (PAIRS, {"checks_keys": True}),  # which tells something of keys
        (PAIRS, {"bounded": Bounded("right", 2)}),
        (UNIQUE, {"unique_side": "left"}),
        (UNIQUE, {"unique_side": None}),
        (UNIQUE, {"checks_keys": True}),
        (UNIQUE, {"bounded": Bounded("left", 1)}),
        (REWRITTEN, {"unique_side": None}),
        (REWRITTEN, {"bounded": Bounded("right", 1)}),
    ],
)
def test_a_join_by_keys_that_are_not_as_it_says_is_refused(of, said):
    name, made = with_join(of[1], **said)
    assert ("unfaithful", f"step {name} says of its rows or keys what does not follow from the query") in reasons(made)


def test_rows_that_are_said_to_be_one_are_counted():
    """Of a single row, how many there are tells nothing, and nobody would be asked."""
    made = changed(UNIQUE[1], ShareStep, is_one_row=True)
    assert ("unfaithful", "step s1 says of its rows or keys what does not follow from the query") in reasons(made)


def test_numbers_that_nobody_would_look_at_are_refused():
    steps = tuple(replace(s, checked=None) if isinstance(s, MpcStep) else s for s in REWRITTEN[1].steps)
    assert steps != REWRITTEN[1].steps
    what = "the steps would not look at numbers that may outgrow their words"
    assert ("unfaithful", what) in reasons(replace(REWRITTEN[1], steps=steps))


def test_a_table_that_is_read_as_another_is_refused():
    made = UNIQUE[1]
    first = next(step for step in made.steps if isinstance(step, ShareStep))
    may_be_null = tuple(replace(f, nullable=True) for f in first.schema)
    found = reasons(changed(made, ShareStep, schema=may_be_null))
    assert ("unfaithful", "step s1 would read its tables as others than they are") in found


@pytest.mark.parametrize("is_filtered", [True, False])
def test_what_compiled_plans_say_is_found_again_of_every_operator(is_filtered):
    for name in ENTRIES:
        assert list(check_claims(plan_of(name, is_filtered))) == [], name
