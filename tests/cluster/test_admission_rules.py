"""No rule of the admission policies stands there untested."""

import re

import pytest

from tests.cluster import test_admission_jobs, test_admission_network
from tests.cluster.federation import admission_of
from tests.cluster.tree import ROOT

RULE = re.compile(r"ccd/([\w-]+):")


@pytest.mark.parametrize(
    ("policy", "tried"),
    [
        ("ccd-jobs", {rule for rule, _ in test_admission_jobs.TRIES.values()}),
        ("ccd-networkpolicies", {rule for rule, _ in test_admission_network.TRIES.values()}),
    ],
)
def test_something_is_refused_by_every_rule(policy: str, tried: set[str]):
    [manifest] = [
        one
        for one in admission_of(ROOT)
        if one["kind"] == "ValidatingAdmissionPolicy" and one["metadata"]["name"] == policy
    ]
    rules = {RULE.match(validation["message"])[1] for validation in manifest["spec"]["validations"]}
    assert rules == tried
