"""Plain queries: what they may be made of, and that attacks on a minimum are none."""

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Aggregate, AggregateOutput, Collect
from policy.document import Policy
from policy.plain import check_plain
from policy.protections import protections_of
from policy.verify import Request, verify
from tests.policy import test_corpus
from tests.policy.conftest import plan, policy, scan

OPEN = {name: ["open"] for name in ("id", "ssn", "dept", "pay", "age")}
KNOWN = {name: ["open"] for name in ("pid", "region", "income")}


def asked(dataset: str, granted: dict[str, list[str]], subject: str, queries: str = "plain") -> Policy:
    made = policy(dataset, granted, expressions=True, minimum={"subjects": 5, "queries": queries})
    columns = {n: c.model_copy(update={"subject": n == subject}) for n, c in made.spec.columns.items()}
    return made.model_copy(update={"spec": made.spec.model_copy(update={"columns": columns})})


def said(sql: str, recipients: tuple[str, ...] = ("analyst",), unique: tuple[str, ...] = ()) -> str:
    """Return why a query is not plain; "" if it is."""
    asking = (asked("alpha/visits", OPEN, "ssn"), asked("bravo/people", KNOWN, "pid"))
    policies = {each.metadata.dataset: each for each in asking}
    tables = {name.split("/")[1]: scan(name, unique) for name in policies}
    plan = compile_query(sql, tables, recipients, ("alpha", "bravo", "carol"), protections_of(policies))
    found = [r for r in verify(plan, policies, Request("research")).reasons if r.code == "minimum-not-plain"]
    assert all(reason.clause == "spec.minimum.queries" and reason.fix for reason in found)
    return "; ".join(sorted({reason.what for reason in found})).removeprefix("the query is not plain: ")


JOINED = "FROM visits JOIN people ON ssn = pid"
UNIQUE = {"unique": ("pid",)}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT dept, COUNT(*) AS n, SUM(pay) AS s, AVG(age) AS m, VAR_SAMP(pay) AS v FROM visits GROUP BY dept",
        "SELECT COUNT(DISTINCT ssn) AS n, MEDIAN(pay) AS m, MAX(age) AS o FROM visits",
        "SELECT dept, SUM(pay) / COUNT(*) AS m FROM visits WHERE age > 30 AND dept IN ('a', 'b') GROUP BY dept HAVING SUM(pay) > 7",
        "SELECT dept AS d, AVG(p) AS m FROM (SELECT dept, CAST(pay AS BIGINT) AS p FROM visits) AS x GROUP BY d ORDER BY m LIMIT 2",
        "SELECT UPPER(dept) AS d, SUM(pay) AS s FROM visits WHERE LENGTH(dept) > 2 GROUP BY 1",
        "SELECT CASE WHEN age < 18 THEN 'young' WHEN age < 65 THEN 'middle' ELSE 'old' END AS band, AVG(pay) AS m FROM visits GROUP BY band",
        "SELECT age // 10 AS decade, COUNT(*) AS n FROM visits GROUP BY decade ORDER BY decade",
        "SELECT dept, COUNT(*) AS n, COUNT(*) * 100.0 / SUM(COUNT(*)) OVER () AS share FROM visits GROUP BY dept",
        "SELECT dept, SUM(pay) AS s, RANK() OVER (ORDER BY SUM(pay) DESC) AS r FROM visits GROUP BY dept QUALIFY r <= 3",
    ],
)
def test_rows_as_they_are_stored_grouped_once_are_plain(sql):
    assert said(sql) == ""


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT region, AVG(pay) AS m {JOINED} WHERE age < 60 AND income > 5 GROUP BY region",
        "SELECT dept, SUM(pay) AS s FROM visits WHERE ssn IN (SELECT pid FROM people WHERE region = 'x') GROUP BY dept",
        f"SELECT region, COUNT(DISTINCT pid) AS n {JOINED} GROUP BY region",
        f"SELECT dept, MAX(income) AS most {JOINED} GROUP BY dept",
    ],
)
def test_rows_that_look_up_others_are_plain(sql):
    assert said(sql, **UNIQUE) == ""


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT dept FROM visits LIMIT 3", "scan visits @alpha is no grouping"),
        ("SELECT SUM(pay * age) AS s FROM visits", "pay * age is of several columns"),
        ("SELECT SUM(pay * pay) AS s FROM visits", "what is aggregated is computed of pay"),
        ("SELECT SUM(pay) FILTER (WHERE age > 3) AS s FROM visits", "is of several columns"),
        ("SELECT SUM(pay) AS s FROM (SELECT DISTINCT pay FROM visits) AS v", "groups are grouped again"),
        ("SELECT AVG(ssn) AS s FROM visits", "sum is of the person, ssn"),
        ("SELECT SUM(pay) AS s FROM visits WHERE age > 3 OR pay > 3", "the condition age > 3 or pay > 3 reads several columns"),
        ("SELECT SUM(pay) AS s FROM visits WHERE ssn < 100", "the condition ssn < 100 picks rows by the person"),
        ("SELECT SUM(pay) AS s FROM visits WHERE ssn % 2 = 1", "picks rows by the person"),
        ("SELECT ssn, SUM(pay) AS s FROM visits GROUP BY ssn", "rows are grouped by the person, ssn"),
        ("SELECT age > 60 AND pay > 5 AS old, SUM(pay) AS s FROM visits GROUP BY 1", "is of several columns"),
        ("SELECT ssn > 60 AS old, SUM(pay) AS s FROM visits GROUP BY 1", "rows are grouped by the person, ssn"),
        ("SELECT SUM(s) AS s FROM (SELECT dept, SUM(pay) AS s FROM visits GROUP BY dept) AS g", "groups are grouped again"),
        ("SELECT SUM(x) AS s FROM (SELECT pay AS x FROM visits UNION ALL SELECT income FROM people) AS u", "several tables are put together"),
        ("SELECT SUM(x) AS s FROM (SELECT pay AS x FROM visits WHERE age > 3 UNION ALL SELECT pay FROM visits) AS u", "is read more than once"),
        ("SELECT SUM(pay) AS s FROM visits WHERE pay > (SELECT AVG(income) FROM people)", "comes before the grouping"),
        ("SELECT SUM(pay) AS s FROM (SELECT pay, ROW_NUMBER() OVER (ORDER BY age) AS n FROM visits) AS w WHERE n > 2", "comes before the grouping"),
        (f"SELECT region, SUM(pay) AS s {JOINED} AND age = income GROUP BY region", "tables are joined by several columns"),
        ("SELECT SUM(pay) AS s FROM visits JOIN people ON ssn + 1 = pid", "joined by what the query computes"),
        (f"SELECT dept, SUM(income) AS s {JOINED} GROUP BY dept", "sum is of income, which the join may repeat"),
        (f"SELECT SUM(pay) AS s {JOINED} WHERE age > income", "the condition age > income reads several columns"),
    ],
)  # fmt: skip
def test_what_is_computed_before_the_grouping_is_not_plain(sql, why):
    assert why in said(sql, **UNIQUE)


