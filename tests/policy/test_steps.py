"""A plan whose steps do otherwise than its query says is refused, whoever made it."""

from dataclasses import replace

import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Aggregate, Concat, Input, Sort
from conclave.local.sqltext import to_sql
from conclave.passes.aggregate_before_join import aggregate_before_join
from conclave.plan.lower import lower
from conclave.plan.runs import without_runs
from conclave.plan.steps import Disclosure, LocalStep, MpcStep, RevealStep, SendStep, ShareStep
from conclave.ranges import with_checks
from policy.canonical import canonical_json, digest
from policy.protections import protections_of
from policy.steps import check_steps
from policy.verify import Request, verify
from tests.policy.conftest import COLUMNS, plan, policy, scan

JOINED = "SELECT region, SUM(pay) AS s FROM visits JOIN people ON id = pid GROUP BY region"
POLICIES = {
    "alpha/visits": policy("alpha/visits", {"id": ["join_key"], "pay": ["sum", "join_payload"]}),
    "bravo/people": policy("bravo/people", {"pid": ["join_key"], "region": ["group_key", "join_payload"]}),
}

# No key is declared unique: compiled plans aggregate a side of the join before it.
REPEATED = [
    JOINED,
    "SELECT region, AVG(pay) AS a, COUNT(*) AS n FROM visits JOIN people ON id = pid GROUP BY region",
    "SELECT SUM(pay) AS s, MIN(income) AS low, COUNT(age) AS n FROM visits JOIN people ON id = pid WHERE dept = 'x'",
    "SELECT dept, SUM(income) AS s FROM visits LEFT JOIN people ON id = pid GROUP BY dept HAVING COUNT(*) > 2",
    "SELECT SUM(s) AS s FROM (SELECT region, SUM(pay) AS s FROM visits JOIN people ON id = pid GROUP BY region) x",
    "SELECT dept, VAR_POP(income) AS v FROM visits JOIN people ON id = pid GROUP BY dept",
]
GRANTS = {
    "alpha/visits": {
        "id": ["join_key"],
        "pay": ["sum", "mean", "join_payload"],
        "age": ["count", "filter", "join_payload"],
        "dept": ["filter", "group_key", "join_payload"],
    },
    "bravo/people": {
        "pid": ["join_key", "count"],
        "region": ["group_key", "join_payload"],
        "income": ["sum", "min", "variance", "join_payload"],
    },
}


def codes(made):
    return [reason.code for reason in verify(made, POLICIES, Request("research")).reasons]


def changed(made, kind, **fields):
    """The plan with its first step of a kind changed."""
    first = next(step for step in made.steps if isinstance(step, kind))
    return replace(made, steps=tuple(replace(s, **fields) if s is first else s for s in made.steps))


@pytest.fixture
def joined():
    return plan(JOINED)


def test_compiled_plans_pass(joined):
    assert codes(joined) == []
    assert codes(plan("SELECT SUM(pay) AS s FROM visits")) == []
    ordered = plan(JOINED + " ORDER BY s DESC LIMIT 3", recipients=("analyst", "alpha"))
    assert set(codes(ordered)) == {"not-granted"}  # to alpha: that is no fault of the steps


def test_a_local_step_over_anothers_rows_is_refused(joined):
    assert "cleartext" in codes(changed(joined, LocalStep, party="bravo"))


def test_sharing_a_table_that_one_does_not_hold_is_refused(joined):
    assert "cleartext" in codes(changed(joined, ShareStep, source="elsewhere"))


def test_mpc_over_scans_is_refused(joined):
    scans = next(step for step in joined.steps if isinstance(step, LocalStep)).query
    assert "cleartext" in codes(changed(joined, MpcStep, operator=scans))


