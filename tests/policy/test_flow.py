"""The flow over trees that SQL cannot say today, and attempts to pass something off as what it is not."""

from dataclasses import replace

import pytest

from conclave.ir.expressions import Arithmetic, Column, Compare, Literal
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Output,
    Project,
    Sort,
    field_of,
)
from conclave.ir.types import Integer, Varchar
from conclave.ir.window import SortKey
from policy.flow import UnknownOperator, trace
from tests.policy.conftest import judge_tree, policy, refused, scan

VISITS = scan("alpha/visits")
AGE = {"age": ["mean"], "dept": ["group_key"]}


def column(node, name):
    field = field_of(node, name)
    return Column(name, field.type, field.nullable)


def project(node, *names, **outputs):
    kept = (Output(name, column(node, name)) for name in names)
    return Project(node, (*kept, *(Output(name, made) for name, made in outputs.items())))


def totals(node, *keys, s="s", n="n", over="age"):
    return Aggregate(node, keys, (AggregateOutput(s, "sum", over), AggregateOutput(n, "count", over)))


def divide(node, s="s", n="n"):
    return project(node, m=Arithmetic("/", column(node, s), column(node, n)))


def lacks(root, columns, **clauses):
    return refused(judge_tree(root, policy("alpha/visits", columns, **clauses)))


def test_an_order_by_what_is_not_shown_needs_rank():
    shown = project(Limit(Sort(VISITS, (SortKey("pay"),)), 1), "dept")
    assert lacks(shown, {"dept": ["open"]}) == {("pay", "rank")}
    assert lacks(shown, {"dept": ["open"], "pay": ["rank"]}) == set()
    assert lacks(shown, {"dept": ["open"], "pay": ["open"]}) == set()


def test_an_order_by_an_aggregate_that_is_not_shown_lets_it_in():
    by_pay = Sort(Aggregate(VISITS, ("dept",), (AggregateOutput("s", "sum", "pay"),)), (SortKey("s"),))
    assert lacks(project(by_pay, "dept"), {"dept": ["group_key"]}) == {("pay", "sum")}


def test_partial_aggregates_are_the_aggregate():
    parts = Concat((totals(VISITS, "dept"), totals(VISITS, "dept")))
    outputs = (AggregateOutput("s2", "sum", "s"), AggregateOutput("n2", "sum", "n", is_total_of_counts=True))
    whole = Aggregate(parts, ("dept",), outputs)
    assert lacks(project(whole, "dept", "s2"), {"age": ["sum"], "dept": ["group_key"]}) == set()
    assert lacks(divide(whole, "s2", "n2"), AGE) == set()
    assert lacks(project(whole, "s2"), AGE) == {("age", "sum")}


def test_an_average_node_is_a_mean():
    average = Aggregate(VISITS, ("dept",), (AggregateOutput("m", "avg", "age"),))
    assert lacks(average, AGE) == set()
    assert lacks(average, {"dept": ["group_key"], "age": ["sum"]}) == {("age", "mean")}


def only_one(node):
    return Filter(node, Compare("=", column(node, "dept"), Literal("x", Varchar(5))))


NULL = Literal(None, Integer(64))
SMUGGLED = {"age": ["mean"], "dept": ["group_key", "filter", "join_key", "join_payload"]}


def smuggle_over_a_concat():
    everything = totals(VISITS, "dept")
    sums = project(everything, "s", n=Literal(0, Integer(64)))
    counts = project(only_one(everything), "n", s=NULL)
    return Concat((sums, project(counts, "s", "n")))


def smuggle_over_a_join():
    everything = totals(VISITS, "dept")
    left = project(everything, "s", one=Literal(1, Integer(64)))
    right = project(only_one(everything), "n", uno=Literal(1, Integer(64)))
    return Join(left, right, (("one", "uno"),))


@pytest.mark.parametrize("smuggle", [smuggle_over_a_concat, smuggle_over_a_join])
def test_a_mean_cannot_be_made_of_sums_and_counts_of_different_rows(smuggle):
    mixed = smuggle()
    outputs = (AggregateOutput("s2", "sum", "s"), AggregateOutput("n2", "sum", "n", is_total_of_counts=True))
    assert lacks(divide(Aggregate(mixed, (), outputs), "s2", "n2"), SMUGGLED) == {("age", "sum"), ("age", "count")}


def test_a_mean_cannot_be_made_with_a_changed_sum():
    both = totals(VISITS)
    more = project(both, "n", s=Arithmetic("+", column(both, "s"), Literal(1000, Integer(64))))
    assert lacks(divide(more), AGE) == {("age", "sum"), ("age", "count")}


def test_a_mean_of_another_columns_count_is_none():
    two = Aggregate(VISITS, (), (AggregateOutput("s", "sum", "age"), AggregateOutput("n", "count", "id")))
    assert lacks(divide(two), {**AGE, "id": ["count"]}) == {("age", "sum")}


def test_an_aggregate_widened_to_rows_and_added_up_tells_their_number():
    one = project(Aggregate(VISITS, (), (AggregateOutput("s", "sum", "pay"),)), "s")
    wide = project(CrossOne(project(VISITS, "dept"), one), "s")
    again = Aggregate(wide, (), (AggregateOutput("t", "sum", "s"),))
    assert lacks(again, {"pay": ["sum"]}) == {(None, "count")}


