"""What owners' workers ask besides the verdict, approvals and limits, is told wherever a policy's verdict is."""

import json
from pathlib import Path

from policy.parse import parse_policy
from policy.reserved import reserved
from tests.renderer.gitops import ccd, publish_policy

WORKFLOW = "workflows/visits-by-ward.yaml"
SAID = ["alpha has to approve this very run", "at most 3 runs per P30D", "none after 2027-06-30"]


def publish(root: Path) -> Path:
    publish_policy(root, "bravo/visits", "sum")
    file = publish_policy(root, "alpha/visits", "sum")
    file.write_text(file.read_text() + "  approval: explicit\n  limits: {runs: 3, per: P30D, until: 2027-06-30}\n")
    return file


def test_a_plan_tells_each_policys_limits_and_that_an_approval_is_needed(repository: Path) -> None:
    publish(repository)
    text = ccd(repository, "plan", WORKFLOW).stdout
    told = {
        each["dataset"]: each["reserved"]
        for each in json.loads(ccd(repository, "plan", WORKFLOW, "--json").stdout)["policies"]
    }
    markdown = ccd(repository, "plan", WORKFLOW, "--format", "markdown").stdout

    assert f"  alpha/visits           accept          v1, not signed; {'; '.join(SAID)}\n" in text
    assert "  bravo/visits           accept          v1, not signed\n" in text
    assert told == {"alpha/visits": SAID, "bravo/visits": []}
    assert f"| alpha/visits | v1, not signed | accepts; {'; '.join(SAID)} |" in markdown


def test_an_offline_verdict_tells_them_too_and_stays_the_same(repository: Path) -> None:
    files = [publish(repository), repository / "workflows/policies/bravo.visits.policy.yaml"]
    command = ("policy", "verify", "--workflow", WORKFLOW, "--policy", files[0], "--policy", files[1])
    result, document = ccd(repository, *command), json.loads(ccd(repository, *command, "--json").stdout)

    assert result.exit_code == 0
    verdict, _ = result.stdout.split("\nwhat the answer tells of whose columns\n")
    assert verdict == (
        "accept: alpha/visits policy v1, bravo/visits policy v1 for planning\n"
        "before any data is loaded, their owners' workers ask besides:\n"
        "  alpha/visits policy v1, spec.approval: alpha has to approve this very run\n"
        "  alpha/visits policy v1, spec.limits.runs: at most 3 runs per P30D\n"
        "  alpha/visits policy v1, spec.limits.until: none after 2027-06-30\n"
    )
    assert {each["dataset"]: each["reserved"] for each in document["policies"]} == {
        "alpha/visits": SAID,
        "bravo/visits": [],
    }


def test_each_limit_has_words_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    text = (
        publish_policy(tmp_path, "alpha/visits", "sum").read_text().replace("ward: {type", "ward: {values: [A], type")
    )
    text = text.replace('"decimal(10,2)"', '"decimal(10,2)", bounds: [0, 9]')
    text += "  noise: {epsilon: 1, unit: row}\n  limits: {runs: 1, epsilon: 4.5}\n"
    said = [(each.clause, each.what) for each in reserved(parse_policy(text, "policy"))]
    assert said == [
        ("spec.limits.runs", "at most 1 run in all"),
        ("spec.limits.epsilon", "at most epsilon 4.5 in all"),
    ]
