"""How often two questions that have nothing to do with each other are reported: over TPC-H's queries and the examples."""

import itertools
from pathlib import Path

import pytest

from conclave.compile import compile_query
from policy.across import Answer, differences
from policy.releases import releases_of
from renderer.check import load_workspace
from renderer.plan import compile_run
from tests.policy import test_speed

tpch = test_speed.tpch
MOST_REPORTED = 80  # of 231 pairs, of which 189 share a dataset; most are the same revenue with other conditions


def pairs_that_share_data(answers):
    for one, other in itertools.combinations(answers, 2):
        mine, theirs = (frozenset().union(*(each.rows.datasets for each in answer.releases)) for answer in (one, other))
        if mine & theirs:
            yield one, other


def is_reported(one, other):
    found = differences(one, other, lambda dataset: True)
    assert bool(found) == bool(differences(other, one, lambda dataset: True))
    return bool(found)


@pytest.mark.deep
def test_few_pairs_of_tpch_are_reported(tpch):
    answers = [
        Answer(number, ("analyst",), releases_of(compile_query(sql, tpch, ("analyst",), test_speed.PARTIES).query))
        for number, sql in test_speed.QUERIES.items()
    ]
    pairs = [(one, other, is_reported(one, other)) for one, other in pairs_that_share_data(answers)]
    assert len(pairs) > 150
    assert sum(reported for _, _, reported in pairs) <= MOST_REPORTED
    assert not any(is_reported(answer, answer) for answer in answers)


def test_the_examples_are_reported_where_they_count_the_same_rows():
    """Flights by carrier, of all carriers and of the large ones: nobody gets both."""
    found = []
    for root in (Path("."), Path("examples")):
        workspace, answers = load_workspace(root), []
        for name in workspace.workflows:
            run = workspace.planned(name).run
            answers.append(Answer(name, run.outputs.recipients, releases_of(compile_run(run).query)))
        found += [(one.name, other.name, is_reported(one, other)) for one, other in pairs_that_share_data(answers)]
    assert found == [("arrival-delays", "market-concentration", True), ("aspirin-count", "comorbidity", False)]