def test_a_sort_left_out_without_a_reason_is_refused():
    sql = "SELECT pid, region, SUM(pay) AS s FROM visits JOIN people ON id = pid GROUP BY pid, region"
    told = plan(sql, unique=("pid",))
    *_, groups = (step for step in told.steps if isinstance(step, MpcStep) and step.sorts_by)
    assert groups.sorts_by == ("pid",)
    assert "unfaithful" not in codes(told)
    for wrong in (
        replace(groups, sorts_by=("region",)),
        replace(groups, sorts_by=()),
        replace(groups, in_order="all"),
        replace(groups, in_order="existing"),
    ):
        assert "unfaithful" in codes(replace(told, steps=tuple(wrong if s is groups else s for s in told.steps)))


def test_rows_that_nobody_put_in_order_are_not_merged():
    both = replace(scan("alpha/visits"), dataset="bravo/people", owner="bravo")
    sql, tables = "SELECT id, SUM(pay) AS s FROM visits GROUP BY id", {"visits": Concat((scan("alpha/visits"), both))}
    told = compile_query(sql, tables, ("analyst",), ("alpha", "bravo", "carol"))
    share = next(step for step in told.steps if isinstance(step, ShareStep))
    groups = next(step for step in told.steps if isinstance(step, MpcStep) and step.merges)
    assert list(check_steps(told)) == []
    assert (share.order, groups.merges) == (("id",), ("s1", "s2"))
    for step, wrong in (
        (share, replace(share, order=())),
        (share, replace(share, order=("s",))),
        (share, replace(share, order=("id", "s"))),
        (groups, replace(groups, merges=())),
        (groups, replace(groups, merges=("s2", "s1"))),
        (groups, replace(groups, merges=("s1",))),
    ):
        changed = replace(told, steps=tuple(wrong if s is step else s for s in told.steps))
        assert {reason.code for reason in check_steps(changed)} == {"unfaithful"}
    nobody = replace(told, steps=tuple(map(without_runs, told.steps)))
    assert {reason.code for reason in check_steps(nobody)} == {"unfaithful"}
    cheetah = replace(told, mpc=replace(told.mpc, protocol="cheetah", compute=("alpha", "bravo")))
    assert {reason.code for reason in check_steps(cheetah)} == {"unfaithful"}


def test_a_step_left_out_is_refused(joined):
    """As if the compiler forgot to suppress: every step may be right by itself, and the answer is another one."""
    *_, last = (step for step in joined.steps if isinstance(step, MpcStep))
    below = next(step for step in joined.steps if step.name == last.operator.source.name)
    skipping = replace(last, operator=replace(last.operator, keys=("region",), outputs=()))
    assert "unfaithful" in codes(changed(joined, RevealStep, source=below.name))
    assert "unfaithful" in codes(replace(joined, steps=tuple(skipping if s is last else s for s in joined.steps)))


def test_sql_that_is_not_the_steps_query_is_refused(joined):
    assert codes(changed(joined, LocalStep, sql='SELECT * FROM "alpha/visits"')) == ["unfaithful"]


def test_opening_to_others_is_refused(joined):
    assert codes(changed(joined, RevealStep, recipients=("analyst", "mallory"))) == ["unknown-disclosure"]


def test_opening_an_input_instead_of_the_answer_is_refused(joined):
    share = next(step for step in joined.steps if isinstance(step, ShareStep))
    assert codes(changed(joined, RevealStep, source=share.name, schema=share.schema)) == [
        "unfaithful",
        "unknown-disclosure",
    ]


def test_opening_twice_is_refused(joined):
    reveal = next(step for step in joined.steps if isinstance(step, RevealStep))
    again = replace(joined, steps=(*joined.steps, replace(reveal, name="again")))
    assert codes(again) == ["unknown-disclosure"]


def test_sending_to_others_is_refused():
    made = plan("SELECT SUM(pay) AS s FROM visits")
    assert codes(changed(made, SendStep, recipients=("mallory",))) == ["unknown-disclosure"]


def test_a_disclosure_of_another_kind_is_refused(joined):
    more = Disclosure(("bravo",), "join_key", "t1", "alpha")
    assert codes(replace(joined, disclosures=(*joined.disclosures, more))) == ["unknown-disclosure"]


