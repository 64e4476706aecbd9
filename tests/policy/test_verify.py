import json

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat
from policy.canonical import canonical_json
from policy.document import Policy
from policy.explain import explain
from policy.verify import Request, verify
from tests.policy.conftest import VISITS, judge, plan, policy, refused, scan

KEY = {"dept": ["group_key"]}


@pytest.mark.parametrize(
    ("sql", "granted", "missing"),
    [
        # Values
        ("SELECT pay FROM visits", {"pay": ["sum", "count", "filter", "group_key"]}, {("pay", "open")}),
        ("SELECT pay + 1 AS p FROM visits", {"pay": ["sum"]}, {("pay", "open"), (None, "count")}),
        ("SELECT pay + age AS p FROM visits", {"pay": ["open"]}, {("age", "open")}),
        ("SELECT 1 AS one FROM visits", {"pay": ["sum"]}, {(None, "count")}),
        ("SELECT 1 AS one FROM visits", {"pay": ["count"]}, set()),
        # Aggregates
        ("SELECT SUM(pay) AS s FROM visits", {"pay": ["sum"]}, set()),
        ("SELECT SUM(pay) AS s FROM visits", {"pay": ["open"]}, set()),
        ("SELECT SUM(pay) AS s FROM visits", {"pay": ["mean", "count", "min", "max"]}, {("pay", "sum")}),
        ("SELECT COUNT(age) AS n FROM visits", {"pay": ["count"]}, {("age", "count")}),
        ("SELECT COUNT(*) AS n FROM visits", {"pay": ["count"]}, set()),
        ("SELECT COUNT(*) AS n FROM visits", {"pay": ["sum"]}, {(None, "count")}),
        ("SELECT SUM(1) AS n FROM visits", {"pay": ["sum"]}, {(None, "count")}),
        # Means
        ("SELECT AVG(age) AS m FROM visits", {"age": ["mean"]}, set()),
        ("SELECT AVG(age) AS m FROM visits", {"age": ["sum", "count"]}, set()),
        ("SELECT AVG(age) AS m FROM visits", {"age": ["sum"]}, {("age", "mean")}),
        ("SELECT AVG(pay) AS m FROM visits", {"pay": ["mean"]}, set()),  # its count is count(*)
        ("SELECT 1.0 * SUM(pay) / COUNT(*) AS m FROM visits", {"pay": ["mean"]}, {("pay", "sum"), (None, "count")}),
        ("SELECT SUM(age) / COUNT(age) AS m FROM visits", {"age": ["mean"]}, set()),
        ("SELECT SUM(age) / COUNT(*) AS m FROM visits", {"age": ["mean"]}, {("age", "sum"), (None, "count")}),
        ("SELECT SUM(age) / COUNT(pay) AS m FROM visits", {"age": ["mean"], "pay": ["count"]}, {("age", "sum")}),
        ("SELECT SUM(age) / MIN(1) AS m FROM visits", {"age": ["mean"], "pay": ["count"]}, {("age", "sum")}),
        ("SELECT AVG(age) AS m, SUM(age) AS s FROM visits", {"age": ["mean"]}, {("age", "sum")}),
        # Expressions
        ("SELECT SUM(pay * 2) AS s FROM visits", {"pay": ["sum"]}, {("pay", "sum")}),
        ("SELECT SUM(pay * 2) AS s FROM visits", {"pay": ["open"]}, set()),
        # Group keys
        ("SELECT dept FROM visits GROUP BY dept", KEY, set()),
        ("SELECT DISTINCT dept FROM visits", KEY, set()),
        ("SELECT DISTINCT dept FROM visits", {"dept": ["filter", "count"]}, {("dept", "group_key")}),
        ("SELECT SUM(pay) AS s FROM visits GROUP BY dept", {"pay": ["sum"]}, {("dept", "group_key")}),
        # Conditions
        ("SELECT SUM(pay) AS s FROM visits WHERE age > 40", {"pay": ["sum"]}, {("age", "filter")}),
        ("SELECT SUM(pay) AS s FROM visits WHERE age > 40", {"pay": ["sum"], "age": ["filter"]}, set()),
        (
            "SELECT dept FROM visits GROUP BY dept HAVING SUM(pay) > 9 AND COUNT(*) > 5",
            KEY,
            {("pay", "sum"), (None, "count")},
        ),
        ("SELECT dept FROM visits GROUP BY dept HAVING dept <> 'x'", KEY, {("dept", "filter")}),
        ("SELECT dept FROM visits WHERE dept <> 'x' GROUP BY dept", KEY, {("dept", "filter")}),
        # Order and limit
        ("SELECT dept FROM visits GROUP BY dept ORDER BY dept", KEY, set()),
        (
            "SELECT dept, SUM(pay) AS s FROM visits GROUP BY dept ORDER BY s LIMIT 3",
            KEY,
            {("pay", "sum")},
        ),
        # Computing on what may be released
        (
            "SELECT SUM(n * n) AS s FROM (SELECT COUNT(*) AS n FROM visits GROUP BY dept) AS v",
            {"dept": ["group_key", "count"]},
            set(),
        ),
        (
            "SELECT MAX(s) AS m FROM (SELECT SUM(pay) AS s FROM visits GROUP BY dept) AS v",
            {**KEY, "pay": ["max"]},
            {("pay", "sum")},
        ),
        (
            "SELECT SUM(s) AS m FROM (SELECT SUM(pay) AS s FROM visits GROUP BY dept) AS v",
            {"pay": ["sum"]},
            {("dept", "group_key")},
        ),
        # Values against an aggregate of all
        (
            "SELECT COUNT(*) AS n FROM visits CROSS JOIN (SELECT AVG(pay) AS m FROM visits) AS a WHERE pay > m",
            {"pay": ["mean", "count"]},
            {("pay", "filter")},
        ),
    ],
)
def test_what_a_query_needs(decide, sql, granted, missing):
    assert decide(sql, granted) == missing


