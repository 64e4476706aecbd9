"""Ways to be told more than was granted. Each was accepted once; each query needs what it discloses to be granted."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat
from policy.protections import protections_of
from policy.verify import Request, verify
from tests.policy.conftest import VISITS, judge, policy, refused, scan

# Alpha's rows are about persons; bravo says nothing of that, and may be anybody's accomplice.
SUBJECT = {
    "id": {"type": "bigint", "subject": True},
    "ssn": {"type": "bigint"},
    "dept": {"type": "varchar(5)"},
    "pay": {"type": "integer"},
    "age": {"type": "integer"},
}


def visits(granted, **clauses):
    return policy("alpha/visits", granted, columns=SUBJECT, **clauses)


def on(dataset, word):
    """The same policy on another dataset."""
    return word.model_copy(update={"metadata": word.metadata.model_copy(update={"dataset": dataset})})


def people(granted):
    return policy("bravo/people", granted)


COPIED = "visits JOIN (SELECT pid, pid AS other, pid + 1 AS next FROM people) AS p ON id = pid"


@pytest.mark.parametrize("copy", ["other", "next"])
def test_a_copy_of_a_matched_key_is_the_key(copy):
    sql = f"SELECT {copy}, SUM(pay) AS s FROM {COPIED} GROUP BY {copy}"
    accomplice = people({"pid": ["join_key", "join_payload", "open", "count"]})
    missing = refused(judge(sql, visits({"id": ["join_key"], "pay": ["sum", "join_payload", "count"]}), accomplice))
    assert missing >= {("pay", "open"), ("id", "group_key")}
    shown = judge(f"SELECT {copy} FROM {COPIED}", visits({"id": ["join_key"], "pay": ["count"]}), accomplice)
    assert refused(shown) == {("id", "open")}


def test_what_is_equal_to_a_key_two_joins_away_is_the_key():
    sql = """SELECT first, SUM(pay) AS s
        FROM (SELECT pid AS first FROM people) AS a JOIN (SELECT pid AS second FROM people) AS b ON first = second
        JOIN visits ON second = id GROUP BY first"""
    alpha = visits({"id": ["join_key"], "pay": ["sum", "join_payload", "count"]})
    assert ("pay", "open") in refused(judge(sql, alpha, people({"pid": ["open"]})))


@pytest.mark.parametrize(
    "condition",
    ["id = pid", "id <= pid AND id >= pid", "id - pid = 0", "CASE WHEN id = pid THEN 1 ELSE 0 END = 1"],
)
def test_what_a_condition_holds_against_a_person_tells_persons_apart(condition):
    sql = f"SELECT pid, SUM(pay) AS s FROM visits JOIN people ON dept = region WHERE {condition} GROUP BY pid"
    alpha = visits({"id": ["filter"], "dept": ["join_key"], "pay": ["sum", "join_payload", "count"]})
    assert ("pay", "open") in refused(judge(sql, alpha, people({"pid": ["open"], "region": ["open"]})))


def test_a_condition_computed_first_holds_its_columns_against_one_another():
    sql = """SELECT pid, SUM(pay) AS s
        FROM (SELECT pid, pay, id - pid AS far FROM visits JOIN people ON dept = region) AS v
        WHERE far = 0 GROUP BY pid"""
    alpha = visits({"id": ["filter"], "dept": ["join_key"], "pay": ["sum", "join_payload", "count"]})
    assert ("pay", "open") in refused(judge(sql, alpha, people({"pid": ["open"], "region": ["open"]})))


def test_another_column_of_the_same_person_tells_persons_apart():
    sql = "SELECT ssn, SUM(pay) AS s FROM visits WHERE id = ssn GROUP BY ssn"
    granted = {"id": ["filter", "count"], "ssn": ["group_key", "filter"], "pay": ["sum"]}
    assert ("pay", "open") in refused(judge(sql, visits(granted)))


def test_what_is_shown_beside_an_equal_foreign_column_is_that_column():
    sql = "SELECT region FROM visits JOIN people ON id = pid WHERE dept = region"
    alpha = policy("alpha/visits", {"id": ["join_key", "count"], "dept": ["filter"]})
    assert refused(judge(sql, alpha, people({"pid": ["open"], "region": ["open"]}))) == {("dept", "open")}


def test_a_condition_on_one_owners_columns_changes_none_of_their_forms(decide):
    sql = "SELECT SUM(pay) AS s FROM visits WHERE pay > age OR ssn > 5"
    assert decide(sql, {"pay": ["sum", "filter"], "age": ["filter"], "ssn": ["filter"]}) == set()


def test_a_condition_on_an_aggregate_changes_no_forms():
    tables = {"visits": Concat((scan("alpha/visits"), scan("bravo/visits", columns=VISITS)))}
    sql = "SELECT AVG(age) AS m FROM visits WHERE age > (SELECT AVG(age) FROM visits)"
    plan = compile_query(sql, tables, ("analyst",), ("alpha", "bravo", "carol"))
    granted = policy("alpha/visits", {"age": ["mean", "filter"]})
    policies = {dataset: on(dataset, granted) for dataset in ("alpha/visits", "bravo/visits")}
    assert verify(plan, policies, Request("research")).reasons == ()


def test_a_join_with_constants_is_a_filter(decide):
    granted = {"id": ["join_key"], "pay": ["sum", "join_payload"]}
    constant = "SELECT SUM(pay) AS s FROM visits JOIN (SELECT DISTINCT 7 AS seven FROM visits) AS k ON id = seven"
    assert decide(constant, granted) == {("id", "filter")}
    granted["age"] = ["group_key", "join_key"]
    made = constant.replace("DISTINCT 7", "DISTINCT age * 0 + 7")
    assert decide(made, granted) == {("id", "filter")}
    assert decide(made, {**granted, "id": ["join_key", "filter"]}) == set()


BRAVO_IS_TOLD = {"to": ["bravo"], "purposes": ["*"], "columns": {"id": ["join_key"]}}


def test_a_count_of_one_sides_column_counts_the_other_sides_rows():
    sql = "SELECT COUNT(income) AS n FROM visits JOIN people ON id = pid"
    bravo = people({"pid": ["join_key"], "income": ["count", "join_payload"]})
    verdict = judge(sql, policy("alpha/visits", {"id": ["join_key"]}), bravo)
    assert [(r.dataset, r.capability) for r in verdict.reasons] == [("alpha/visits", "count")]


def test_a_sum_of_what_one_knows_counts_the_other_sides_rows():
    sql = "SELECT region, SUM(income) AS s FROM visits JOIN people ON id = pid GROUP BY region"
    told = judge(sql, policy("alpha/visits", grants=[BRAVO_IS_TOLD]), people(None), recipients=("bravo",))
    assert [(r.dataset, r.capability) for r in told.reasons] == [("alpha/visits", "count")]
    # Who does not know the incomes cannot tell.
    bravo = people({"pid": ["join_key"], "region": ["open"], "income": ["sum", "join_payload"]})
    assert judge(sql, policy("alpha/visits", {"id": ["join_key"]}), bravo).decision == "accept"


def test_grouping_first_spares_no_join_payload():
    sql = """SELECT dept, SUM(income) AS s FROM (SELECT DISTINCT id, dept FROM visits) AS v
        JOIN people ON id = pid GROUP BY dept"""
    granted = {"id": ["join_key", "group_key"], "dept": ["group_key"]}
    bravo = people({"pid": ["join_key"], "income": ["sum", "join_payload"]})
    assert refused(judge(sql, policy("alpha/visits", granted), bravo)) == {("dept", "join_payload")}
    # Labels beside labels are what their recipient could put together itself.
    labels = "(SELECT DISTINCT dept FROM visits) AS a JOIN (SELECT DISTINCT region FROM people) AS b ON dept = region"
    both = (
        policy("alpha/visits", {"dept": ["group_key", "join_key"]}),
        people({"region": ["group_key", "join_key"]}),
    )
    assert refused(judge(f"SELECT dept FROM {labels} GROUP BY dept", *both)) == set()


def test_a_mean_with_rows_made_up_is_no_mean(decide):
    """One row of 0 more in every group: with the mean itself, that gives sum and count."""
    sql = """SELECT dept, AVG(pay) AS m FROM (SELECT dept, pay FROM visits
        UNION ALL SELECT DISTINCT dept, {} AS pay FROM visits) AS u GROUP BY dept"""
    granted = {"dept": ["group_key"], "pay": ["mean"]}
    for made_up in ("0", "CASE WHEN 1 = 1 THEN 0 END", "1 + 1"):
        assert decide(sql.format(made_up), granted) == {("pay", "mean")}
    # NULL counts for nothing.
    assert decide(sql.format("NULL").replace("DISTINCT ", ""), granted) == set()


COUNTED = """SELECT SUM(x) AS s
    FROM (SELECT pay AS x FROM visits WHERE {} UNION ALL SELECT income FROM people) AS u GROUP BY x"""
ALPHA_IS_TOLD = {"to": ["alpha"], "purposes": ["research"], "columns": {"income": ["sum", "group_key"]}}


def test_what_decides_how_many_rows_the_compute_parties_count_is_for_the_owner_to_grant():
    """Alpha alone gets the answer, and its policy grants nothing: yet bravo would see whether ssn 7 earns that much."""
    sql = COUNTED.format("ssn = 7 AND pay > 50000")
    bravo = policy("bravo/people", grants=[ALPHA_IS_TOLD])
    verdict = judge(sql, policy("alpha/visits"), bravo, recipients=("alpha",))
    assert {(r.column, r.capability, r.recipient) for r in verdict.reasons} == {
        ("ssn", "filter", "bravo"),
        ("pay", "filter", "bravo"),
        ("pay", "group_key", "bravo"),
    }
    assert verdict.reasons[0].flow[-1] == "how many rows alpha puts into MPC, seen to bravo"
    for to in ("alpha", "bravo"):
        grant = {"to": [to], "purposes": ["*"], "columns": {"ssn": ["filter"], "pay": ["filter", "group_key"]}}
        assert judge(sql, policy("alpha/visits", grants=[grant]), bravo, recipients=("alpha",)).decision == "accept"


def test_which_rows_a_limit_keeps_does_not_decide_how_many():
    sql = "SELECT x FROM (SELECT pay AS x FROM visits UNION ALL SELECT income FROM people) AS u ORDER BY x LIMIT 3"
    bravo = policy("bravo/people", grants=[{**ALPHA_IS_TOLD, "columns": {"income": ["open"], "ssn": ["count"]}}])
    assert judge(sql, policy("alpha/visits"), bravo, recipients=("alpha",)).decision == "accept"
    verdict = judge(
        sql.replace("FROM visits", "FROM visits WHERE age > 50"), policy("alpha/visits"), bravo, recipients=("alpha",)
    )
    assert {(r.column, r.capability, r.recipient) for r in verdict.reasons} == {("age", "filter", "bravo")}


def test_a_total_put_into_mpc_has_one_row_whatever_decides():
    sql = """SELECT SUM(x) AS s FROM (SELECT pay AS x FROM visits WHERE ssn = 7 UNION ALL SELECT income FROM people) AS u"""
    bravo = policy("bravo/people", grants=[ALPHA_IS_TOLD])
    assert judge(sql, policy("alpha/visits"), bravo, recipients=("alpha",)).decision == "accept"


MEMBERSHIP = {
    "semi": "SELECT dept FROM visits SEMI JOIN people ON id = pid",
    "in": "SELECT dept FROM visits WHERE id IN (SELECT pid FROM people)",
    "anti": "SELECT dept FROM visits ANTI JOIN people ON id = pid",
    "not in": "SELECT dept FROM visits WHERE id NOT IN (SELECT pid FROM people)",
    "not exists": "SELECT dept FROM visits WHERE NOT EXISTS (SELECT 1 FROM people WHERE pid = id)",
    "left": "SELECT dept FROM visits LEFT JOIN people ON id = pid WHERE region IS NULL",
    "a match as a column": "SELECT dept, region IS NULL AS lacks FROM visits LEFT JOIN people ON id = pid",
    "a count": "SELECT dept, (SELECT COUNT(*) FROM people WHERE pid = id) AS n FROM visits",
}


@pytest.mark.parametrize("sql", MEMBERSHIP.values(), ids=MEMBERSHIP)
def test_whether_a_row_has_a_match_is_a_match_of_keys(sql):
    missing = refused(judge(sql, visits({"dept": ["open"]}), people({"region": ["open"]})))
    assert missing >= {("id", "join_key"), ("pid", "join_key")}


@pytest.mark.parametrize("how", ["SEMI", "ANTI"])
def test_a_person_shown_by_a_semi_or_anti_join_shows_the_key_it_was_looked_up_by(how):
    sql = f"SELECT id FROM visits {how} JOIN people ON id = pid"
    assert ("pid", "open") in refused(judge(sql, visits({"id": ["open"]}), people({"pid": ["join_key", "count"]})))


def test_what_a_condition_below_not_exists_reads_decides_the_rows_above():
    sql = "SELECT dept FROM visits WHERE NOT EXISTS (SELECT 1 FROM people WHERE pid = id AND income > 100000)"
    granted = people({"pid": ["join_key", "count"]})
    assert ("income", "filter") in refused(judge(sql, visits({"id": ["open"], "dept": ["open"]}), granted))


def test_a_comparison_within_exists_decides_by_both_columns():
    sql = "SELECT dept FROM visits WHERE EXISTS (SELECT 1 FROM people WHERE pid = id AND income > pay)"
    missing = refused(judge(sql, visits({"id": ["open"], "dept": ["open"]}), people({"pid": ["open"]})))
    assert {column for column, _ in missing} == {"pay", "income"}


def test_a_row_in_both_tables_is_a_group_of_both_and_counts_them():
    sql = "SELECT age FROM visits INTERSECT SELECT income FROM people"
    missing = refused(judge(sql, visits({"dept": ["open"]}), people({"region": ["open"]})))
    assert {("age", "group_key"), ("income", "group_key")} <= missing


FUNCTIONS = {
    "a pattern": (
        "SELECT dept LIKE 'A%' AS a, COUNT(*) AS n FROM visits GROUP BY 1",
        {("dept", "group_key"), ("dept", "filter")},
    ),
    "a pattern that drops rows": ("SELECT COUNT(*) AS n FROM visits WHERE dept LIKE 'A%'", {("dept", "filter")}),
    "a part": ("SELECT SUBSTRING(dept FROM 1 FOR 2) AS d FROM visits", {("dept", "open")}),
    "a rounded number": ("SELECT ROUND(pay / 1000, 0) AS p FROM visits", {("pay", "open")}),
    "a rounded sum's parts": ("SELECT SUM(FLOOR(pay / 7)) AS p FROM visits", {("pay", "sum")}),
    "what counts once": ("SELECT COUNT(DISTINCT ssn) AS n FROM visits", {("ssn", "count_distinct")}),
    "what counts under a condition": ("SELECT COUNT(*) FILTER (WHERE ssn = 123) AS n FROM visits", {("ssn", "filter")}),
}


@pytest.mark.parametrize(("sql", "wanted"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_function_of_a_column_tells_of_the_column(sql, wanted, decide):
    assert decide(sql, {"age": ["open", "count"]}) >= wanted


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ("(dept, ssn) = ('a', 7) OR age = 0", "reject"),
        ("(dept = 'a' AND ssn = 7) OR age = 0", "reject"),
        ("dept = 'a' OR age = 0", "accept"),
        ("dept = 'a' AND ssn > 7 AND age = 0", "accept"),
    ],
)
def test_all_columns_of_a_key_are_a_person_under_a_minimum(condition, decision):
    asking = visits({name: ["open"] for name in SUBJECT}, minimum={"subjects": 5}, expressions=True)
    table = replace(scan("alpha/visits"), keys=frozenset({("dept", "ssn")}))
    sql = f"SELECT SUM(pay) AS s, COUNT(*) AS n FROM visits WHERE {condition}"
    policies = {"alpha/visits": asking}
    plan = compile_query(sql, {"visits": table}, ("analyst",), ("alpha", "bravo", "carol"), protections_of(policies))
    assert verify(plan, policies, Request("research")).decision == decision