SHOWN = {("visits", "id"): ("bravo",), ("people", "pid"): ("bravo",)}
SHOWING = POLICIES | {
    "alpha/visits": policy(
        "alpha/visits", {"id": ["join_key"], "pay": ["sum", "join_payload"]}, compute={"cleartextTo": {"id": ["bravo"]}}
    )
}


def codes_of_keys(change=lambda made: made, policies=SHOWING):
    tables = {dataset.split("/")[1]: scan(dataset, {"id", "pid"} & set(COLUMNS[dataset])) for dataset in COLUMNS}
    made = compile_query(JOINED, tables, ("analyst",), ("alpha", "bravo", "carol"), cleartext=SHOWN)
    assert next(step.seen_by for step in made.steps if isinstance(step, MpcStep)) == ("bravo",)
    return [reason.code for reason in verify(change(made), policies, Request("research")).reasons]


def test_keys_are_seen_by_whom_their_owner_shows_them_and_by_nobody_else():
    assert codes_of_keys() == []
    assert codes_of_keys(policies=POLICIES) == ["cleartext-not-granted"]
    assert "unknown-disclosure" in codes_of_keys(lambda made: changed(made, MpcStep, seen_by=("analyst",)))
    assert "cleartext-not-granted" in codes_of_keys(lambda made: changed(made, MpcStep, seen_by=("carol",)))
    assert "unknown-disclosure" in codes_of_keys(lambda made: changed(made, MpcStep, seen_by=("alpha", "bravo")))


def test_a_plan_that_does_not_tell_of_keys_it_shows_is_refused():
    def silent(made):
        return replace(made, disclosures=tuple(d for d in made.disclosures if d.kind != "keys"))

    assert codes_of_keys(silent) == ["unknown-disclosure"]


COUNTING = {
    dataset: each.model_copy(
        update={
            "spec": each.spec.model_copy(update={"compute": each.spec.compute.model_copy(update={"sizes_to": ("*",)})})
        }
    )
    for dataset, each in POLICIES.items()
}


def codes_of_sizes(change=lambda made: made, policies=COUNTING):
    tables = {dataset.split("/")[1]: scan(dataset, {"id", "pid"} & set(COLUMNS[dataset])) for dataset in COLUMNS}
    countable = frozenset({"visits", "people"})
    made = compile_query(JOINED, tables, ("analyst",), ("alpha", "bravo", "carol"), countable=countable)
    assert [step.is_compacted for step in made.steps if isinstance(step, MpcStep)] == [True, False]
    return [reason.code for reason in verify(change(made), policies, Request("research")).reasons]


def test_rows_are_counted_on_the_way_if_all_owners_say_so_and_the_plan_tells():
    def silent(made):
        return replace(made, disclosures=tuple(d for d in made.disclosures if d.kind != "pairs"))

    def last_too(made):
        return replace(
            made, steps=tuple(replace(s, is_compacted=True) if isinstance(s, MpcStep) else s for s in made.steps)
        )

    def out_of_order(made):
        return changed(made, MpcStep, operator=Sort(Input("s1", made.steps[1].schema), ()))

    assert codes_of_sizes() == []
    assert codes_of_sizes(policies=POLICIES) == ["size-not-granted"] * 2
    assert codes_of_sizes(policies=COUNTING | {"bravo/people": POLICIES["bravo/people"]}) == ["size-not-granted"]
    assert codes_of_sizes(silent) == ["unknown-disclosure"]
    assert codes_of_sizes(last_too) == ["unknown-disclosure"]
    assert "unknown-disclosure" in codes_of_sizes(out_of_order)


def test_a_policy_that_says_nothing_of_sizes_is_signed_as_before_there_were_any():
    plain = POLICIES["alpha/visits"]
    assert "sizesTo" not in canonical_json(plain).decode()
    assert digest(plain) != digest(COUNTING["alpha/visits"])


def without_rewriting(made):
    """The plan whose steps are the query's own, whatever may be rewritten."""
    return with_checks(lower(made.query, made.mpc, to_sql))


