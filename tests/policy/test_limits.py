"""Limits across runs: what counts, until when, and what limits nothing is refused."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.limits import Reached, Spent, reached
from policy.parse import parse_policy
from policy.problem import DocumentError

NOW = datetime.datetime(2027, 6, 30, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
TEXT = """\
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: alpha/pay, version: 1}
spec:
  columns: {pay: {type: integer}}
  limits: LIMITS
"""


def policy(limits: str, noise: str = ""):
    return parse_policy(TEXT.replace("LIMITS", limits) + noise, "p.yaml")


def ago(*days: float) -> list[Spent]:
    return [Spent(NOW - day * DAY, 0.5) for day in days]


@given(runs=st.integers(1, 5), days=st.lists(st.floats(0, 90), max_size=8))
def test_runs_of_the_period_count_and_older_ones_do_not(runs, days):
    found = reached(policy(f"{{runs: {runs}, per: P30D}}"), ago(*days), NOW)
    n_in_period = sum(day < 30 for day in days)
    assert (found is not None) == (n_in_period >= runs)
    if found is not None:
        assert found == Reached("spec.limits.runs", n_in_period, runs, NOW - 30 * DAY)


def test_without_a_period_every_run_counts():
    assert reached(policy("{runs: 2}"), ago(4000), NOW) is None
    assert reached(policy("{runs: 2}"), ago(4000, 1), NOW) == Reached("spec.limits.runs", 2, 2)


def test_a_period_longer_than_the_calendar_is_ever():
    ever = policy("{runs: 2, per: P999999D}")
    assert reached(ever, ago(9000), NOW) is None
    assert reached(ever, ago(9000, 1), NOW) == Reached("spec.limits.runs", 2, 2)


@pytest.mark.parametrize(("until", "is_over"), [("2027-06-29", True), ("2027-06-30", False)])
def test_the_last_day_is_a_day_on_which_it_runs(until, is_over):
    assert (reached(policy(f"{{until: {until}}}"), [], NOW) is not None) == is_over


def test_epsilon_is_added_up_with_what_this_run_would_spend():
    limited = policy("{epsilon: 2.0, per: P7D}", "  noise: {epsilon: 0.5, unit: row}\n")
    assert reached(limited, ago(1, 2, 3, 8), NOW) is None
    assert reached(limited, ago(1, 2, 3, 4), NOW) == Reached("spec.limits.epsilon", 2.0, 2.0, NOW - 7 * DAY)


def test_epsilon_is_added_up_as_it_is_written():
    """As doubles ten times 0.1 is below 1, and three times 0.1 above 0.3."""
    three = policy("{epsilon: 0.3}", "  noise: {epsilon: 0.1, unit: row}\n")
    spent = [Spent(NOW, 0.1)] * 3
    assert reached(three, spent[:2], NOW) is None
    assert reached(three, spent, NOW) == Reached("spec.limits.epsilon", 0.3, 0.3)
    ten = policy("{epsilon: 1.0}", "  noise: {epsilon: 0.1, unit: row}\n")
    assert reached(ten, [Spent(NOW, 0.1)] * 9, NOW) is None
    assert reached(ten, [Spent(NOW, 0.1)] * 10, NOW) == Reached("spec.limits.epsilon", 1.0, 1.0)


def test_what_is_left_of_epsilon_is_said():
    most = policy("{epsilon: 1.0}", "  noise: {epsilon: 0.4, unit: row}\n")
    assert reached(most, [Spent(NOW, 0.35)] * 2, NOW) == Reached("spec.limits.epsilon", 0.7, 1.0, left=0.3)


def test_a_policy_without_limits_limits_nothing():
    plain = parse_policy(TEXT.replace("  limits: LIMITS\n", ""), "p.yaml")
    assert reached(plain, ago(*range(100)), NOW) is None


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ("{}", "spec.limits"),
        ("{container: c}", "spec.limits"),
        ("{per: P30D}", "spec.limits.per"),
        ("{runs: 1, per: P0D}", "spec.limits.per"),
        ("{runs: 1, per: 30}", "spec.limits.per"),
        ("{runs: 1, per: -P1D}", "spec.limits.per"),
        ("{runs: 1, per: '30'}", "spec.limits.per"),
        ("{runs: 0}", "spec.limits.runs"),
        ("{until: 2027-02-30}", "spec.limits.until"),
        ("{epsilon: 1.0}", "spec.limits.epsilon"),
        ("{runs: 1, container: a/b}", "spec.limits.container"),
    ],
)
def test_limits_that_limit_nothing_are_refused(limits, field):
    with pytest.raises(DocumentError) as caught:
        policy(limits)
    assert [problem.field for problem in caught.value.problems] == [field]
