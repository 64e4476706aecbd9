"""`ccd policy history`: what is asked now beside all that was merged, however it was called, retired or not."""

import json
import re
from pathlib import Path

from policy.identity import new_identity
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, commit_all, git, publish_policy

WORKFLOW = "workflows/visits-by-ward.yaml"
NOTE = (
    "This is a check, not a proof. It compares compiled queries, two at a time, and counts what is told of a column: not"
    " the data, not what recipients know otherwise, and not what else three answers tell together.\n"
)
GOLDEN = """\
workflows/all-but-one.yaml:10: DIFFERENCING RISK: all-but-one and visits-by-ward
  earlier:    visits-by-ward (visits-by-ward-RUN, COMMIT by Ann Alyst <ann@example.org> on DATE)
  both tell:  count(*), sum(cost)
  differ:     alpha/visits, bravo/visits: only all-but-one asks for cost <> 7
  learnt:     count(*) and sum(cost) of the rows of alpha/visits, bravo/visits that do not meet cost <> 7
  by:         alpha, carol, each of whom gets both answers
  what to do: ask exactly what was asked before, or of rows that have no row in common with it; or have alpha and bravo \
look at both and approve this run: ccd approve all-but-one

1 workflow held against 1 merged run: 1 differencing risk
"""


def propose(repository: Path, name: str, *changes: tuple[str, str]) -> str:
    """Write a workflow that asks what the merged one asks, but for some words; return its file."""
    text = (repository / WORKFLOW).read_text().replace("name: visits-by-ward", f"name: {name}")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (repository / f"workflows/{name}.yaml").write_text(text)
    return f"workflows/{name}.yaml"


def merge(repository: Path, message: str = "Merge") -> str:
    assert ccd(repository, "render").exit_code == 0
    return commit_all(repository, message)


ONE_LESS = ("GROUP BY ward", "AND cost <> 7 GROUP BY ward")


def test_a_sliver_less_is_a_risk_and_says_which_with_whom_and_what_to_do(repository: Path) -> None:
    propose(repository, "all-but-one", ONE_LESS)

    result = ccd(repository, "policy", "history")

    text = re.sub(r"\b[0-9a-f]{10}\b(?= by)", "COMMIT", re.sub(r"-[0-9a-f]{10}\b", "-RUN", result.stdout))
    assert result.exit_code == 30
    assert re.sub(r"\d{4}-\d\d-\d\d", "DATE", text) == GOLDEN + NOTE