CASE = "SELECT SUM(CASE WHEN id = 7 THEN pay END) AS s FROM visits"


def test_reading_one_person_by_a_case_needs_three_grants(decide):
    assert decide(CASE, {"pay": ["sum"]}) == {("pay", "sum"), ("id", "sum"), ("id", "filter")}
    assert decide(CASE, {"pay": ["sum"], "id": ["sum", "filter"]}) == {("pay", "sum"), ("id", "sum")}
    assert decide(CASE, {"pay": ["sum"], "id": ["sum"]}, expressions=True) == {("id", "filter")}
    assert decide(CASE, {"pay": ["sum"], "id": ["sum", "filter"]}, expressions=True) == set()


def test_expressions_must_be_allowed_by_the_grant_that_gives_the_capability():
    plain = {"to": ["analyst"], "purposes": ["*"], "columns": {"pay": ["sum"]}}
    loose = {"to": ["analyst"], "purposes": ["*"], "columns": {"pay": ["count"]}, "expressions": True}
    verdict = judge("SELECT SUM(pay * 2) AS s FROM visits", policy("alpha/visits", grants=[plain, loose]))
    assert [(r.code, r.clause) for r in verdict.reasons] == [("expressions-not-granted", "spec.grants[0].columns.pay")]


def test_a_mean_is_of_one_group_alone(decide):
    everybody_over_one = """
        SELECT a.s / b.n AS m FROM (SELECT SUM(age) AS s FROM visits) AS a
        CROSS JOIN (SELECT COUNT(age) AS n FROM visits WHERE id = 7) AS b"""
    assert ("age", "sum") in decide(everybody_over_one, {"age": ["mean"], "id": ["filter"]})


def test_a_mean_of_an_expression_counts_that_very_expression(decide):
    sql = "SELECT SUM(age + pay) / COUNT(CASE WHEN id = 7 THEN age + pay END) AS m FROM visits"
    granted = {"age": ["mean"], "pay": ["mean"], "id": ["mean", "filter"]}
    assert ("age", "sum") in decide(sql, granted, expressions=True)


JOIN = "SELECT region, SUM(pay) AS s FROM visits JOIN people ON id = pid GROUP BY region"
VISITS_JOINED = {"id": ["join_key"], "pay": ["sum", "join_payload"]}
PEOPLE_JOINED = {"pid": ["join_key"], "region": ["group_key", "join_payload"]}


