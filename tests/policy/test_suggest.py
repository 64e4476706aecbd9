"""What is suggested is enough, and each part of it is needed: over the corpus and the handbook's examples."""

import contextlib
import itertools
from pathlib import Path

import pytest

from conclave.compile import compile_query
from conclave.ir.errors import UnsupportedQuery
from conclave.ir.walk import scans_in
from policy.document import FilterRule, Policy, PolicyColumn, PolicyMetadata, PolicySpec
from policy.load import load_with_lines
from policy.permissions import granted
from policy.protections import protections_of
from policy.suggest import suggest
from policy.verify import Request, verify
from renderer.check import load_workspace
from renderer.plan import compile_run
from renderer.suggesting import suggested
from renderer.workflow import Workflow
from tests.policy import test_corpus, test_docs, test_speed
from tests.policy.conftest import plan, policy

GRANTABLE = {"not-granted", "expressions-not-granted", "comparison-not-granted"}
tpch = test_speed.tpch


def bare(policies):
    """The same policies, granting nothing."""
    return {
        name: each.model_copy(update={"spec": each.spec.model_copy(update={"grants": ()})})
        for name, each in policies.items()
    }


def check(made, policies, request):
    """Assert that the suggestion is enough and that nothing of it can be left out; return it."""
    suggestion = suggest(made, policies, request)
    verdict = verify(made, granted(policies, suggestion.permissions, request.purpose), request)
    assert not {reason.code for reason in verdict.reasons} & GRANTABLE
    assert verdict.reasons == suggestion.left
    for each in suggestion.permissions:
        others = [other for other in suggestion.permissions if other != each]
        refused = verify(made, granted(policies, others, request.purpose), request)
        about = {(r.code, r.dataset, r.column, r.recipient) for r in refused.reasons}
        assert about - {(r.code, r.dataset, r.column, r.recipient) for r in suggestion.left}, f"{each} is not needed"
    return suggestion


def of_corpus(case):
    workflow, _ = load_with_lines((case / "workflow.yaml").read_text(), "workflow.yaml", Workflow)
    spec, policies = workflow.spec, test_corpus.policies_of(case)
    tables = test_corpus.tables_of(workflow, case, policies)
    datasets = tuple(dataset for each in spec.tables.values() for dataset in each)
    shown = {tuple(name.split(".")): parties for name, parties in spec.mpc.cleartext.items()}
    protections = protections_of(policies)
    made = compile_query(spec.query, tables, spec.outputs.recipients, spec.mpc.compute, protections, shown)
    return made, policies, Request(spec.purpose, datasets)


@pytest.mark.parametrize("case", test_corpus.CASES, ids=lambda case: case.name)
def test_the_suggestion_is_enough_and_no_more_for_the_corpus(case):
    try:
        made, policies, request = of_corpus(case)
    except UnsupportedQuery:
        return
    fresh = check(made, bare(policies), request)
    more = check(made, policies, request)
    # What the policies have already is not asked for again.
    assert (more.permissions == ()) or fresh.permissions


def suggestions_for_the_refused():
    """Yield what is suggested for the refused cases of the corpus as their policies are, by name."""
    for case in test_corpus.CASES:
        if test_corpus.read(case / "expected.yaml")["verdict"] == "reject":
            with contextlib.suppress(UnsupportedQuery):
                yield case.name, suggest(*of_corpus(case))


@pytest.mark.deep
def test_most_of_the_corpus_could_be_allowed():
    """Otherwise the tests above would say little: no grant mends the rest."""
    n_allowed = 0
    for case in test_corpus.CASES:
        try:
            made, policies, request = of_corpus(case)
        except UnsupportedQuery:
            continue
        n_allowed += not suggest(made, bare(policies), request).left
    assert n_allowed >= 60
    mended = {name for name, found in suggestions_for_the_refused() if not found.left}
    assert len(mended) >= 40
    assert {
        "filter-another-value",
        "filter-within-a-month",
        "hybrid-without-a-grant",
        "hybrid-of-rows-that-pass",
    } <= mended


@pytest.mark.parametrize("query", test_docs.QUERIES, ids=lambda query: f"{query['word']} by {query['policies']}")
def test_the_suggestion_is_enough_and_no_more_for_the_handbook(query):
    policies = {each.metadata.dataset: each for each in map(test_docs.read, query["policies"].split())}
    grant = next(iter(policies.values())).spec.grants[0]
    tables = {each.metadata.dataset.split("/")[1]: test_docs.scan_of(each) for each in policies.values()}
    recipients = tuple((query["to"] or grant.to[0]).split())
    made = compile_query(query["sql"], tables, recipients, ("ewr", "jfk", "lga"), protections_of(policies))
    check(made, bare(policies), Request(query["purpose"] or grant.purposes[0]))