def policies_lacking(dataset, column, capability, **spec):
    """Policies that grant all of `GRANTS` but one thing."""
    granted = {name: {c: [*kinds] for c, kinds in columns.items()} for name, columns in GRANTS.items()}
    if column is not None:
        granted[dataset][column].remove(capability)
    return {name: policy(name, columns, expressions=True, **spec) for name, columns in granted.items()}


EVERYTHING = [(None, None, None)] + [
    (dataset, column, kind)
    for dataset, columns in GRANTS.items()
    for column, kinds in columns.items()
    for kind in kinds
]


@pytest.mark.parametrize("sql", REPEATED)
def test_an_aggregate_before_a_join_is_judged_as_the_query_is(sql):
    made = plan(sql)
    as_written = without_rewriting(made)
    assert made != as_written
    assert made.query == as_written.query
    for lacking in EVERYTHING:
        policies = policies_lacking(*lacking)
        verdicts = [verify(each, policies, Request("research")) for each in (made, as_written)]
        assert verdicts[0] == verdicts[1], lacking
    assert not verify(made, policies_lacking(None, None, None), Request("research")).reasons


@pytest.mark.parametrize("sql", REPEATED)
@pytest.mark.parametrize("spec", [{"minimum": {"subjects": 1}}, {"minimum": {"subjects": 5}}])
def test_where_subjects_are_protected_the_steps_are_the_querys_own(sql, spec):
    policies = policies_lacking(None, None, None, **spec)
    tables = {dataset.split("/")[1]: scan(dataset) for dataset in COLUMNS}
    made = compile_query(sql, tables, ("analyst",), ("alpha", "bravo", "carol"), protections_of(policies))
    assert all(output.times is None for step in made.steps if isinstance(step, MpcStep) for output in outputs_of(step))
    rewritten = [reason.code for reason in verify(plan(sql), policies, Request("research")).reasons]
    assert "unfaithful" in rewritten


def outputs_of(step):
    return step.operator.outputs if isinstance(step.operator, Aggregate) else ()


@pytest.mark.parametrize("sql", REPEATED)
def test_what_is_told_on_the_way_to_a_rewritten_join_is_of_the_query(sql):
    made = plan(sql)
    told = replace(made.query, source=aggregate_before_join(made.query.source))
    alone = replace(with_checks(lower(told, made.mpc, to_sql)), query=made.query)  # one owner aggregates by itself
    policies = policies_lacking(None, None, None)
    assert "unfaithful" in {reason.code for reason in verify(alone, policies, Request("research")).reasons}
    first = next(s for s in made.steps if isinstance(s, MpcStep) and isinstance(s.operator, Aggregate))
    for shown in ({"seen_by": ("carol",)}, {"is_compacted": True}):
        steps = tuple(replace(step, **shown) if step is first else step for step in made.steps)
        reasons = verify(replace(made, steps=steps), policies, Request("research")).reasons
        assert "unfaithful" in {reason.code for reason in reasons}


def test_rows_that_are_not_counted_as_often_as_they_stand_are_noticed():
    made = plan("SELECT dept, SUM(pay) AS s FROM visits JOIN people ON id = pid GROUP BY dept")
    *_, last = (step for step in made.steps if isinstance(step, MpcStep) and isinstance(step.operator, Aggregate))
    once = replace(last.operator, outputs=tuple(replace(output, times=None) for output in last.operator.outputs))
    steps = tuple(replace(step, operator=once) if step is last else step for step in made.steps)
    assert last.operator.outputs[0].times is not None
    assert "unfaithful" in codes(replace(made, steps=steps))


def test_a_query_that_counts_rows_several_times_is_none_to_judge():
    made = plan("SELECT dept, SUM(pay) AS s FROM visits JOIN people ON id = pid GROUP BY dept")
    told = replace(made.query, source=aggregate_before_join(made.query.source))
    assert "unknown-operator" in codes(with_checks(lower(told, made.mpc, to_sql)))
