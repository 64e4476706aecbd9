"""That a key comes more often than a query's author says is a bit that the author asks for: the owners decide who may."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.plan.steps import MpcStep
from policy.verify import Request, verify
from tests.policy.conftest import policy, scan

# Sums would be made before the join, without a check. Alpha alone gets the answer: how often a row of visits' key comes
# tells bravo and carol nothing but by the check.
NARROWED = """SELECT MEDIAN(income) AS s FROM people JOIN
    (SELECT id FROM visits WHERE pay > (SELECT AVG(pay) FROM visits)) AS v ON pid = id"""
OPEN = policy(
    "bravo/people",
    grants=[{"to": ["alpha"], "purposes": ["*"], "columns": {n: ["open"] for n in ("pid", "region", "income")}}],
)


def made(most=2):
    visits = replace(scan("alpha/visits"), most_matches=frozenset({("id", most)}))
    tables = {"visits": visits, "people": scan("bravo/people")}
    return compile_query(NARROWED, tables, ("alpha",), ("alpha", "bravo", "carol"))


def judged(plan, alpha):
    return verify(plan, {"alpha/visits": alpha, "bravo/people": OPEN}, Request("research"))


def granting(to):
    columns = {"id": ["join_key"], "pay": ["filter", "mean", "sum", "count"]}
    return policy("alpha/visits", grants=[{"to": [to], "purposes": ["*"], "columns": columns}])


def test_what_decides_whether_keys_come_too_often_is_for_the_owner_to_grant():
    verdict = judged(made(), policy("alpha/visits"))
    assert {("id", "join_key", "bravo"), ("pay", "filter", "bravo")} <= {
        (r.column, r.capability, r.recipient) for r in verdict.reasons
    }
    assert "whether more than 2 rows agree in id, seen to bravo" in {r.flow[-1] for r in verdict.reasons}
    for to in ("alpha", "carol"):
        assert judged(made(), granting(to)).reasons == ()


def test_without_a_word_of_how_often_keys_come_nothing_is_told_of_it():
    tables = {"visits": scan("alpha/visits"), "people": scan("bravo/people")}
    plan = compile_query(NARROWED, tables, ("alpha",), ("alpha", "bravo", "carol"))
    reasons = judged(plan, policy("alpha/visits")).reasons
    assert not any(reason.column == "id" or "agree in id" in " ".join(reason.flow) for reason in reasons)


def test_under_a_minimum_nobody_is_told_of_one_persons_rows():
    own = {n: c.model_dump(mode="json", exclude_none=True) for n, c in policy("alpha/visits").spec.columns.items()}
    columns = own | {"id": {"type": "bigint", "subject": True}}
    open_to_all = [{"to": ["*"], "purposes": ["*"], "columns": {n: ["open"] for n in ("id", "pay")}}]
    alpha = policy("alpha/visits", grants=open_to_all, columns=columns, minimum={"subjects": 3})
    told = [reason for reason in judged(made(), alpha).reasons if "more than 2 rows agree in id" in reason.what]
    assert [reason.code for reason in told] == ["minimum-not-met"]
    assert "spec.mpc.mostMatches" in told[0].fix


@pytest.mark.parametrize("kind", ["match_check", "answer"])
def test_a_plan_that_does_not_say_so_is_refused(kind):
    plan = made()
    silent = replace(plan, disclosures=tuple(d for d in plan.disclosures if d.kind != kind))
    codes = [reason.code for reason in judged(silent, granting("alpha")).reasons]
    assert codes == (["unknown-disclosure"] if kind == "match_check" else [])


def test_a_step_that_is_no_join_and_would_check_keys_is_refused():
    plan = made()
    (join,) = (step for step in plan.steps if isinstance(step, MpcStep) and step.bounded is not None)
    steps = tuple(replace(s, bounded=join.bounded) if isinstance(s, MpcStep) else s for s in plan.steps)
    others = [s.name for s in steps if isinstance(s, MpcStep) and s.name != join.name]
    reasons = judged(replace(plan, steps=steps), granting("alpha")).reasons
    assert others
    assert {r.code for r in reasons} == {"unknown-disclosure", "unfaithful"}
    assert {f"step {name} would tell whether keys come too often, and the plan does not say so" for name in others} <= {
        r.what for r in reasons
    }