def test_a_key_that_is_computed_is_its_columns():
    made = project(VISITS, "pay", k=Arithmetic("-", column(VISITS, "age"), column(VISITS, "id")))
    root = Aggregate(made, ("k",), (AggregateOutput("s", "sum", "pay"),))
    assert lacks(root, {"pay": ["sum"]}) == {("age", "group_key"), ("id", "group_key")}
    # With id unique, a computed key can tell single rows apart as well.
    personal = scan("alpha/visits", unique=("id",))
    made = project(personal, "pay", k=Arithmetic("-", column(personal, "age"), column(personal, "id")))
    root = Aggregate(made, ("k",), (AggregateOutput("s", "sum", "pay"),))
    assert ("pay", "open") in lacks(root, {"pay": ["sum"], "age": ["group_key"], "id": ["group_key"]})


def test_a_count_of_persons_rows_is_of_single_persons():
    personal = scan("alpha/visits", unique=("id",))
    root = project(Aggregate(personal, ("id",), (AggregateOutput("n", "count", None),)), "n")
    assert lacks(root, {"id": ["group_key", "count"]}) == {("id", "open")}


KEYED = replace(VISITS, keys=frozenset({("age", "dept")}))


def test_groups_by_a_key_of_several_columns_are_single_rows():
    granted = {"dept": ["group_key"], "age": ["group_key"], "pay": ["sum"]}
    root = Aggregate(KEYED, ("dept", "age"), (AggregateOutput("s", "sum", "pay"),))
    assert lacks(root, granted) == {("dept", "open"), ("age", "open"), ("pay", "open"), (None, "count")}
    assert lacks(replace(root, source=VISITS), granted) == set()
    # A part of the key is a column like others.
    assert lacks(replace(root, keys=("dept",)), granted) == set()


def test_a_key_of_several_columns_stands_for_the_row_that_a_join_matches():
    people = scan("bravo/people")
    root = project(Join(KEYED, people, (("id", "pid"),)), "dept", "age")
    visits = {"id": ["join_key"], "dept": ["open"], "age": ["open"]}
    named = policy("bravo/people", {"pid": ["join_key", "count"]})
    assert refused(judge_tree(root, policy("alpha/visits", visits), named)) == {("pid", "open")}
    assert refused(judge_tree(project(root, "dept"), policy("alpha/visits", visits), named)) == {("pid", "open")}
    alone = project(Join(project(KEYED, "id", "dept"), people, (("id", "pid"),)), "dept")
    assert refused(judge_tree(alone, policy("alpha/visits", visits), named)) == set()


def test_a_key_unique_on_the_other_side_of_a_join_makes_no_single_rows():
    people = scan("bravo/people", unique=("pid",))
    joined = Join(VISITS, people, (("id", "pid"),))
    root = project(Aggregate(joined, ("pid",), (AggregateOutput("s", "sum", "pay"),)), "s")
    visits = policy("alpha/visits", {"id": ["join_key", "group_key"], "pay": ["sum", "join_payload"]})
    verdict = judge_tree(root, visits, policy("bravo/people", {"pid": ["join_key", "group_key", "count"]}))
    assert verdict.decision == "accept"
    # ... but grouping by the other side's key is grouping by one's own.
    visits = policy("alpha/visits", {"id": ["join_key"], "pay": ["sum", "join_payload"]})
    verdict = judge_tree(root, visits, policy("bravo/people", {"pid": ["join_key", "group_key", "count"]}))
    assert refused(verdict) == {("id", "group_key")}


def test_grouping_by_a_name_that_is_unique_on_the_other_side_is_grouping_by_the_key():
    people = scan("bravo/people", unique=("pid", "region"))
    joined = Join(VISITS, people, (("id", "pid"),))
    root = project(Aggregate(joined, ("region",), (AggregateOutput("s", "sum", "pay"),)), "s")
    granted = {"id": ["join_key"], "pay": ["sum", "join_payload"]}
    names = policy("bravo/people", {"pid": ["join_key", "count"], "region": ["group_key", "join_payload"]})
    assert refused(judge_tree(root, policy("alpha/visits", granted), names)) == {("id", "group_key")}
    granted["id"] = ["join_key", "group_key"]
    assert refused(judge_tree(root, policy("alpha/visits", granted), names)) == set()


def test_influences_stay_when_their_column_is_gone():
    narrowed = project(only_one(VISITS), "pay")
    again = Aggregate(narrowed, (), (AggregateOutput("s", "sum", "pay"),))
    verdict = judge_tree(again, policy("alpha/visits", {"pay": ["sum"]}))
    assert refused(verdict) == {("dept", "filter")}
    assert verdict.reasons[0].flow == (
        "alpha/visits.dept",
        "where dept = 'x'",
        "every row of the answer to analyst",
    )


def test_what_no_rule_covers_is_refused():
    with pytest.raises(UnknownOperator):
        trace(Input("t1", VISITS.schema))
    median = Aggregate(VISITS, (), (AggregateOutput("m", "median", "pay"),))
    verdict = judge_tree(median, policy("alpha/visits", {"pay": ["open"]}))
    assert [r.code for r in verdict.reasons] == ["unknown-operator"]


def test_a_long_chain_of_shared_subtrees_is_followed_once_each():
    node = project(VISITS, "pay")
    for _ in range(40):
        node = Concat((node, node))
    assert lacks(Aggregate(node, (), (AggregateOutput("s", "sum", "pay"),)), {"pay": ["sum"]}) == set()
