"""What is opened has to follow from the answer, and the answer from that: whatever a compiler makes of it is refused."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.expressions import Column, Compare, Literal, columns_of
from conclave.ir.nodes import Collect, Filter, Input, Limit, Output, Project, Sort
from conclave.ir.recovery import variance_of, variance_parts
from conclave.ir.types import Boolean, Integer
from conclave.ir.window import SortKey
from conclave.local.sqltext import to_sql
from conclave.plan.lower import lower
from conclave.plan.steps import LocalStep, MpcStep, RevealStep
from conclave.ranges import with_checks
from policy.protections import protections_of
from policy.verify import Request, verify
from tests.policy.conftest import COLUMNS, plan, policy, scan

FAULTS = {"unfaithful", "unknown-disclosure"}
JOINED = "FROM visits JOIN people ON id = pid GROUP BY region"
GRANTED = {
    "alpha/visits": {"id": ["join_key", "count"], "pay": ["sum", "mean", "min", "join_payload"]},
    "bravo/people": {"pid": ["join_key", "count"], "region": ["group_key", "join_payload"], "income": ["sum", "join_payload"]},
}  # fmt: skip
MEANS = f"SELECT region, AVG(pay) AS m, SUM(pay) AS s, COUNT(*) AS n {JOINED}"


def policies_of(**spec):
    return {name: policy(name, columns, expressions=True, **spec) for name, columns in GRANTED.items()}


def reasons(made, **spec):
    return [reason.code for reason in verify(made, policies_of(**spec), Request("research")).reasons]


def faults(made):
    return FAULTS & set(reasons(made))


def projected(made):
    node = made.query.source
    while not isinstance(node, Project):
        node = node.source
    return node


def opening(made, opened, after, cut=None):
    """The plan's query, answered by steps that open other columns, of which the recipient makes the answer."""
    below = Project(projected(made).source, tuple(opened))
    steps = lowered(below.source, made)
    operator = replace(below, source=Input(steps[-1].source, below.source.schema))
    steps = (*steps[:-1], MpcStep("p1", operator), replace(steps[-1], source="p1", schema=operator.schema))
    steps = lowered(cut(below), made) if cut is not None else steps
    query = Project(Input("r1", steps[-1].schema), tuple(after))
    return with_checks(replace(made, steps=(*steps, LocalStep("own", "analyst", query, to_sql(query)))))


def lowered(node, made):
    """The steps up to where a table is opened."""
    steps = lower(Collect(node, ("analyst",)), made.mpc, to_sql).steps
    return steps[: next(n for n, step in enumerate(steps, start=1) if isinstance(step, RevealStep))]


def with_all_below(made):
    """The steps open every column that the answer is computed of."""
    outputs = projected(made).outputs
    below = {c.name: Output(c.name, c) for o in outputs for c in columns_of(o.expression)}
    return opening(made, below.values(), outputs)


@pytest.mark.parametrize("spec", [{}, {"minimum": {"subjects": 5}}])
@pytest.mark.parametrize("unique", [(), ("id", "pid")])
def test_the_verdict_is_that_on_an_answer_that_is_opened_as_it_is(spec, unique, monkeypatch):
    tables = {dataset.split("/")[1]: scan(dataset, set(unique) & set(COLUMNS[dataset])) for dataset in COLUMNS}
    protections = protections_of(policies_of(**spec))
    how = (MEANS, tables, ("analyst",), ("alpha", "bravo", "carol"), protections)
    made = compile_query(*how)
    # As it is, if owners would look no more at sizes that MPC then had to look at.
    assert opened_by(made) == (["region", "m", "s", "n"] if spec and not unique else ["region", "s", "n"])
    monkeypatch.setattr("conclave.plan.push_up.without_derived", lambda *_: None)
    as_it_is = compile_query(*how)
    assert opened_by(as_it_is) == ["region", "m", "s", "n"]
    assert made.query == as_it_is.query
    assert reasons(made, **spec) == reasons(as_it_is, **spec)


def opened_by(made):
    (reveal,) = (step for step in made.steps if isinstance(step, RevealStep))
    return [f.name for f in reveal.schema]


