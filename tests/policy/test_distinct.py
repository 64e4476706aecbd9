"""COUNT(DISTINCT x): what it needs, said so that one can act on it, and what is suggested for it."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Aggregate, AggregateOutput, Concat
from conclave.ir.show import show
from policy.explain import explain
from policy.permissions import granted
from policy.regrouped import regrouped
from policy.suggest import suggest
from policy.verify import Request, verify
from tests.policy.conftest import judge, judge_tree, plan, policy, refused, scan

VISITS = scan("alpha/visits")
SQL = "SELECT COUNT(DISTINCT ssn) AS n FROM visits"


def count(over, name="n", **how):
    return AggregateOutput(name, "count", over, **how)


def test_a_refusal_says_which_capability_is_missing_and_where():
    said = explain(judge("SELECT dept, COUNT(DISTINCT age) AS n FROM visits GROUP BY dept", policy("alpha/visits")))
    assert "analyst would learn how many different values age has" in said
    assert "rule:  alpha/visits policy v3, spec.grants: grants analyst nothing for research" in said
    assert "flow:  alpha/visits.age -> count(distinct age) by dept -> answer column n to analyst" in said
    assert "ask alpha to grant analyst count_distinct of alpha/visits.age" in said


def test_a_refusal_of_a_match_says_so():
    sql = (
        "SELECT COUNT(DISTINCT x) AS n FROM (SELECT pay AS x FROM visits UNION ALL SELECT income AS x FROM people) AS u"
    )
    visits, people = policy("alpha/visits", {"pay": ["count_distinct"]}), policy("bravo/people", {"income": ["open"]})
    said = explain(judge(sql, visits, people))
    assert "how many different values pay has, and how many of them are among others that it knows" in said
    assert "ask alpha to grant analyst join_key of alpha/visits.pay" in said
    assert judge(sql, policy("alpha/visits", {"pay": ["count_distinct", "join_key"]}), people).decision == "accept"
    assert judge(sql, policy("alpha/visits", {"pay": ["group_key"]}), people).decision == "accept"


@pytest.mark.parametrize("capability", ["open", "group_key", "filter", "join_key", "sum", "min", "mean", "quantile"])
def test_whoever_may_know_some_values_matches_the_others(capability):
    sql = (
        "SELECT COUNT(DISTINCT x) AS n FROM (SELECT pay AS x FROM visits UNION ALL SELECT income AS x FROM people) AS u"
    )
    visits = policy("alpha/visits", {"pay": ["count_distinct"]})
    both = refused(judge(sql, visits, policy("bravo/people", {"income": ["count_distinct", capability]})))
    assert ("pay", "join_key") in both
    assert not refused(judge(sql, visits, policy("bravo/people", {"income": ["count_distinct", "count", "rank"]})))
    computing = policy("bravo/people", {"income": ["count_distinct"]}, expressions=True)
    assert refused(judge(sql, visits, computing)) == {("pay", "join_key")}


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        (["count_distinct"], set()),
        (["open"], set()),
        (["group_key", "count"], set()),  # their groups are not shown, and their number is that of persons
        (["group_key"], {("ssn", "count_distinct")}),
        (["count"], {("ssn", "count_distinct")}),
    ],
)
def test_persons_are_counted_by_whoever_may_count_different_ones(held, missing, decide):
    assert decide(SQL, {"ssn": held}, unique=("ssn",)) == missing


def test_a_key_of_several_columns_makes_groups_of_one():
    keyed = replace(VISITS, keys=frozenset({("age", "dept")}))
    by_dept = Aggregate(keyed, ("dept",), (count("age", is_distinct=True),))
    assert (
        refused(judge_tree(by_dept, policy("alpha/visits", {"dept": ["group_key"], "age": ["count_distinct"]})))
        == set()
    )
    lacking = judge_tree(by_dept, policy("alpha/visits", {"dept": ["group_key"], "age": ["group_key"]}))
    assert refused(lacking) == {("age", "count_distinct")}


def test_groups_by_any_grant_count_what_is_computed(decide):
    """Groups may be of what is computed, and a number of such values only if expressions are granted."""
    sql = "SELECT COUNT(DISTINCT age % 10) AS n FROM visits"
    assert decide(sql, {"age": ["group_key"]}) == set()
    assert decide(sql, {"age": ["count_distinct"]}) == {("age", "count_distinct")}
    assert decide(sql, {"age": ["count_distinct"]}, expressions=True) == set()
    personal = {"age": ["group_key", "count"]}
    assert decide(sql, personal, unique=("age",)) == {("age", "count_distinct")}
    assert decide(sql, personal, unique=("age",), expressions=True) == set()


def apart(node, *keys, **outputs):
    return Aggregate(node, keys, tuple(outputs.values()))


OF_ROWS = AggregateOutput("m", "count", None)
TOTAL = AggregateOutput("m", "sum", "m", is_total_of_counts=True)
PAIRS = apart(VISITS, "dept", "age", m=OF_ROWS)
NOT_AT_ONCE = {
    "a sum of counts that is NULL of no rows": apart(PAIRS, "dept", n=count("age"), m=replace(TOTAL, is_total_of_counts=False)),
    "the least of counts": apart(PAIRS, "dept", n=count("age"), m=AggregateOutput("m", "min", "m")),
    "nothing but totals": apart(PAIRS, "dept", m=TOTAL),
    "two columns more": apart(PAIRS, n=count("age")),
    "groups that NULL is one of": apart(apart(VISITS, "age"), n=count(None)),
    "values that are grouped by": apart(apart(VISITS, "age"), "age", n=count("age")),
    "a sum beside": apart(apart(VISITS, "age"), n=count("age"), s=AggregateOutput("s", "sum", "age")),
    "parts that count other things": apart(
        apart(Concat((PAIRS, apart(VISITS, "dept", "age", m=replace(OF_ROWS, over="pay")))), "dept", "age", m=TOTAL),
        "dept", n=count("age"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("root", NOT_AT_ONCE.values(), ids=NOT_AT_ONCE)
def test_what_is_not_certainly_the_same_decides_as_groups_do(root):
    assert ("age", "group_key") in refused(judge_tree(root, policy("alpha/visits", {"age": ["count_distinct"]})))


def test_groups_of_what_is_never_null_are_as_many_as_values():
    root = apart(apart(VISITS, "ssn"), n=count(None))
    assert show(regrouped(root)).startswith("aggregate: n = count(distinct ssn)")


def suggested(sql, tables, recipients=("analyst",)):
    made = compile_query(sql, tables, recipients, ("alpha", "bravo", "carol"))
    policies = {"alpha/visits": policy("alpha/visits")}
    other = policy("alpha/visits")
    metadata = other.metadata.model_copy(update={"dataset": "carol/visits"})
    policies["carol/visits"] = other.model_copy(update={"metadata": metadata})
    found = suggest(made, policies, Request("research"))
    assert verify(made, granted(policies, found.permissions, "research"), Request("research")).decision == "accept"
    return {(each.dataset, each.recipient, each.column, each.capability) for each in found.permissions}


def test_the_number_is_suggested_and_not_the_groups():
    both = Concat((VISITS, replace(VISITS, dataset="carol/visits", owner="carol")))
    assert suggested(SQL, {"visits": VISITS}) == {("alpha/visits", "analyst", "ssn", "count_distinct")}
    assert suggested(SQL, {"visits": both}) == {
        ("alpha/visits", "analyst", "ssn", "count_distinct"),
        ("carol/visits", "analyst", "ssn", "count_distinct"),
    }
    assert suggested(SQL, {"visits": both}, ("alpha",)) == {
        ("alpha/visits", "alpha", "ssn", "count_distinct"),  # to itself: those who compute count its values
        ("carol/visits", "alpha", "ssn", "count_distinct"),
        ("carol/visits", "alpha", "ssn", "join_key"),
    }


def test_an_owner_is_asked_before_others_count_its_values():
    both = Concat((VISITS, replace(VISITS, dataset="carol/visits", owner="carol")))
    made = plan(SQL, recipients=("alpha",), tables={"visits": both})
    grant = {"to": ["alpha"], "purposes": ["research"], "columns": {"ssn": ["count_distinct", "join_key"]}}
    policies = {"alpha/visits": policy("alpha/visits")}
    others = policy("alpha/visits", grants=[grant])
    metadata = others.metadata.model_copy(update={"dataset": "carol/visits"})
    policies["carol/visits"] = others.model_copy(update={"metadata": metadata})
    verdict = verify(made, policies, Request("research"))
    assert refused(verdict) == {("ssn", "count_distinct")}
    assert verdict.reasons[0].flow[-1].startswith("how many rows alpha puts into MPC, seen to ")
