"""Variances and quantiles: capabilities of their own, for the plain column, in groups of more than one."""

import pytest

from conclave.ir.expressions import Column, Spread
from conclave.ir.nodes import Aggregate, AggregateOutput, Output, Project
from conclave.ir.types import Integer
from tests.policy.conftest import judge, judge_tree, policy, refused, scan

CALLS = {
    "VAR_SAMP(age)": "variance",
    "VAR_POP(age)": "variance",
    "STDDEV(age)": "variance",
    "STDDEV_POP(age)": "variance",
    "MEDIAN(age)": "quantile",
    "QUANTILE_CONT(age, 0.25)": "quantile",
    "QUANTILE_DISC(age, 0)": "quantile",
}
OTHERS = ["sum", "count", "mean", "min", "max", "group_key", "filter", "rank", "join_key", "join_payload"]


@pytest.mark.parametrize("call", CALLS)
def test_each_needs_the_capability_that_is_called_so(call, decide):
    sql, needed = f"SELECT dept, {call} AS a FROM visits GROUP BY dept", CALLS[call]
    granted = {"dept": ["group_key"], "age": [needed]}
    assert decide(sql, granted) == set()
    assert decide(sql, {**granted, "age": OTHERS}) == {("age", needed)}
    assert decide(sql, {**granted, "age": ["open"]}) == set()


@pytest.mark.parametrize("call", CALLS)
def test_of_a_single_row_each_is_the_value_or_tells_of_it(call, decide):
    sql = f"SELECT {call} AS a FROM visits GROUP BY id"
    assert ("age", "open") in decide(sql, {"id": ["open"], "age": ["variance", "quantile"]}, unique=("id",))


@pytest.mark.parametrize("call", CALLS)
def test_of_an_expression_each_needs_the_grant_to_say_so(call, decide):
    sql, needed = f"SELECT {call.replace('age', 'age * age')} AS a FROM visits", CALLS[call]
    assert decide(sql, {"age": [needed]}) == {("age", needed)}
    assert decide(sql, {"age": [needed]}, expressions=True) == set()


@pytest.mark.parametrize("call", CALLS)
def test_after_a_join_each_needs_the_right_to_be_put_there_and_tells_of_the_other_rows(call):
    sql, needed = f"SELECT {call} AS a FROM visits JOIN people ON id = pid", CALLS[call]
    granted = {"id": ["join_key"], "age": [needed]}
    people = policy("bravo/people", {"pid": ["join_key"]})
    assert ("age", "join_payload") in refused(judge(sql, policy("alpha/visits", granted), people))
    visits = policy("alpha/visits", {**granted, "age": [needed, "join_payload"]})
    assert refused(judge(sql, visits, people)) == set()
    # Who sees each value can tell from the variance how often it met a row.
    known = policy("alpha/visits", {**granted, "age": ["open"]})
    assert refused(judge(sql, known, people)) == {(None, "count")}


VISITS = scan("alpha/visits")
SQUARES = AggregateOutput("q", "sum_squares", "age")
SUM, COUNT = AggregateOutput("s", "sum", "age"), AggregateOutput("n", "count", "age")


def made_of(aggregate, count="n", total="s", squares="q"):
    parts = (Column(name, Integer(64)) for name in (count, total, squares))
    return Project(aggregate, (Output("v", Spread("var_pop", *parts)),))


def lacks(root, *capabilities):
    return refused(judge_tree(root, policy("alpha/visits", {"age": list(capabilities), "pay": ["sum", "count"]})))


def test_a_sum_of_squares_is_for_nobody_but_in_a_variance():
    alone = Aggregate(VISITS, ("dept",), (SQUARES,))
    whole = ["variance", *OTHERS]
    assert ("age", "open") in lacks(Project(alone, (Output("q", Column("q", Integer(64))),)), *whole)
    assert lacks(made_of(Aggregate(VISITS, (), (COUNT, SUM, SQUARES))), "variance") == set()


@pytest.mark.parametrize(
    "outputs",
    [
        (COUNT, AggregateOutput("s", "sum", "pay"), SQUARES),
        (AggregateOutput("n", "count", "pay"), SUM, SQUARES),
        (COUNT, SUM, AggregateOutput("q", "sum_squares", "pay")),
        (COUNT, AggregateOutput("s", "max", "age"), SQUARES),
        (COUNT, SUM, AggregateOutput("q", "sum", "age")),
    ],
)
def test_what_is_not_all_of_one_column_is_no_variance(outputs):
    assert lacks(made_of(Aggregate(VISITS, (), outputs)), "variance") != set()
