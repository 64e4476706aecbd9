"""What a pull request is told: what is learned, what is new about it, what published policies say."""

import html
import json
import re
import shutil
import textwrap
from pathlib import Path

import pytest

from policy.identity import load_certificate, new_identity
from renderer.review_text import as_markdown
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, commit_all, git, publish_policy

WORKFLOW = "workflows/visits-by-ward.yaml"


def plan(root: Path, *options: str) -> str:
    result = ccd(root, "plan", "--rows", "2", *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_json_keeps_its_alias_and_its_shape(repository: Path) -> None:
    by_alias = json.loads(plan(repository, WORKFLOW, "--json"))

    assert by_alias == json.loads(plan(repository, WORKFLOW, "--format", "json"))
    assert {
        "runId",
        "planDigest",
        "steps",
        "choices",
        "learned",
        "disclosed",
        "answer",
        "policies",
        "approvals",
    } == set(by_alias)


def test_markdown_says_who_learns_what(repository: Path) -> None:
    text = plan(repository, WORKFLOW, "--format", "markdown")

    learned, told = text.split("### What the answer tells of whose columns")
    (alpha,) = [line for line in learned.splitlines() if line.startswith("| alpha |")]
    assert "the answer: ward, n, cost" in alpha
    (bravo,) = [line for line in learned.splitlines() if line.startswith("| bravo |")]
    assert "the answer" not in bravo
    assert "| alpha | bravo/visits | sum(cost) | `sum` |" in told
    assert "| bravo |" not in told.split("###")[0]
    assert "not published: not known" in text


def test_nothing_changed_nothing_to_tell(repository: Path) -> None:
    assert plan(repository, "--base", "main", "--format", "markdown") == (
        "No workflow asks for anything else than at `main`.\n"
    )


def test_a_new_recipient_is_told_of_what_it_newly_learns(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "[carol, alpha]", "[carol, alpha, bravo]")

    text = plan(repository, "--base", "main", "--format", "markdown")
    document = json.loads(plan(repository, WORKFLOW, "--base", "main", "--json"))

    assert "## visits-by-ward (changed)" in text
    assert "- **bravo now learns** the answer: ward, n, cost" in text
    assert "- recipients: `alpha, carol` became `alpha, bravo, carol`" in text
    assert document["base"]["newlyLearned"]["bravo"] == ["the answer: ward, n, cost"]
    assert "alpha" not in document["base"]["newlyLearned"]


def test_another_query_under_the_same_columns_is_not_called_the_same(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "SUM(cost) AS cost", "MAX(cost) AS cost")

    text = plan(repository, "--base", "main", "--format", "markdown")

    assert "**the query is another one**" in text
    assert "-SELECT ward, COUNT(*) AS n, SUM(cost) AS cost" in text
    assert "+SELECT ward, COUNT(*) AS n, MAX(cost) AS cost" in text
    assert "- **carol is now told** max(cost), of alpha/visits, bravo/visits" in text
    assert "- **carol is no longer told** sum(cost), of alpha/visits, bravo/visits" in text


def test_what_is_told_of_whose_columns_is_said_in_every_format(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "SUM(cost) AS cost", "MAX(cost) AS cost")

    text = plan(repository, WORKFLOW, "--base", "main")
    markdown = plan(repository, WORKFLOW, "--base", "main", "--format", "markdown")
    document = json.loads(plan(repository, WORKFLOW, "--base", "main", "--json"))

    assert "  carol        of alpha/visits, bravo/visits\n" in text
    assert "  + carol        max(cost), of alpha/visits, bravo/visits\n" in text
    assert "| carol | alpha/visits, bravo/visits | max(cost) | `max` |" in markdown
    newly = [
        (each["recipient"], each["dataset"], each["column"], each["needs"])
        for each in document["base"]["newlyDisclosed"]
    ]
    assert newly == [
        ("alpha", "bravo/visits", "cost", ["max"]),
        ("carol", "alpha/visits", "cost", ["max"]),
        ("carol", "bravo/visits", "cost", ["max"]),
    ]
    assert {each["what"] for each in document["base"]["noLongerDisclosed"]} == {"sum(cost)"}


CHANGED = [  # in a party's document alone: the file, what stands there, what is put there, and what reviewers are told
    ("alpha.yaml", "object: 2024/visits.csv", "object: 2024/wages.csv", "alpha.own.sources.alpha/visits.object: `2024/visits.csv` became `2024/wages.csv`"),
    ("alpha.yaml", "container: records", "container: elsewhere", "alpha.own.records.container: `records` became `elsewhere`"),
    ("alpha.yaml", "198.51.100.0/24", "0.0.0.0/0", "alpha.egress: `[{cidr: 198.51.100.0/24, port: 443}, {cidr: 2001:db8::/32, port: 8080}]` became `[{cidr: 0.0.0.0/0, port: 443}, {cidr: 2001:db8::/32, port: 8080}]`"),
    ("alpha.yaml", "kind: {type: varchar(20)}", "kind: {type: varchar(20), unique: true}", "datasets.alpha/visits.columns.kind.unique: `False` became `True`"),
    ("carol.yaml", "  helper: true", "  helper: true\n  readsAs: mallory:mallory", "opened to: `no account but the writer's own` became `mallory:mallory`"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "told"), CHANGED, ids=lambda value: value[:24])
def test_what_a_changed_party_document_does_to_a_run_is_told(repository: Path, file, old, new, told) -> None:
    edit(repository, f"parties/{file}", old, new)

    text = plan(repository, "--base", "main", "--format", "markdown")

    (block,) = re.findall("### What this changes.*?###", text, re.DOTALL)
    assert f"- {told}" in block.replace("\\", "")
    found = json.loads(plan(repository, WORKFLOW, "--base", "main", "--json"))["base"]
    assert len(found["changed"]) + len(found["documents"]) == 1


def test_a_recipients_new_certificate_is_told(repository: Path) -> None:
    """Whoever holds its key is the recipient: the plan is the same, and who learns the answer is another one."""
    path, certificate = repository / "workflows/parties/carol.yaml", new_identity("carol", 300)[1]
    text, lines = path.read_text(), textwrap.indent(certificate.strip(), " " * 6)
    path.write_text(re.sub("      -----BEGIN.*END CERTIFICATE-----", lines, text, flags=re.DOTALL))

    told = plan(repository, "--base", "main", "--format", "markdown")

    fingerprint = load_certificate(certificate).fingerprint
    (line,) = [line for line in told.splitlines() if line.startswith("- identity of carol: ")]
    assert line.endswith(f"` became `{fingerprint}`")


def test_a_raised_number_and_another_format_are_told(repository: Path) -> None:
    edit(repository, "visits-by-ward.yaml", "format: json", "format: csv")
    edit(repository, "visits-by-ward.yaml", "deadlines: {jobSeconds: 600}", "deadlines: {jobSeconds: 900}\n  run: 2")
    found = json.loads(plan(repository, WORKFLOW, "--base", "main", "--json"))["base"]
    assert found["documents"] == {
        "jobSeconds": {"before": "600", "now": "900"},
        "outputs.format": {"before": "json", "now": "csv"},
        "run": {"before": "1", "now": "2"},
    }


def test_what_turns_text_around_or_is_not_seen_is_spelled_out_and_links_lead_nowhere(repository: Path) -> None:
    name = "n\u202e\u200b see https://evil.example or www.evil.example"
    edit(repository, "visits-by-ward.yaml", "COUNT(*) AS n,", f'COUNT(*) AS "{name}",')

    for text in (plan(repository, "--base", "main", "--format", "markdown"), plan(repository, "--base", "main")):
        assert "n\\u202e\\u200b" in text.replace("\\\\", "\\")
        assert "\u202e" not in text
        assert "\u200b" not in text
    told = plan(repository, "--base", "main", "--format", "markdown")
    links = [line for line in told.splitlines() if re.search(r"https://|www\.evil", line)]
    assert all(line.startswith(("SELECT", "+SELECT", "- answer: `")) for line in links)  # code, in which none is made


def test_new_and_retired_workflows_are_named(repository: Path) -> None:
    path = repository / WORKFLOW
    (repository / "workflows/other.yaml").write_text(path.read_text().replace("name: visits-by-ward", "name: other"))
    path.unlink()

    text = plan(repository, "--base", "main", "--format", "markdown")

    assert "## other (new)" in text
    assert "**visits-by-ward**: nothing is asked of anybody any more" in text


def test_what_others_merged_meanwhile_is_not_this_branchs(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "mine")
    (repository / "note").write_text("mine")
    commit_all(repository, "Mine")
    git(repository, "switch", "--quiet", "main")
    edit(repository, "visits-by-ward.yaml", "planning", "staffing")
    commit_all(repository, "Theirs")
    git(repository, "switch", "--quiet", "mine")

    assert "No workflow asks for anything else" in plan(repository, "--base", "main", "--format", "markdown")


def test_an_author_cannot_write_markdown_into_the_comment(repository: Path) -> None:
    hostile = "a `tick` | <img src=x> **loud** @team [x](http://x)"
    edit(repository, "visits-by-ward.yaml", "purpose: planning", f"purpose: '{hostile}'")
    edit(repository, "visits-by-ward.yaml", "FROM visits", "FROM visits -- ``` <b>")

    text = plan(repository, WORKFLOW, "--base", "main", "--format", "markdown")

    assert "<img" not in text.replace(f"`` {hostile} ``", "")
    # A forge looks for mentions in the text that comes of entities, and not in code.
    assert (
        "| purpose | a \\`tick\\` \\| &lt;img src=x&gt; \\*\\*loud\\*\\* @&#8203;team \\[x\\](http:&#8203;//x) |"
        in text
    )
    assert "````sql\n" in text


# How cmark-gfm, which GitHub runs, cuts a row: a backslash before a backslash leaves the bar behind them a bar.
CELL = re.compile(r"(?:\\[!-/:-@\[-`{-~]|[^|])+")


def test_a_step_s_sql_stays_in_its_cell(repository: Path) -> None:
    literal = r"\| ![x](http://evil.example/pixel.png) @team `"
    edit(repository, "visits-by-ward.yaml", """it''s a "test": {{ }}""", literal)

    text = plan(repository, WORKFLOW, "--format", "markdown")

    rows = [line for line in text.splitlines() if line.startswith("|") and "pixel" in line]
    assert rows
    for row in rows:
        cells = CELL.findall(row.strip("|"))
        assert len(cells) == 4  # step, where, what, cost
        [held] = [cell for cell in cells if "pixel" in cell]
        for code in re.findall("<code>(.*?)</code>", held):
            assert not re.search(r"[][!@`|*_<>\\]", code)
        assert literal in html.unescape("".join(re.findall("<code>(.*?)</code>", held)))


def test_a_published_policy_gives_its_verdict_with_the_line(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "sum")
    publish_policy(repository, "bravo/visits", "mean")

    text = plan(repository, WORKFLOW, "--format", "markdown")
    refused = ccd(repository, "policy", "published")

    assert "| alpha/visits | v1, not signed | accepts |" in text
    assert "| bravo/visits | v1, not signed | **refuses** |" in text
    assert "- where: workflows/visits-by-ward.yaml:11" in text
    assert refused.exit_code == 30
    assert refused.stderr.startswith("workflows/visits-by-ward.yaml:11:")


def test_what_published_policies_ask_for_is_in_the_plan(repository: Path) -> None:
    """As the workers will compile it: nobody learns of small groups, nor how many rows meet the condition."""
    before = json.loads(plan(repository, WORKFLOW, "--json"))
    for dataset in ("alpha/visits", "bravo/visits"):
        file = publish_policy(repository, dataset, "sum, filter")
        subject = file.read_text().replace("kind: {type: varchar(20)}", "kind: {type: varchar(20), subject: true}")
        file.write_text(f"{subject}  minimum: {{subjects: 7}}\n")
    after = json.loads(plan(repository, WORKFLOW, "--json"))

    assert "groups under 7 subjects are suppressed" in after["learned"]["carol"]
    assert any("counted without conditions" in fact for fact in after["learned"]["carol"])
    sizes, rounded = "how many rows alpha/visits{0} and bravo/visits{0} have", " (rounded up to a multiple of 70)"
    assert sizes.format("") in before["learned"]["carol"]
    assert sizes.format(rounded) in after["learned"]["carol"]  # ten for each of the seven
    assert sizes.format(rounded) in plan(repository, WORKFLOW)
    assert after["planDigest"] != before["planDigest"]
    assert {policy["says"] for policy in after["policies"]} == {"accept"}


def test_the_plan_says_what_a_run_costs_and_how_far_off_its_answer_may_be(repository: Path) -> None:
    for dataset in ("alpha/visits", "bravo/visits"):
        file = publish_policy(repository, dataset, "sum, filter")
        text = file.read_text().replace("varchar(8)}", "varchar(8), values: [A, B]}")
        bounded = text.replace('"decimal(10,2)"}', '"decimal(10,2)", bounds: [0, 100]}')
        file.write_text(f"{bounded}  noise: {{epsilon: 0.5, unit: row}}\n")
    learned = json.loads(plan(repository, WORKFLOW, "--json"))["learned"]

    assert any(", with noise of a standard deviation of " in fact for fact in learned["carol"])
    assert "| alpha/visits | v1, not signed | accepts; each run spends epsilon 0.5 |" in plan(
        repository, WORKFLOW, "--format", "markdown"
    )
    assert "each run spends epsilon 0.5" in plan(repository, WORKFLOW)


def test_a_published_policy_is_signed_by_its_owner_or_not(repository: Path, tmp_path: Path) -> None:
    file = publish_policy(repository, "alpha/visits", "sum")
    key, certificate = new_identity("alpha", 30)
    (tmp_path / "alpha.key").write_bytes(key)
    assert ccd(repository, "policy", "sign", file, "--key", tmp_path / "alpha.key").exit_code == 0

    stranger = json.loads(plan(repository, WORKFLOW, "--json"))["policies"][0]["signature"]
    path = repository / "workflows/parties/alpha.yaml"
    head, _, rest = path.read_text().partition("      -----BEGIN")
    _, _, tail = rest.partition("CERTIFICATE-----\n  reviewers")
    block = "".join(f"      {line}\n" for line in certificate.strip().splitlines())
    path.write_text(f"{head}{block}  reviewers{tail}")
    owner = json.loads(plan(repository, WORKFLOW, "--json"))["policies"][0]["signature"]

    assert (stranger, owner) == ("not signed by its owner", "signed")


@pytest.mark.parametrize("name", ["bravo.visits.policy.yaml", "visits.policy.yaml"])
def test_a_policy_in_another_owners_place_is_refused(repository: Path, name: str) -> None:
    shutil.move(publish_policy(repository, "alpha/visits", "sum"), repository / "workflows/policies" / name)

    result = ccd(repository, "validate")

    assert result.exit_code == 10
    assert "call it workflows/policies/alpha.visits.policy.yaml" in result.stderr


def test_annotations_name_file_and_line(repository: Path) -> None:
    publish_policy(repository, "bravo/visits", "mean")

    github = ccd(repository, "policy", "published", "--annotate", "github").stdout
    gitlab = json.loads(ccd(repository, "policy", "published", "--annotate", "gitlab").stdout)

    assert github.startswith("::error file=workflows/visits-by-ward.yaml,line=11,col=")
    assert github.count("\n") == len(gitlab)
    assert gitlab[0]["location"] == {"path": "workflows/visits-by-ward.yaml", "lines": {"begin": 11}}


def test_without_workflow_and_base_the_command_asks(repository: Path) -> None:
    result = ccd(repository, "plan")

    assert result.exit_code == 2
    assert "which workflow?" in result.stderr


def test_no_reviews_are_a_sentence() -> None:
    assert as_markdown((), (), "main") == "No workflow asks for anything else than at `main`.\n"


def test_a_base_that_cannot_be_read_is_said_with_the_reason(repository: Path) -> None:
    edit(repository, "parties/bravo.yaml", "kind: Party", "kind: Party\ncolour: blue")
    commit_all(repository, "Break it")
    edit(repository, "parties/bravo.yaml", "kind: Party\ncolour: blue", "kind: Party")

    markdown = plan(repository, "--base", "main", "--format", "markdown")
    text = plan(repository, WORKFLOW, "--base", "main")
    document = json.loads(plan(repository, WORKFLOW, "--base", "main", "--json"))

    assert "**Not compared**: the documents there cannot be read." in markdown
    assert "- workflows/parties/bravo.yaml:" in markdown
    assert "colour" in markdown
    assert "not compared" in text
    assert "  ! workflows/parties/bravo.yaml:" in text
    assert document["base"]["state"] == "unreadable"
    assert "workflows/parties/bravo.yaml" in document["base"]["why"][0]


def test_before_there_was_a_federation_everything_is_new(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--orphan", "empty")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Nothing")
    git(repository, "checkout", "--quiet", "main", "--", ".")
    assert "## visits-by-ward (new)" in plan(repository, "--base", "empty", "--format", "markdown")
