"""What is suggested is enough, and each part of it is needed: over the corpus and the handbook's examples."""

import pytest

from conclave.compile import compile_query
from conclave.ir.errors import UnsupportedQuery
from policy.load import load_with_lines
from policy.permissions import granted
from policy.protections import protections_of
from policy.suggest import suggest
from policy.verify import Request, verify
from renderer.workflow import Workflow
from tests.policy import test_corpus, test_docs
from tests.policy.conftest import plan, policy

GRANTABLE = {"not-granted", "expressions-not-granted", "comparison-not-granted"}


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
        assert {reason.code for reason in refused.reasons} & GRANTABLE, f"{each} is not needed"
    return suggestion


def of_corpus(case):
    workflow, _ = load_with_lines((case / "workflow.yaml").read_text(), "workflow.yaml", Workflow)
    spec, policies = workflow.spec, test_corpus.policies_of(case)
    tables = test_corpus.tables_of(workflow, case, policies)
    datasets = tuple(dataset for each in spec.tables.values() for dataset in each)
    made = compile_query(spec.query, tables, spec.outputs.recipients, spec.mpc.compute, protections_of(policies))
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


def test_most_of_the_corpus_could_be_allowed():
    """Otherwise the test above would say little: no grant mends the rest."""
    n_allowed = 0
    for case in test_corpus.CASES:
        try:
            made, policies, request = of_corpus(case)
        except UnsupportedQuery:
            continue
        n_allowed += not suggest(made, bare(policies), request).left
    assert n_allowed >= 60


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