def test_what_is_carried_over_a_join_needs_join_payload():
    accepted = judge(JOIN, policy("alpha/visits", VISITS_JOINED), policy("bravo/people", PEOPLE_JOINED))
    assert accepted.decision == "accept"
    bare = judge(
        JOIN,
        policy("alpha/visits", {"id": ["join_key"], "pay": ["sum"]}),
        policy("bravo/people", {"pid": ["join_key"], "region": ["group_key"]}),
    )
    assert refused(bare) == {("pay", "join_payload"), ("region", "join_payload")}


def test_a_matched_key_is_both_sides_key():
    sql = "SELECT pid FROM visits JOIN people ON id = pid"
    verdict = judge(
        sql, policy("alpha/visits", {"id": ["join_key", "count"]}), policy("bravo/people", {"pid": ["open"]})
    )
    assert refused(verdict) == {("id", "open")}


def test_a_count_of_a_join_counts_rows_of_both():
    sql = "SELECT COUNT(*) AS n FROM visits JOIN people ON id = pid"
    visits = policy("alpha/visits", {"id": ["join_key", "count"]})
    verdict = judge(sql, visits, policy("bravo/people", {"pid": ["join_key"]}))
    assert [(r.dataset, r.capability) for r in verdict.reasons] == [("bravo/people", "count")]


def test_every_policy_counts_and_the_most_restrictive_decides():
    tables = {"visits": Concat((scan("alpha/visits"), scan("bravo/visits", columns=VISITS)))}
    query = compile_query("SELECT SUM(pay) AS s FROM visits", tables, ("analyst",), ("alpha", "bravo", "carol"))
    generous = policy("alpha/visits", {"pay": ["open"]})
    bravo = generous.model_copy(update={"metadata": generous.metadata.model_copy(update={"dataset": "bravo/visits"})})
    strict = Policy.model_validate(
        {**bravo.model_dump(), "spec": {**bravo.spec.model_dump(), "grants": []}}, by_name=True
    )
    assert verify(query, {"alpha/visits": generous, "bravo/visits": bravo}, Request("research")).decision == "accept"
    verdict = verify(query, {"alpha/visits": generous, "bravo/visits": strict}, Request("research"))
    assert [(r.dataset, r.clause) for r in verdict.reasons] == [("bravo/visits", "spec.grants")]
    assert [stamp.dataset for stamp in verdict.policies] == ["alpha/visits", "bravo/visits"]


SUM = "SELECT SUM(pay) AS s FROM visits"


@pytest.mark.parametrize(
    ("to", "purposes", "recipients", "decision"),
    [
        (["analyst"], ["research"], ["analyst"], "accept"),
        (["*"], ["*"], ["analyst", "carol"], "accept"),
        (["analyst"], ["research"], ["analyst", "carol"], "reject"),
        (["analyst"], ["marketing"], ["analyst"], "reject"),
        (["carol"], ["research"], ["analyst"], "reject"),
        (["carol"], ["research"], ["alpha"], "accept"),  # the owner learns nothing new of its own data
    ],
)
def test_grants_hold_for_their_recipients_and_purposes(to, purposes, recipients, decision):
    grant = {"to": to, "purposes": purposes, "columns": {"pay": ["sum"]}}
    assert judge(SUM, policy("alpha/visits", grants=[grant]), recipients=recipients).decision == decision


def test_grants_add_up():
    def grant(columns):
        return {"to": ["analyst"], "purposes": ["research"], "columns": columns}

    both = policy("alpha/visits", grants=[grant({"pay": ["sum"]}), grant({"dept": ["group_key"]})])
    assert judge("SELECT dept, SUM(pay) AS s FROM visits GROUP BY dept", both).decision == "accept"


def test_a_dataset_without_a_policy_is_refused():
    verdict = judge(SUM)
    assert [(r.code, r.dataset) for r in verdict.reasons] == [("no-policy", "alpha/visits")]


def test_a_dataset_that_the_query_does_not_read_needs_a_policy_too():
    request = Request("research", ("alpha/visits", "bravo/people"))
    verdict = verify(plan(SUM), {"alpha/visits": policy("alpha/visits", {"pay": ["sum"]})}, request)
    assert [(r.code, r.dataset) for r in verdict.reasons] == [("no-policy", "bravo/people")]


def test_a_policy_on_another_dataset_is_refused():
    verdict = verify(plan(SUM), {"alpha/visits": policy("bravo/people", {"pid": ["sum"]})}, Request("research"))
    assert "wrong-dataset" in {r.code for r in verdict.reasons}