def test_a_join_in_which_rows_meet_several_is_not_plain():
    assert said(f"SELECT region, SUM(pay) AS s {JOINED} GROUP BY region").startswith("a row may meet several")


def test_a_join_with_rows_of_who_is_told_is_not_plain():
    told = said(f"SELECT region, SUM(pay) AS s {JOINED} GROUP BY region", recipients=("analyst", "bravo"), **UNIQUE)
    assert told.startswith("rows are joined with bravo/people, which is a recipient's")


def test_a_sum_of_the_different_values_is_not_plain():
    total = Aggregate(scan("alpha/visits"), ("dept",), (AggregateOutput("s", "sum", "pay", is_distinct=True),))
    (reason,) = check_plain(Collect(total, ("analyst",)), {"alpha/visits": asked("alpha/visits", OPEN, "ssn")})
    assert reason.what == "the query is not plain: sum is of the different values alone"


def test_an_owner_asks_nothing_of_itself():
    sql = "SELECT SUM(pay * age) AS s FROM visits"
    reasons = verify(
        plan(sql, recipients=("alpha",)), {"alpha/visits": asked("alpha/visits", OPEN, "ssn")}, Request("research")
    ).reasons
    assert "minimum-not-plain" not in {reason.code for reason in reasons}


def test_any_query_is_what_a_minimum_lets_without_the_clause():
    any_query, plain = (asked("alpha/visits", OPEN, "ssn", queries) for queries in ("any", "plain"))
    without = policy("alpha/visits", OPEN, minimum={"subjects": 5})
    assert (
        "queries" not in without.model_dump(by_alias=True)["spec"]["minimum"]
    )  # as it was signed before there was one
    assert any_query.spec.minimum == without.spec.minimum
    assert plain.model_dump(by_alias=True)["spec"]["minimum"]["queries"] == "plain"


# Attacks whose shape is plain: statistics of one column, as many as people; NULLs; and what other clauses are about.
NOT_BY_SHAPE = {
    "counted-with-open-rows", "differencing-by-nulls", "ends-by-a-computed-group", "extremes-and-a-sum", "hybrid-of-rows-under-a-minimum",
    "noise-beside-a-minimum", "number-beside-a-mean-of-nulls", "numbered-rows-to-plain-queries",
    "numbers-of-numbered-rows", "quantiles-as-many-as-rows", "sizes-under-a-minimum",
    "spreads-tell-a-number", "weights-mean-and-spread",
}  # fmt: skip
# And those whose conditions leave few values of what is aggregated, which is asked of any query under a minimum.
OF_FEW_VALUES = {
    "two-ends-left", "two-neighbours-left", "two-values-left", "two-values-left-by-a-copy",
    "two-values-left-by-a-group", "two-values-left-by-a-lookup", "two-values-left-by-a-match", "two-values-left-by-a-rest",
    "two-values-left-by-bounds", "two-values-left-by-distances", "two-values-left-by-many-others", "two-values-left-by-what-is-null",
    "two-values-left-to-count", "two-values-left-to-the-largest", "two-values-left-without-bounds",
    "two-values-left-to-plain-queries",
}  # fmt: skip


def plainly(policies: dict[str, Policy]) -> dict[str, Policy]:
    """Return the policies with plain queries asked for wherever a minimum is."""
    made = {}
    for name, each in policies.items():
        if each.spec.minimum is not None:
            minimum = each.spec.minimum.model_copy(update={"queries": "plain"})
            each = each.model_copy(update={"spec": each.spec.model_copy(update={"minimum": minimum})})
        made[name] = each
    return made


def test_attacks_on_a_minimum_are_not_plain_by_their_shape_alone(monkeypatch):
    of_case, missed, refused = test_corpus.policies_of, set(), 0
    monkeypatch.setattr(test_corpus, "policies_of", lambda case: plainly(of_case(case)))
    for case in test_corpus.CASES:
        is_attack = test_corpus.read(case / "expected.yaml")["verdict"] == "reject"
        if not is_attack or not any(each.spec.minimum for each in of_case(case).values()):
            continue
        _, reasons, _ = test_corpus.verdict_on(case)
        if any(reason.startswith("minimum-not-plain") for reason in reasons):
            refused += 1
        elif reasons != {test_corpus.UNSUPPORTED}:
            missed.add(case.name)
    assert missed == NOT_BY_SHAPE | OF_FEW_VALUES
    assert refused > 130
