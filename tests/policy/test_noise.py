"""Noise: a plan with less of it than a policy asks for is refused, whoever compiled it; and what a policy may say."""

from dataclasses import replace
from fractions import Fraction

import pytest

from conclave.compile import compile_query
from conclave.ir.expressions import Literal
from conclave.ir.guard import Kept
from conclave.ir.nodes import Collect, Concat, Scan
from conclave.ir.noise import Noise
from conclave.ir.types import Field, parse_type
from conclave.ir.walk import bottom_up, nodes_in
from conclave.local.sqltext import to_sql
from conclave.plan.lower import lower
from conclave.plan.steps import Plan, ShareStep
from policy.explain import explain
from policy.parse import parse_policy
from policy.problem import DocumentError
from policy.protections import protections_of
from policy.verify import Request, verify

TEXT = """\
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: DATASET, version: 3}
spec:
  columns:
    patient: {type: bigint, subject: true}
    ward: {type: varchar(7), values: [A, B]}
    days: {type: integer, bounds: [0, 90]}
    paid: {type: "decimal(9,2)", bounds: [0, 10.5]}
  grants:
    - to: [institute]
      purposes: [research]
      columns: {ward: [group_key, filter], days: [sum, count, mean, filter], paid: [sum], patient: [count]}
"""
NOISE = "  noise: {epsilon: 0.5, rows: 2}\n"
GROUPS = "SELECT ward, COUNT(*) AS n, SUM(paid) AS p FROM stays GROUP BY ward"


def policy(dataset="hospital/stays", clauses=NOISE, text=TEXT):
    return parse_policy(text.replace("DATASET", dataset) + clauses, "p.yaml")


POLICIES = {name: policy(name) for name in ("hospital/stays", "clinic/stays")}


def table(policies):
    scans = []
    for name, each in sorted(policies.items()):
        fields = tuple(Field(n, parse_type(c.type)) for n, c in each.spec.columns.items())
        scans.append(Scan("stays", name, name.split("/")[0], fields))
    return scans


def compiled(sql, policies=POLICIES, asked=None) -> Plan:
    scans = table(policies)
    tables = {"stays": Concat(tuple(scans)) if len(scans) > 1 else scans[0]}
    protections = protections_of(policies) if asked is None else asked
    return compile_query(sql, tables, ("institute",), ("clinic", "hospital", "insurer"), protections)


def judged(plan, policies=POLICIES):
    return verify(plan, policies, Request("research"))


def codes(plan, policies=POLICIES) -> set[str]:
    return {reason.code for reason in judged(plan, policies).reasons}


def altered(plan: Plan, change) -> Plan:
    """The plan of another compiler: its query is changed, and its steps made from that."""
    query = bottom_up(plan.query, change)
    assert isinstance(query, Collect)
    assert query != plan.query
    return lower(query, plan.mpc, to_sql, protections_of(POLICIES))


def on_noise(change):
    return lambda node: change(node) if isinstance(node, Noise) else node


def test_an_acceptance_says_what_a_run_costs_and_how_far_off_it_is():
    text = explain(judged(compiled(GROUPS)))
    # Two rows at each of two owners, to another group: 8, by two columns, by one half. The unit of `paid` is a cent.
    assert "hospital/stays policy v3, spec.noise.epsilon: a run spends epsilon 0.5 on each patient" in text
    assert "spec.noise.rows: 2 rows at most of each patient are read" in text
    assert "spec.columns.ward.values: rows in which ward is none of the 2 listed values are not read" in text
    spread = "three discrete Laplace noises of scale {}, at epsilon 0.25"
    assert f"n, with noise of a standard deviation of 78.4: {spread.format(32)}" in text
    assert f"p, with noise of a standard deviation of 823: {spread.format(336)}" in text


@pytest.mark.parametrize(
    "change",
    [
        on_noise(lambda n: n.source),
        on_noise(lambda n: replace(n, columns=tuple(replace(c, scale=c.scale / 2) for c in n.columns))),
        on_noise(
            lambda n: replace(n, columns=tuple(replace(c, scale=c.scale / 2, epsilon=c.epsilon * 2) for c in n.columns))
        ),
        on_noise(lambda n: replace(n, columns=tuple(replace(c, scale=Fraction(0)) for c in n.columns))),
        lambda n: replace(n, kept=Kept("patient", 3, n.kept.listed)) if isinstance(n, Scan) else n,
        lambda n: replace(n, kept=None) if isinstance(n, Scan) else n,
        lambda n: replace(n, clamps=()) if isinstance(n, Scan) else n,
    ],
    ids=["none", "half of it", "half of it, as it says", "of no scale", "more rows", "all rows", "no bounds"],
)
def test_a_plan_with_less_noise_is_refused(change):
    plan = compiled(GROUPS)
    assert judged(plan).decision == "accept"
    found = codes(altered(plan, change))
    assert found & {"noise-not-met", "not-enforced"}