def test_json_names_the_pair(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    propose(repository, "all-but-one", ONE_LESS)

    result = ccd(repository, "policy", "history", "--json")

    document = json.loads(result.stdout)
    (risk,) = document["risks"]
    assert (result.exit_code, document["blocks"], document["notCompared"]) == (30, True, [])
    assert (risk["workflow"], risk["standing"]) == ("all-but-one", "blocks")
    assert (risk["earlier"]["workflow"], risk["earlier"]["commit"]) == ("visits-by-ward", commit)
    assert risk["earlier"]["author"] == "Ann Alyst <ann@example.org>"
    assert risk["aggregates"] == ["count(*)", "sum(cost)"]
    assert risk["holders"] == ["alpha", "carol"]
    assert document["note"] == NOTE.strip()


def test_annotations_stand_at_the_query(repository: Path) -> None:
    file = propose(repository, "all-but-one", ONE_LESS)
    line = next(n for n, text in enumerate((repository / file).read_text().splitlines(), 1) if "query:" in text)

    github = ccd(repository, "policy", "history", "--annotate", "github").stdout
    gitlab = json.loads(ccd(repository, "policy", "history", "--annotate", "gitlab").stdout)

    assert github.startswith(
        f"::error file={file},line={line},col=3::spec.query: differencing risk with visits-by-ward"
    )
    assert gitlab[0]["location"] == {"path": file, "lines": {"begin": line}}


def test_other_rows_and_the_same_question_are_no_risk(repository: Path) -> None:
    propose(repository, "others", ("kind <> 'it''s", "kind = 'it''s"))
    propose(repository, "again", ("purpose: planning", "purpose: planning again"))

    result = ccd(repository, "policy", "history")

    assert (result.exit_code, result.stdout) == (
        0,
        f"2 workflows held against 1 merged run: no differencing risk that blocks\n{NOTE}",
    )


def test_a_retired_workflow_is_not_forgotten_nor_who_wrote_it(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "theirs")
    propose(repository, "retired", ("GROUP BY ward", "AND cost > 3 GROUP BY ward"))
    written = merge(repository, "Ask")
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--no-ff", "theirs", "--message", "Merge theirs")
    (repository / WORKFLOW).unlink()
    (repository / "workflows/retired.yaml").rename(repository / "workflows/now.yaml")
    edit(repository, "now.yaml", "name: retired", "name: now")
    edit(repository, "now.yaml", "cost > 3", "cost > 4")
    git(repository, "rm", "-r", "--quiet", "--cached", "argocd")
    merge(repository, "Retire both")

    document = json.loads(ccd(repository, "policy", "history", "workflows/now.yaml", "--json").stdout)

    earlier = {risk["earlier"]["workflow"]: risk["earlier"]["commit"] for risk in document["risks"]}
    assert set(earlier) == {"retired", "visits-by-ward"}
    assert earlier["retired"] == written


def test_what_was_never_on_the_branch_is_no_history(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "theirs")
    propose(repository, "draft", ("GROUP BY ward", "AND cost > 3 GROUP BY ward"))
    merge(repository, "Draft")
    (repository / "workflows/draft.yaml").unlink()
    merge(repository, "Think better of it")
    git(repository, "switch", "--quiet", "main")
    git(repository, "merge", "--quiet", "--no-ff", "theirs", "--message", "Merge theirs")
    propose(repository, "all-but-one", ONE_LESS)

    document = json.loads(ccd(repository, "policy", "history", "--json").stdout)

    assert [risk["earlier"]["workflow"] for risk in document["risks"]] == ["visits-by-ward"]


def test_a_changed_workflow_is_held_against_what_it_was(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", *ONE_LESS)

    document = json.loads(ccd(repository, "policy", "history", "--json").stdout)

    (risk,) = document["risks"]
    assert (risk["workflow"], risk["earlier"]["workflow"]) == ("visits-by-ward", "visits-by-ward")
    assert risk["runId"] != risk["earlier"]["runId"]


def test_a_file_put_right_is_held_against_the_one_before(repository: Path) -> None:
    party = repository / "workflows/parties/alpha.yaml"
    rest = party.read_text().partition("    visits:\n")[2]
    visits, beds, _ = rest.partition("    beds:\n")
    again = f"    visits-right:\n{visits.replace('2024/visits.csv', '2024/visits-right.csv')}{beds}"
    edit(repository, "parties/alpha.yaml", beds, again)
    propose(repository, "again", ("[alpha/visits,", "[alpha/visits-right,"))

    result = ccd(repository, "policy", "history", "workflows/again.yaml", "--json")

    (risk,) = json.loads(result.stdout)["risks"]
    assert result.exit_code == 30
    assert risk["datasets"] == ["alpha/visits", "alpha/visits-right"]
    assert risk["differs"] == ["alpha/visits-right and alpha/visits have the same columns, and may have rows in common"]


def test_two_that_come_together_are_held_against_one_another_once(repository: Path) -> None:
    for name, less in (("one", "cost > 3"), ("other", "cost > 4")):
        propose(repository, name, ("WHERE kind", f"WHERE {less} AND ward"))
    (repository / WORKFLOW).unlink()
    git(repository, "checkout", "--quiet", "--orphan", "fresh")
    git(repository, "rm", "-r", "--quiet", "--cached", ".")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Nothing")

    document = json.loads(ccd(repository, "policy", "history", "--base", "fresh", "--json").stdout)

    (risk,) = document["risks"]
    assert {risk["workflow"], risk["earlier"]["workflow"]} == {"one", "other"}
    assert risk["earlier"]["commit"] is None


def test_only_conspiring_recipients_are_a_warning_unless_an_owner_minds(repository: Path) -> None:
    edit(repository, "parties/bravo.yaml", "  records:\n", "  outputs: {credentials: bravo-store}\n  records:\n")
    recipients = ("recipients: [carol, alpha]", "recipients: [bravo]")
    propose(repository, "all-but-one", ONE_LESS, recipients, ("writer: alpha", "writer: bravo"))
    warned = ccd(repository, "policy", "history")
    file = publish_policy(repository, "alpha/visits", "sum")
    file.write_text(f"{file.read_text()}  acrossQueries: all-recipients\n")

    refused = ccd(repository, "policy", "history")

    assert warned.exit_code == 0
    assert "differencing, only if recipients put their answers together" in warned.stdout
    assert "alpha, bravo, carol, if they put their answers together" in warned.stdout
    assert refused.exit_code == 30


def sign_for(repository: Path, party: str, keys: Path) -> Path:
    """Give a party an identity whose key the test has."""
    key, certificate = new_identity(party, 30)
    (keys / f"{party}.key").write_bytes(key)
    path = repository / f"workflows/parties/{party}.yaml"
    head, begin, rest = path.read_text().partition("      -----BEGIN CERTIFICATE-----\n")
    tail = rest.partition("      -----END CERTIFICATE-----\n")[2]
    assert begin
    path.write_text(head + "".join(f"      {line}\n" for line in certificate.strip().splitlines()) + tail)
    return keys / f"{party}.key"


def test_owners_who_say_so_in_a_signed_policy_allow_it(repository: Path, tmp_path: Path) -> None:
    keys = {party: sign_for(repository, party, tmp_path) for party in ("alpha", "bravo")}
    merge(repository, "Renew identities")
    propose(repository, "all-but-one", ONE_LESS)
    codes = []
    for party, key in keys.items():
        file = publish_policy(repository, f"{party}/visits", "sum")
        file.write_text(f"{file.read_text()}  acrossQueries: unchecked\n")
        codes.append(ccd(repository, "policy", "history").exit_code)  # not signed: anybody may have put it there
        assert ccd(repository, "policy", "sign", file, "--key", key).exit_code == 0
        codes.append(ccd(repository, "policy", "history").exit_code)

    document = json.loads(ccd(repository, "policy", "history", "--json").stdout)

    assert codes == [30, 30, 30, 0]
    assert {risk["standing"] for risk in document["risks"]} == {"allowed"}
    assert document["risks"][0]["allowedBy"] == [
        "alpha/visits policy v1, spec.acrossQueries: unchecked",
        "bravo/visits policy v1, spec.acrossQueries: unchecked",
    ]


def test_owners_who_approve_the_very_run_allow_it(repository: Path, tmp_path: Path) -> None:
    keys = {party: sign_for(repository, party, tmp_path) for party in ("alpha", "bravo")}
    merge(repository, "Renew identities")
    propose(repository, "all-but-one", ONE_LESS)
    assert ccd(repository, "render").exit_code == 0
    for party, key in keys.items():
        assert ccd(repository, "policy", "history").exit_code == 30
        approved = ccd(repository, "approve", "all-but-one", "--party", party, "--key", key)
        assert approved.exit_code == 0, approved.output

    result = ccd(repository, "policy", "history")

    assert result.exit_code == 0
    assert "allowed by: alpha's approval of this run; bravo's approval of this run" in result.stdout


def test_a_run_that_cannot_be_read_is_said(repository: Path) -> None:
    spec, *_ = sorted((repository / "argocd/rendered").glob("*/*/configmap.yaml"))
    strange = spec.parent.with_name("strange-0123456789")
    strange.mkdir()
    (strange / "configmap.yaml").write_text(spec.read_text().replace('"purpose":', '"of another version":'))
    commit_all(repository, "Another version's")
    propose(repository, "all-but-one", ONE_LESS)

    result = ccd(repository, "policy", "history")

    assert "not compared: strange-0123456789" in result.stdout
    assert result.exit_code == 30


def test_the_pull_requests_comment_tells_of_it(repository: Path) -> None:
    propose(repository, "all-but-one", ONE_LESS)

    text = ccd(repository, "plan", "--rows", "2", "--base", "main", "--format", "markdown").stdout

    assert "### Together with what was asked before" in text
    assert "**DIFFERENCING RISK: all-but-one and visits-by-ward**" in text
    assert "- learnt: count(\\*) and sum(cost) of the rows of alpha/visits, bravo/visits" in text
    assert "This is a check, not a proof." in text


def test_nothing_new_is_a_sentence_and_all_looks_at_what_is_merged(repository: Path) -> None:
    assert ccd(repository, "policy", "history").stdout.startswith("no workflow that is not merged yet; 1 merged run (")
    propose(repository, "all-but-one", ONE_LESS)
    merge(repository)
    assert ccd(repository, "policy", "history").exit_code == 0
    everything = ccd(repository, "policy", "history", "--all", "--json")
    assert everything.exit_code == 30
    assert len(json.loads(everything.stdout)["risks"]) == 1


def test_the_help_teaches(repository: Path) -> None:
    shown = ccd(repository, "policy", "history", "--help").stdout
    assert "acrossQueries" in shown
    assert "check and no proof" in " ".join(shown.split())


def test_quantiles_one_after_another_are_a_risk_under_a_minimum(repository: Path) -> None:
    for dataset in ("alpha/visits", "bravo/visits"):
        file = publish_policy(repository, dataset, "sum, quantile, min, max")
        subject = file.read_text().replace("kind: {type: varchar(20)}", "kind: {type: varchar(20), subject: true}")
        file.write_text(f"{subject}  minimum: {{subjects: 4}}\n")
    for name, function in (("middle", "MEDIAN(cost)"), ("most", "MAX(cost)")):
        propose(repository, name, ("COUNT(*) AS n, SUM(cost)", function))
    merge(repository)
    propose(repository, "least", ("COUNT(*) AS n, SUM(cost)", "MIN(cost)"))

    result = ccd(repository, "policy", "history", "--json")

    (risk,) = json.loads(result.stdout)["risks"]
    assert (result.exit_code, risk["kind"], risk["datasets"]) == (30, "numbers", ["alpha/visits", "bravo/visits"])
    *before, now = risk["differs"]
    assert now == "least tells min(cost)"
    assert sorted(before) == [
        "middle tells quantile_cont(cost, 0.5)",
        "most tells max(cost)",
        "visits-by-ward tells sum(cost)",
    ]
    assert before[0].startswith(risk["earlier"]["workflow"])
    assert "look at all of it" in risk["fix"]