def test_a_mean_is_a_mean_and_no_sum_and_count():
    policies = {"alpha/visits": policy("alpha/visits")}
    made = plan("SELECT dept, AVG(pay) AS m FROM visits WHERE age > 3 GROUP BY dept", recipients=("analyst", "carol"))
    suggestion = check(made, policies, Request("research"))
    (grant,) = suggestion.grants("alpha/visits", "research")
    assert grant.to == ("analyst", "carol")
    assert grant.columns == {"age": ("filter",), "dept": ("group_key",), "pay": ("mean",)}
    assert not grant.expressions


def test_expressions_are_asked_for_where_they_are_needed_alone():
    policies = {"alpha/visits": policy("alpha/visits")}
    made = plan("SELECT SUM(pay) AS s, COUNT(CASE WHEN age > 3 THEN id END) AS n FROM visits")
    grants = check(made, policies, Request("research")).grants("alpha/visits", "research")
    assert [(grant.expressions, sorted(grant.columns)) for grant in grants] == [
        (False, ["age", "pay"]),
        (True, ["age", "id"]),
    ]


def rules_for(case, column="ward"):
    made, policies, request = of_corpus(test_corpus.FOLDER / case)
    suggestion = check(made, policies, request)
    assert suggestion.left == ()
    return [
        grant.filters.get(column) if "filter" in grant.columns.get(column, ()) else grant.columns
        for grant in suggestion.grants("hospital/stays", request.purpose)
    ]


@pytest.mark.parametrize(
    ("case", "column", "rule"),
    [
        ("filter-another-value", "ward", FilterRule(values=("Z",))),
        ("filter-list-with-another-value", "ward", FilterRule(values=("Z",))),
        ("filter-like", "ward", None),  # no rule lets it
        ("filter-by-a-day-of-the-month", "day", FilterRule(granularity="day")),
        ("filter-null-is-not-listed", "ward", FilterRule(values=(None,))),
    ],
)
def test_where_a_rule_stands_in_the_way_it_is_extended_by_what_is_compared(case, column, rule):
    assert rules_for(case, column) == [rule]


def test_who_is_to_see_keys_and_whose_is_said():
    made, policies, request = of_corpus(test_corpus.FOLDER / "hybrid-without-a-grant")
    suggestion = check(made, policies, request)
    assert suggestion.left == suggestion.grants("hospital/stays", request.purpose) == ()
    assert suggestion.shown("hospital/stays") == {"patient": ("insurer",)}
    assert suggestion.shown("insurer/persons") == {}


def test_who_sees_keys_of_rows_that_pass_is_granted_what_lets_them_pass():
    made, policies, request = of_corpus(test_corpus.FOLDER / "hybrid-of-rows-that-pass")
    suggestion = check(made, policies, request)
    assert suggestion.left == ()
    assert {each.recipient for each in suggestion.permissions} == {"insurer"}
    fresh = check(made, bare(policies), request)
    assert fresh.left == ()
    assert len(fresh.permissions) < 15


def test_what_cannot_be_mended_does_not_keep_what_is_not_needed():
    policies = {"alpha/visits": policy("alpha/visits", minimum={"subjects": 5})}
    suggestion = check(plan("SELECT SUM(pay) AS s FROM visits WHERE age > 3"), policies, Request("research"))
    assert suggestion.left
    assert len(suggestion.permissions) <= 3


def test_the_suggestion_is_enough_and_no_more_for_the_examples():
    n_workflows = 0
    for root in (Path("."), Path("examples")):
        workspace = load_workspace(root)
        for name in workspace.workflows:
            run = workspace.planned(name).run
            found = suggested(workspace, run, {})
            policies = {name: each.model_copy(update={"spec": PolicySpec(columns=each.spec.columns)})
                        for name, each in found.policies.items()}  # fmt: skip
            request = Request(run.purpose, tuple(policies))
            assert check(compile_run(run, policies), policies, request).left == ()
            n_workflows += 1
    assert n_workflows >= 6


@pytest.mark.deep
@pytest.mark.parametrize("part", range(6))
def test_the_suggestion_is_enough_and_no_more_for_tpch(tpch, part):
    """From policies that grant nothing at all, each of the queries is accepted."""
    for number, sql in itertools.islice(test_speed.QUERIES.items(), part, None, 6):
        made = compile_query(sql, tpch, ("analyst",), test_speed.PARTIES)
        empty = {scan.dataset: nothing(scan) for scan in scans_in(made.query)}
        assert check(made, empty, Request("research", tuple(empty))).left == (), number


def nothing(scan):
    columns = {f.name: PolicyColumn(type=str(f.type)) for f in scan.schema}
    metadata = PolicyMetadata(dataset=scan.dataset, version=1)
    return Policy(api_version="ccd.dev/v1alpha1", kind="Policy", metadata=metadata, spec=PolicySpec(columns=columns))