def test_a_plan_that_was_compiled_without_the_policies_is_refused():
    assert "noise-not-met" in codes(compiled(GROUPS, asked={}))


def test_more_noise_than_needed_is_accepted():
    plan = compiled(GROUPS)
    doubled = on_noise(
        lambda n: replace(n, columns=tuple(replace(c, scale=c.scale * 2, epsilon=c.epsilon / 2) for c in n.columns))
    )
    assert judged(altered(plan, doubled)).decision == "accept"


def test_the_same_total_with_noise_twice_costs_twice():
    """Two nodes that are no longer equal draw noise of their own each, and their mean is nearer the truth."""
    plan = compiled(
        "SELECT n, m FROM (SELECT COUNT(*) AS n FROM stays) AS a CROSS JOIN (SELECT COUNT(days) AS m FROM stays) AS b"
    )
    released = [node for node in nodes_in(plan.query) if isinstance(node, Noise)]
    assert [c.epsilon for node in released for c in node.columns] == [Fraction(1, 4)] * 2
    cheap = on_noise(
        lambda n: replace(n, columns=tuple(replace(c, scale=c.scale / 2, epsilon=c.epsilon * 2) for c in n.columns))
    )
    assert "noise-not-met" in codes(altered(plan, cheap))


def test_a_step_that_shows_how_many_groups_an_owner_has_is_refused():
    plan = compiled(GROUPS)
    steps = tuple(replace(s, padding=1) if isinstance(s, ShareStep) else s for s in plan.steps)
    (reason, *_) = judged(replace(plan, steps=steps)).reasons
    assert reason.code == "noise-not-met"
    assert "would show how many rows" in reason.what


def test_keys_of_protected_rows_are_not_seen_in_the_clear():
    """Who sees the wards of all rows can count them, without noise."""
    scans = table(POLICIES)
    by_ward = "SELECT ward, SUM(n) AS s FROM (SELECT ward, days, 1 AS n FROM stays) AS t GROUP BY ward"
    shown = {("stays", "ward"): ("clinic", "hospital", "insurer")}
    args = (
        {"stays": Concat(tuple(scans))},
        ("institute",),
        ("clinic", "hospital", "insurer"),
        protections_of(POLICIES),
    )
    plan = compile_query(by_ward, *args, shown)
    assert any(getattr(step, "seen_by", ()) for step in plan.steps)
    reasons = [reason for reason in judged(plan).reasons if reason.code == "noise-not-met"]
    assert reasons
    assert all("in the clear" in reason.what and "spec.mpc.cleartext" in reason.fix for reason in reasons)
    assert codes(compile_query(by_ward, *args)) & {"noise-not-met"} == set()


def test_a_step_that_draws_noise_on_the_same_total_again_is_refused():
    plan = compiled(GROUPS)
    (at,) = (k for k, step in enumerate(plan.steps) if isinstance(getattr(step, "operator", None), Noise))
    again = replace(plan.steps[at], name="m99")
    twice = replace(plan, steps=(*plan.steps[: at + 1], again, *plan.steps[at + 1 :]))
    (reason, *_) = judged(twice).reasons
    assert reason.code == "noise-not-met"
    assert "would draw other noise" in reason.what


def test_rows_that_are_all_shared_are_as_many_as_the_dataset_has():
    """Protected by row and with no list, nothing of them is left out, so there is nothing to fill up."""
    text = TEXT.replace(", values: [A, B]", "")
    by_row = {"hospital/stays": policy(clauses="  noise: {epsilon: 0.5, unit: row}\n", text=text)}
    names = {"clinic/beds": TEXT.replace("patient", "bed").replace(", subject: true", "")}
    beds = {
        name: policy(name, "", each.replace("[count]", "[count, join_key, filter]")) for name, each in names.items()
    }
    own = by_row["hospital/stays"].model_dump(by_alias=True)
    own["spec"]["grants"][0]["columns"]["patient"] = ("count", "join_key")
    policies = {**beds, "hospital/stays": type(by_row["hospital/stays"]).model_validate(own)}
    scans = {each.dataset.split("/")[1]: each for each in table(policies)}
    scans["beds"] = replace(scans["beds"], table="beds", unique=frozenset({"bed"}))
    sql = "SELECT COUNT(*) AS n FROM stays JOIN (SELECT bed FROM beds) AS b ON patient = bed"
    plan = compile_query(sql, scans, ("institute",), ("clinic", "hospital", "insurer"), protections_of(policies))
    (share,) = (step for step in plan.steps if isinstance(step, ShareStep) and step.party == "hospital")
    assert not share.hides_filters
    assert codes(plan, policies) & {"noise-not-met"} == set()