@pytest.mark.parametrize(
    ("compute", "codes"),
    [
        ({}, []),
        ({"protocols": ["replicated3"], "parties": ["alpha", "bravo", "carol", "dora"]}, []),
        ({"protocols": ["replicated3"], "parties": ["*"]}, []),
        ({"protocols": ["semi2k"]}, ["protocol-not-allowed"]),
        ({"protocols": []}, ["protocol-not-allowed"]),
        ({"parties": ["alpha", "bravo"]}, ["party-not-allowed"]),
    ],
)
def test_who_computes_and_how_is_the_owners_to_say(compute, codes):
    verdict = judge(
        JOIN,
        policy("alpha/visits", VISITS_JOINED, compute=compute),
        policy("bravo/people", PEOPLE_JOINED),
    )
    assert [r.code for r in verdict.reasons] == codes


def test_without_mpc_there_are_no_compute_parties():
    assert judge(SUM, policy("alpha/visits", {"pay": ["sum"]}, compute={"parties": []})).decision == "accept"


def test_equal_inputs_give_equal_bytes():
    def bytes_of(policies):
        return canonical_json(judge(JOIN, *policies).to_json())

    visits, people = policy("alpha/visits", {"pay": ["mean"]}), policy("bravo/people", {})
    assert bytes_of([visits, people]) == bytes_of([people, visits])
    verdict = json.loads(bytes_of([visits, people]))
    assert verdict["decision"] == "reject"
    assert [p["dataset"] for p in verdict["policies"]] == ["alpha/visits", "bravo/people"]
    assert all(len(p["digest"]) == 64 for p in verdict["policies"])


def test_a_refusal_is_explained_as_one_reads_it():
    verdict = judge(
        "SELECT dept, SUM(pay) AS total\nFROM visits\nGROUP BY dept",
        policy("alpha/visits", {"dept": ["group_key"], "pay": ["mean"]}),
    )
    assert (
        explain(verdict)
        == """\
reject, 1 reason:
PolicyViolation: analyst would learn sum(pay)
  where: query, line 1, column 14
  rule:  alpha/visits policy v3, spec.grants[0].columns.pay: grants analyst mean
  flow:  alpha/visits.pay -> sum(pay) by dept -> answer column total to analyst
  fix:   take it out of the query, or ask alpha to grant analyst sum of alpha/visits.pay"""
    )
    assert explain(judge(SUM, policy("alpha/visits", {"pay": ["sum"]}))) == (
        "accept: alpha/visits policy v3 for research"
    )


# Each with a policy in which nothing can be spared.
MINIMAL = [
    ("SELECT AVG(age) AS m FROM visits WHERE id > 5", {"age": ["mean"], "id": ["filter"]}, {}),
    (
        "SELECT dept, COUNT(*) AS n, AVG(pay) AS m FROM visits GROUP BY dept HAVING COUNT(*) > 9 ORDER BY n DESC LIMIT 3",
        {"dept": ["group_key"], "pay": ["mean", "count"]},
        {},
    ),
    (JOIN, VISITS_JOINED, PEOPLE_JOINED),
    (
        "SELECT MIN(age) AS a, MAX(pay) AS b FROM visits JOIN people ON id = pid WHERE region = 'x'",
        {"id": ["join_key"], "age": ["min", "join_payload"], "pay": ["max", "join_payload"]},
        {"pid": ["join_key"], "region": ["filter"]},
    ),
    (CASE, {"pay": ["sum"], "id": ["sum", "filter"]}, {}),
]


@pytest.mark.parametrize(("sql", "visits", "people"), MINIMAL)
def test_without_any_one_capability_a_minimal_policy_refuses(sql, visits, people):
    def decision(**columns):
        policies = (
            policy(dataset, {name: c for name, c in granted.items() if c}, expressions=sql == CASE)
            for dataset, granted in (("alpha/visits", columns["visits"]), ("bravo/people", columns["people"]))
        )
        return judge(sql, *policies).decision

    everything = {"visits": visits, "people": people}
    assert decision(**everything) == "accept"
    for table, granted in everything.items():
        for column, capabilities in granted.items():
            for capability in capabilities:
                rest = [other for other in capabilities if other != capability]
                assert decision(**{**everything, table: {**granted, column: rest}}) == "reject", (column, capability)
