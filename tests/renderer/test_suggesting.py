"""`ccd policy suggest`: what each owner would have to grant, in a form that the verifier takes."""

import json
from pathlib import Path

from policy.parse import parse_policy
from renderer.suggesting import policy_text
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, publish_policy

WORKFLOW = "workflows/visits-by-ward.yaml"
FRESH = """\
---
# alpha: no policy of alpha/visits is known here. This one grants what the workflow needs, no more.
apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: "alpha/visits", version: 1}
spec:
  columns:
    ward: {type: "varchar(8)"}
    kind: {type: "varchar(20)"}
    cost: {type: "decimal(10,2)"}
  grants:
    - to: [carol]
      purposes: [planning]
      columns:
        cost: [sum]
        kind: [filter]
        ward: [count, group_key]
      filters: {kind: {values: ["it's a \\"test\\": {{ }}"]}}
"""
MORE = """\
# bravo: add to spec.grants of the policy of bravo/visits, v1; raise its version; sign it anew.
grants:
  - to: [alpha, carol]
    purposes: [planning]
    columns:
      cost: [sum]
"""


def test_each_owner_is_told_what_it_would_have_to_grant(repository: Path) -> None:
    publish_policy(repository, "bravo/visits", "mean")

    result = ccd(repository, "policy", "suggest", WORKFLOW)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"{FRESH}---\n{MORE}"


def test_what_is_written_is_accepted_and_nothing_of_it_can_be_left_out(repository: Path, tmp_path: Path) -> None:
    publish_policy(repository, "bravo/visits", "mean")
    assert ccd(repository, "policy", "suggest", WORKFLOW, "--out", tmp_path).exit_code == 0
    files = sorted(tmp_path.glob("*.policy.yaml"))
    given = [argument for file in files for argument in ("--policy", file)]
    assert ccd(repository, "policy", "verify", "--workflow", WORKFLOW, *given).exit_code == 0
    assert parse_policy(files[1].read_text(), "bravo").metadata.version == 2
    for word, instead in (("cost: [sum]", "cost: [min]"), ("ward: [count, group_key]", "ward: [group_key]")):
        whole = files[0].read_text()
        files[0].write_text(whole.replace(word, instead))
        assert ccd(repository, "policy", "verify", "--workflow", WORKFLOW, *given).exit_code == 30
        files[0].write_text(whole)


def test_where_nothing_is_missing_nothing_is_suggested(repository: Path) -> None:
    for dataset in ("alpha/visits", "bravo/visits"):
        publish_policy(repository, dataset, "sum")
    result = ccd(repository, "policy", "suggest", WORKFLOW)
    assert result.exit_code == 0
    assert "grants:" not in result.stdout
    assert result.stdout.count("has all that this workflow needs of it") == 2


def test_what_no_grant_can_mend_is_said(repository: Path) -> None:
    file = publish_policy(repository, "alpha/visits", "sum")
    file.write_text(file.read_text().replace("protocols: [replicated3]", "protocols: [another]"))
    result = ccd(repository, "policy", "suggest", WORKFLOW, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 30
    assert [reason["code"] for reason in document["left"]] == ["protocol-not-allowed"]
    assert "would be computed on by replicated3" in result.stderr
    assert {each["dataset"]: bool(each["grants"]) for each in document["datasets"]} == {
        "alpha/visits": False,
        "bravo/visits": True,
    }


def test_a_policy_in_words_says_what_the_policy_says() -> None:
    """Whatever clauses it has: the text is read again."""
    examples = Path(__file__).parents[1] / "policy/examples"
    for file in sorted(examples.glob("*.yaml")):
        policy = parse_policy(file.read_text(), file.name)
        assert parse_policy(policy_text(policy), file.name) == policy


def test_a_purpose_of_many_words_stays_one(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "purpose: planning", "purpose: 'yes: planning, [of] \"wards\"'")
    result = ccd(repository, "policy", "suggest", WORKFLOW, "--json")
    (grant,) = json.loads(result.stdout)["datasets"][0]["grants"]
    assert grant["purposes"] == ['yes: planning, [of] "wards"']
    assert ccd(repository, "policy", "suggest", WORKFLOW).exit_code == 0