def test_the_least_epsilon_counts():
    strict = {**POLICIES, "clinic/stays": policy("clinic/stays", "  noise: {epsilon: 0.25, rows: 2}\n")}
    assert judged(compiled(GROUPS, strict), strict).decision == "accept"
    assert "noise-not-met" in codes(compiled(GROUPS), strict)


def test_noise_that_does_not_fit_a_word_is_refused():
    tiny = {name: policy(name, "  noise: {epsilon: 0.0000000001, rows: 1000}\n") for name in POLICIES}
    reasons = judged(compiled(GROUPS, tiny), tiny).reasons
    assert any("would not fit the 64-bit words" in reason.what for reason in reasons)


def test_a_refusal_says_what_to_ask_for():
    verdict = judged(compiled("SELECT MAX(days) AS m FROM stays"))
    reason = next(r for r in verdict.reasons if r.code == "noise-not-met")
    assert (reason.clause, reason.fix) == ("spec.noise.epsilon", "use SUM, COUNT and AVG of bounded columns")
    assert reason.where is not None


def test_equal_inputs_give_equal_verdicts():
    assert judged(compiled(GROUPS)).to_json() == judged(compiled(GROUPS)).to_json()


@pytest.mark.parametrize(
    ("clauses", "text", "field"),
    [
        ("  noise: {epsilon: 1.0}\n", TEXT, "spec.noise"),
        ("  noise: {epsilon: 0, rows: 1}\n", TEXT, "spec.noise.epsilon"),
        ("  noise: {epsilon: .inf, rows: 1}\n", TEXT, "spec.noise.epsilon"),
        ("  noise: {epsilon: 1.0e-300, rows: 1}\n", TEXT, "spec.noise.epsilon"),
        ("  noise: {epsilon: 1.0, rows: 0}\n", TEXT, "spec.noise.rows"),
        ("  noise: {epsilon: 1.0, rows: 1, delta: 0.1}\n", TEXT, "spec.noise.delta"),
        ("  noise: {epsilon: 1.0, rows: 1, mechanism: gaussian}\n", TEXT, "spec.noise.mechanism"),
        ("  noise: {epsilon: 1.0, rows: 1, unit: row}\n", TEXT, "spec.noise.rows"),
        (NOISE, TEXT.replace(", subject: true", ""), "spec.noise"),
        (NOISE, TEXT.replace("90]}", "90], subject: true}"), "spec.noise"),
        (NOISE + "  minimum: {subjects: 10}\n", TEXT, "spec.noise"),
        (NOISE, TEXT.replace("[A, B]", "[A, A]"), "spec.columns.ward.values.1"),
        (NOISE, TEXT.replace("[A, B]", "[A, ABCDEFGH]"), "spec.columns.ward.values.1"),
        (NOISE, TEXT.replace("[A, B]", "[A, 1]"), "spec.columns.ward.values.1"),
        (NOISE, TEXT.replace("[A, B]", "[]"), "spec.columns.ward.values"),
    ],
)
def test_noise_that_protects_nobody_in_particular_is_refused(clauses, text, field):
    with pytest.raises(DocumentError) as caught:
        policy(clauses=clauses, text=text)
    assert field in {problem.field.replace("[", ".").replace("]", "") for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", "[1, 2]"),
        ("date", "['2027-01-31']"),
        ("boolean", "[true, false]"),
        ("varchar(40)", "['psychiatry, closed']"),
    ],
)
def test_values_of_these_types_can_be_listed(kind, values):
    text = TEXT.replace("{type: varchar(7), values: [A, B]}", f"{{type: {kind}, values: {values}}}")
    (listed,) = protections_of({"hospital/stays": policy(text=text)})["hospital/stays"].listed
    assert all(isinstance(each, Literal) and each.value is not None for each in listed.values)
