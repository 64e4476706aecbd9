"""A changed policy in a pull request: what it would newly allow or refuse of all that was ever merged."""

import json
from pathlib import Path

from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd, commit_all, publish_policy

WORKFLOW = "workflows/visits-by-ward.yaml"


def plan(root: Path, *options: str) -> str:
    result = ccd(root, "plan", "--rows", "2", "--base", "main", *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def change(root: Path) -> dict[str, object]:
    (found,) = json.loads(plan(root, "--json"))["policies"]
    return found


def test_a_grant_more_newly_allows_a_merged_run(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "mean")
    commit_all(repository, "Publish")
    file = publish_policy(repository, "alpha/visits", "mean, sum")
    file.write_text(file.read_text().replace("version: 1", "version: 2"))

    text, found = plan(repository, "--format", "markdown"), change(repository)

    assert (found["before"], found["now"]) == (1, 2)
    assert found["granted"] == [f"{name}, for planning: sum of cost" for name in ("alpha", "bravo", "carol")]
    (run,) = found["runs"]
    assert (run["workflow"], run["before"], run["now"], run["retired"]) == (
        "visits-by-ward",
        "refuses",
        "accepts",
        False,
    )
    assert run["allows"] == ["carol would learn sum(cost)"]
    assert "## Policy of alpha/visits (v1 became v2)" in text
    assert "- **now allowed**, if a workflow asks for it: carol, for planning: sum of cost" in text
    assert "| **newly allowed** | allowed now: carol would learn sum(cost) |" in text


def test_a_rule_for_conditions_that_is_widened_or_gone_is_told(repository: Path) -> None:
    """It grants what no merged run may ask for yet."""
    file = publish_policy(repository, "alpha/visits", "sum")
    plain = file.read_text()
    rule = "        cost: [sum]\n      filters: {kind: {values: [%s]}}\n"
    file.write_text(plain.replace("        cost: [sum]\n", rule % "day"))
    commit_all(repository, "Publish")
    file.write_text(plain.replace("        cost: [sum]\n", rule % "day, night"))
    found = change(repository)
    assert found["granted"][0] == "alpha, for planning: filter of kind, by day, night"
    assert found["withdrawn"][0] == "alpha, for planning: filter of kind, by day"
    file.write_text(plain)
    assert "+ alpha, for planning: filter of kind, in any way" in plan(repository)


def test_the_clauses_for_every_run_are_told_however_many_grants_there_are(repository: Path) -> None:
    file = publish_policy(repository, "alpha/visits", "sum")
    file.write_text(file.read_text() + "  approval: explicit\n")
    commit_all(repository, "Publish")
    many = ", ".join(f"a{number}" for number in range(30))
    file.write_text(
        file.read_text().replace("  approval: explicit\n", "").replace("[alpha, bravo", f"[{many}, alpha, bravo")
    )

    text = plan(repository, "--format", "markdown")

    assert "- approval: explicit became rules" in text
    assert "more\n" in text


def test_a_grant_less_newly_refuses_a_retired_run_too(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "sum")
    (repository / "workflows/more.yaml").write_text(
        (repository / WORKFLOW).read_text().replace("name: visits-by-ward", "name: more")
    )
    assert ccd(repository, "render").exit_code == 0
    commit_all(repository, "Publish, and ask for more")
    (repository / "workflows/more.yaml").unlink()
    assert ccd(repository, "render").exit_code == 0
    commit_all(repository, "Retire it")
    publish_policy(repository, "alpha/visits", "mean")

    found = change(repository)

    assert [(run["workflow"], run["retired"], run["now"]) for run in found["runs"]] == [
        ("more", True, "refuses"),
        ("visits-by-ward", False, "refuses"),
    ]
    assert found["withdrawn"] == [f"{name}, for planning: sum of cost" for name in ("alpha", "bravo", "carol")]
    assert "  newly refused" in plan(repository)


def test_another_clause_is_named_and_what_it_refuses(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "sum")
    commit_all(repository, "Publish")
    file = repository / "workflows/policies/alpha.visits.policy.yaml"
    file.write_text(file.read_text().replace("parties: [alpha, bravo, carol]", "parties: [alpha, bravo]"))

    found = change(repository)

    assert list(found["clauses"]) == ["compute.parties"]
    assert found["runs"][0]["refuses"] == ["carol would hold shares of alpha/visits"]


def test_a_policy_that_is_new_is_held_against_what_was_merged(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "mean")

    found = change(repository)

    assert (found["before"], found["runs"][0]["before"], found["runs"][0]["now"]) == (None, "not known", "refuses")


def test_a_comment_changes_nothing(repository: Path) -> None:
    file = publish_policy(repository, "alpha/visits", "sum")
    commit_all(repository, "Publish")
    file.write_text(file.read_text() + "# reviewed\n")

    assert plan(repository, "--format", "markdown") == "No workflow asks for anything else than at `main`.\n"


def test_words_of_a_policy_are_text_in_the_comment(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "sum")
    commit_all(repository, "Publish")
    file = repository / "workflows/policies/alpha.visits.policy.yaml"
    file.write_text(file.read_text().replace("purposes: [planning]", "purposes: ['<img src=x> @team']"))

    text = plan(repository, "--format", "markdown")

    assert "<img" not in text
    assert "@team" not in text


def test_runs_of_which_nothing_changes_are_counted_only(repository: Path) -> None:
    publish_policy(repository, "alpha/visits", "sum")
    commit_all(repository, "Publish")
    publish_policy(repository, "alpha/visits", "sum, min")
    edit(repository, "visits-by-ward.yaml", "jobSeconds: 600", "jobSeconds: 60")

    text = plan(repository, "--format", "markdown")

    assert "2 runs, merged or proposed, read alpha/visits; nothing changes for 2 of them." in text


def protect(root: Path, *changes: tuple[str, str], more: str = "") -> None:
    file = publish_policy(root, "alpha/visits", "sum")
    text = file.read_text()
    for before, now in changes:
        assert before in text
        text = text.replace(before, now)
    file.write_text(text + more)


def test_an_accepted_run_that_tells_otherwise_says_what(repository: Path) -> None:
    """A padding that is made finer lets more be told, and refuses nothing."""
    protect(repository, more="  padding: {rows: 1000}\n")
    commit_all(repository, "Publish")
    protect(repository, more="  padding: {rows: 10}\n")

    text, found = plan(repository, "--format", "markdown"), change(repository)

    assert found["clauses"] == {"padding.rows": {"before": "1000", "now": "10"}}
    (run,) = found["runs"]
    assert (run["before"], run["now"], run["allows"], run["refuses"]) == ("accepts", "accepts", [], [])
    assert "bravo: how many rows alpha (rounded up to a multiple of 10) puts into MPC" in run["tells"]
    assert "bravo: how many rows alpha (rounded up to a multiple of 1000) puts into MPC" in run["hides"]
    assert "| **accepted, and tells otherwise** | told now, to " in text
    assert "1 run, merged or proposed, reads alpha/visits; it is named above." in text


def test_an_answer_that_is_computed_of_other_values_is_told(repository: Path) -> None:
    bounded = ('cost: {type: "decimal(10,2)"}', 'cost: {type: "decimal(10,2)", bounds: [0, 100]}')
    protect(repository, bounded)
    commit_all(repository, "Publish")
    protect(repository, (bounded[0], bounded[1].replace("100", "90")))

    text, found = plan(repository, "--format", "markdown"), change(repository)

    assert found["clauses"] == {"columns.cost.bounds": {"before": "[0, 100]", "now": "[0, 90]"}}
    (run,) = found["runs"]
    assert run["answeredOtherwise"]
    assert (run["tells"], run["hides"]) == ([], [])
    assert "the answer is computed from other values or rows" in text