REVERSIBLE = [
    "MIN(pay) + 1", "3 - MIN(pay)", "-CAST(MIN(pay) AS BIGINT)", "MIN(pay) * 2", "1.5 * MIN(pay) - 2", "CAST(MIN(pay) AS BIGINT)",
    "CAST(MIN(pay) AS DECIMAL(12, 2))", "MIN(pay)",
]  # fmt: skip
LOSSY = [
    "SUM(pay) / 7", "SUM(pay) // 7", "SUM(pay) % 7", "ROUND(SUM(pay) / 7)", "MIN(pay) * 0", "MIN(pay) & 3", "ABS(MIN(pay))",
    "CASE WHEN SUM(pay) > 3 THEN 1 ELSE 0 END", "SUM(pay) > 3", "SUM(pay) IS NULL", "AVG(pay)",
    "CAST(SUM(pay) AS DOUBLE)", "VAR_POP(pay)", "SUM(pay) + SUM(income)", "MIN(pay) * MIN(pay)", "SUM(pay) * 1e0", "NULLIF(MIN(pay), 3)",
]  # fmt: skip


@pytest.mark.parametrize("asked", REVERSIBLE)
def test_what_the_answer_tells_to_the_last_digit_may_be_opened_in_its_place(asked):
    assert not faults(with_all_below(plan(f"SELECT region, {asked} AS x, 1 AS one {JOINED}")))


@pytest.mark.parametrize("asked", LOSSY)
def test_what_the_answer_does_not_tell_is_not_opened(asked):
    assert faults(with_all_below(plan(f"SELECT region, {asked} AS x, 1 AS one {JOINED}"))) == FAULTS


def test_what_could_fail_at_the_recipients_is_not_left_to_them():
    """How a run ends, all its members see: that a sum is the largest there is would be told to others."""
    for asked in ("SUM(pay) + 1", "-SUM(pay)", "SUM(pay) * 10", "CAST(SUM(pay) AS DECIMAL(18, 0))"):
        assert faults(with_all_below(plan(f"SELECT region, {asked} AS x {JOINED}"))) == {"unfaithful"}, asked


def means(**changes):
    made = plan(MEANS)
    outputs = {o.name: o for o in projected(made).outputs}
    opened = [outputs[name] for name in ("region", "s", "n")]
    columns = {o.name: Output(o.name, Column(o.name, o.expression.type, o.expression.nullable)) for o in opened}
    after = [Output("region", columns["region"].expression), outputs["m"], columns["s"], columns["n"]]
    return made, opened, after


def test_the_steps_made_by_hand_are_those_of_the_compiler():
    made, opened, after = means()
    assert not faults(opening(made, opened, after))


VARIANCE = f"SELECT region, VAR_POP(pay) AS v {JOINED}"


def variance_in_parts(asked=VARIANCE):
    """The plan, what it opens with the variance in its two parts, and what recipients make of those."""
    made = plan(asked)
    region, variance = projected(made).outputs
    small, large = variance_parts(replace(variance.expression, function="var_pop"))
    opened = [region, Output("v", small), Output("w", large)]
    columns = {o.name: Column(o.name, o.expression.type, o.expression.nullable) for o in opened}
    return made, opened, [Output("region", columns["region"]), Output("v", variance_of(columns["v"], columns["w"]))]


def test_a_variance_is_opened_in_two_parts_that_are_added_up():
    made, opened, after = variance_in_parts()
    assert opened_by(made) == ["region", "v", "v_large"]
    assert not faults(made)
    assert not faults(opening(made, opened, after))
    region, whole = after
    for other in (whole.expression.left, variance_of(whole.expression.left, region.expression)):
        assert faults(opening(made, opened, [region, Output("v", other)])) == {"unfaithful"}
    swapped = [opened[0], opened[1], Output("w", replace(opened[2].expression, function="var_samp"))]
    assert faults(opening(made, swapped, after)) == FAULTS


def test_parts_of_a_variance_are_not_opened_where_the_answer_hides_it():
    for hidden in ("STDDEV_POP(pay)", "ROUND(VAR_POP(pay))", "VAR_POP(pay) > 3"):
        asked = plan(VARIANCE.replace("VAR_POP(pay)", hidden))
        made, _, _ = variance_in_parts()
        assert not faults(asked)
        assert faults(replace(asked, steps=made.steps)) == FAULTS


