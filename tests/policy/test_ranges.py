"""Whether a number is too large is told by a run's end: under a minimum, of enough subjects only."""

from dataclasses import replace

import pytest

from policy.verify import Request, verify
from tests.policy.test_obligations import asks, codes, compiled, everybody

# The product of two integers fits a word, of three it need not.
JOINED = "visits v JOIN people p ON v.id = p.pid"
CONDITION = f"SELECT v.dept, COUNT(*) AS n FROM {JOINED} WHERE v.pay * p.income * v.pay > 7 GROUP BY v.dept"
OF_GROUPS = "SELECT dept, s * s * s AS cube FROM (SELECT dept, SUM(pay) AS s FROM visits GROUP BY dept) AS g"


def is_looked_at(sql, policies):
    return "range_check" in {each.kind for each in compiled(sql, policies).disclosures}


@pytest.mark.parametrize("sql", [OF_GROUPS])
def test_numbers_of_groups_that_have_enough_subjects_may_be_looked_at(sql):
    assert is_looked_at(sql, everybody())
    assert codes(sql, everybody()) == []


def test_numbers_of_single_rows_may_not_be_looked_at_under_a_minimum():
    assert is_looked_at(CONDITION, everybody())
    assert "minimum-not-met" in codes(CONDITION, everybody())
    reasons = verify(compiled(CONDITION, everybody()), everybody(), Request("research")).reasons
    assert any("outgrows its word" in reason.what for reason in reasons)
    assert codes(CONDITION, everybody(least=0)) == []


def test_bounds_in_the_policy_make_looking_needless():
    bounds = {"pay": (0, 1000)}
    visits = {name: asks(name, bounds=dict(bounds)) for name in ("alpha/visits", "bravo/visits")}
    bounded = {**visits, "bravo/people": asks("bravo/people")}
    assert not is_looked_at(CONDITION, bounded)
    assert "minimum-not-met" not in codes(CONDITION, bounded)


def test_looking_without_saying_so_is_refused():
    policies = everybody(least=0)
    made = compiled(OF_GROUPS, policies)
    silent = replace(made, disclosures=tuple(d for d in made.disclosures if d.kind != "range_check"))
    assert [r.code for r in verify(silent, policies, Request("research")).reasons] == ["unknown-disclosure"]
