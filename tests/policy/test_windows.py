"""What window functions tell: of single rows, whatever they are called."""

import pytest

from tests.policy.conftest import judge, policy, refused

SHOWN = {"dept": ["open"], "age": ["open"]}
HIDDEN = {
    "a running sum": "SUM(pay) OVER (ORDER BY age)",
    "a running sum, less itself": "SUM(pay) OVER (ORDER BY age ROWS UNBOUNDED PRECEDING)",
    "a total of groups": "SUM(pay) OVER (PARTITION BY dept)",
    "a mean of groups": "AVG(pay) OVER (PARTITION BY dept)",
    "the row before": "LAG(pay) OVER (ORDER BY age)",
    "the row itself": "LAG(pay, 0) OVER (ORDER BY age)",
    "the least": "MIN(pay) OVER (PARTITION BY dept ORDER BY age)",
    "a rank": "RANK() OVER (ORDER BY pay)",
    "a number": "ROW_NUMBER() OVER (PARTITION BY dept ORDER BY pay)",
    "the size of its group": "COUNT(*) OVER (PARTITION BY pay)",
    "a count of its values": "COUNT(pay) OVER (PARTITION BY dept)",
    "those before it": "COUNT(*) OVER (ORDER BY pay)",
    "a condition": "SUM(CASE WHEN pay > 1 THEN 1 ELSE 0 END) OVER (ORDER BY age)",
    "a condition on what counts": "COUNT(*) FILTER (WHERE pay > 1) OVER (ORDER BY age)",
}


@pytest.mark.parametrize("call", HIDDEN.values(), ids=HIDDEN)
def test_a_window_function_over_a_hidden_column_is_refused_whatever_else_is_granted(call, decide):
    sql = f"SELECT dept, age, {call} AS w FROM visits"
    granted = ["sum", "count", "mean", "min", "max", "group_key", "filter", "rank", "join_key", "join_payload"]
    assert ("pay", "open") in decide(sql, {**SHOWN, "pay": granted}, expressions=True)
    assert decide(sql, {**SHOWN, "pay": ["open"]}) == set()


def test_what_partitions_and_orders_is_told_with_the_value(decide):
    sql = "SELECT SUM(pay) OVER (PARTITION BY dept ORDER BY age) AS w FROM visits"
    assert decide(sql, {"pay": ["open"]}) == {
        ("dept", "open"), ("dept", "group_key"), ("age", "open"), ("age", "rank"),
    }  # fmt: skip


# One row of each person: what decides which, and that there is one for each, are told by the sum of all.
LATEST = """SELECT SUM(pay) AS s FROM
    (SELECT pay, ROW_NUMBER() OVER (PARTITION BY dept ORDER BY age DESC) AS n FROM visits) x WHERE n = 1"""


def test_rows_that_are_kept_by_their_number_are_decided_by_what_numbers_them(decide):
    assert decide(LATEST, {"pay": ["sum", "count"]}) == {
        ("dept", "group_key"), ("dept", "filter"), ("age", "rank"), ("age", "filter"),
    }  # fmt: skip
    granted = {"pay": ["sum", "count"], "dept": ["group_key", "filter"], "age": ["rank", "filter"]}
    assert decide(LATEST, granted) == set()
    assert decide(LATEST, {**granted, "pay": ["sum"]}) == {(None, "count")}


def test_an_aggregate_of_a_window_function_is_one_of_expressions(decide):
    sql = "SELECT MAX(s) AS m FROM (SELECT SUM(pay) OVER (ORDER BY age) AS s FROM visits) x"
    granted = {"pay": ["max", "count"], "age": ["max", "rank"]}
    assert {("pay", "max"), ("age", "max")} <= decide(sql, granted)
    assert decide(sql, granted, expressions=True) == set()


def test_ranks_of_groups_need_what_their_totals_need(decide):
    sql = "SELECT dept, RANK() OVER (ORDER BY SUM(pay)) AS r FROM visits GROUP BY dept"
    assert decide(sql, {"dept": ["group_key", "count"], "pay": ["sum"]}) == set()
    assert decide(sql, {"dept": ["group_key", "count"]}) == {("pay", "sum")}


def test_a_window_over_a_join_tells_of_both_sides():
    sql = "SELECT region, LAG(income) OVER (ORDER BY pay) AS w FROM visits JOIN people ON id = pid"
    people = policy("bravo/people", {n: ["open"] for n in ("pid", "region", "income")})
    assert ("pay", "open") in refused(judge(sql, policy("alpha/visits", {"id": ["open"], "pay": ["rank"]}), people))
    assert refused(judge(sql, policy("alpha/visits", {"id": ["open"], "pay": ["open"]}), people)) == set()