def test_an_answer_that_hides_what_its_means_are_of_is_not_opened_with_it():
    made = plan(MEANS)
    for hidden in ("s", "n"):
        asked = plan(MEANS.replace(", SUM(pay) AS s" if hidden == "s" else ", COUNT(*) AS n", ""))
        assert not faults(asked)
        assert faults(replace(asked, steps=made.steps)) == FAULTS
        assert faults(with_all_below(asked)) == FAULTS


def test_a_column_more_than_the_answer_tells_is_not_opened():
    made, opened, after = means()
    assert not faults(opening(made, [*opened, Output("twice", opened[1].expression)], after))  # which tells nothing
    more = Output("more", Compare("<", opened[2].expression, Literal(5, Integer(32))))
    assert faults(opening(made, [*opened, more], after)) == FAULTS


def test_recipients_make_nothing_else_of_what_is_opened():
    made, opened, after = means()
    region, mean, s, n = after
    wrong = [
        [region, mean, Output("s", n.expression), Output("n", s.expression)],
        [region, replace(mean, expression=replace(mean.expression, left=n.expression)), s, n],
        [mean, region, s, n],
        [region, mean, s],
    ]
    for each in wrong:
        assert faults(opening(made, opened, each)) == {"unfaithful"}


def changed_last(made, change):
    *steps, last = made.steps
    query = change(last.query)
    return replace(made, steps=(*steps, replace(last, query=query, sql=to_sql(query))))


def test_recipients_leave_no_row_out_and_do_it_once_each():
    made, opened, after = means()
    right = opening(made, opened, after)
    kept = Compare(">", after[3].expression, Literal(3, Integer(32)))
    assert not faults(changed_last(right, lambda query: Sort(query, (SortKey("m"),))))
    assert faults(changed_last(right, lambda query: Filter(query, kept))) == {"unfaithful"}
    assert faults(changed_last(right, lambda query: replace(query, source=Filter(query.source, kept)))) == {
        "unfaithful"
    }
    assert faults(changed_last(right, lambda query: Limit(Sort(query, (SortKey("m"),)), 2))) == {"unfaithful"}
    assert faults(replace(right, steps=right.steps[:-1])) == {"unfaithful"}
    assert faults(replace(right, steps=(*right.steps, replace(right.steps[-1], name="again")))) == {"unfaithful"}


def test_each_recipient_makes_the_answer():
    made = plan(MEANS, recipients=("analyst", "carol"))
    *steps, _ = made.steps
    assert not faults(made)
    assert faults(replace(made, steps=tuple(steps))) == {"unfaithful"}


def test_a_limit_cuts_by_what_the_query_says():
    made = plan(f"{MEANS} ORDER BY s, region LIMIT 2")
    assert not faults(made)
    _, opened, after = means()
    for keys, count, wanted in (
        (("s", "region"), 2, set()),
        (("n", "region"), 2, FAULTS),
        (("s",), 2, FAULTS),
        (("s", "region"), 3, FAULTS),
    ):
        order = tuple(SortKey(key) for key in keys)
        cut = opening(made, opened, after, cut=lambda node, order=order, count=count: Limit(Sort(node, order), count))
        assert faults(cut) == wanted, (keys, count)
    swapped = [opened[0], replace(opened[1], name="n"), replace(opened[2], name="s")]
    order = (SortKey("s"), SortKey("region"))
    assert faults(opening(made, swapped, after, cut=lambda node: Limit(Sort(node, order), 2))) == FAULTS
    assert faults(opening(made, opened, after)) == FAULTS


def test_rows_that_are_opened_are_the_querys():
    made, opened, after = means()
    fewer = Literal(False, Boolean())
    for wrong in (lambda node: Filter(node, fewer), lambda node: replace(node, source=Filter(node.source, fewer))):
        assert "unfaithful" in faults(opening(made, opened, after, cut=wrong))


def test_means_beside_sums_and_counts_are_for_two_parties_too():
    tables = {dataset.split("/")[1]: scan(dataset, {"id", "pid"} & set(COLUMNS[dataset])) for dataset in COLUMNS}
    made = compile_query(MEANS, tables, ("alpha", "bravo"), ("alpha", "bravo"), protocol="cheetah")
    assert not faults(made)
