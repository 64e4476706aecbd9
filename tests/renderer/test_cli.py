"""The `ccd` command: exit codes, output for people and for programs, no traceback."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from renderer.cli import app
from renderer.documents import Workspace
from renderer.layout import rendered_files
from tests.renderer.conftest import edit


def ccd(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_render_writes_then_has_nothing_to_do(federation: Path, workspace: Workspace) -> None:
    first = ccd("-C", federation, "render")
    second = ccd("-C", federation, "render")

    assert (first.exit_code, second.exit_code) == (0, 0)
    n_files = len(rendered_files(workspace))
    assert [line[0] for line in first.stdout.splitlines()] == ["+"] * n_files
    assert second.stdout == f"{n_files} files are current\n"


def test_render_check_writes_nothing_and_shows_the_diff(federation: Path) -> None:
    result = ccd("-C", federation, "render", "--check")

    assert result.exit_code == 1
    assert "+++ b/argocd/applicationset-alpha.yaml\n" in result.stdout
    assert "(fix: ccd render)" in result.stderr
    assert not (federation / "argocd").exists()


def test_render_json_lists_the_changes(federation: Path) -> None:
    ccd("-C", federation, "render")
    edit(federation, "parties/bravo.yaml", "port: 443", "port: 8080")

    document = json.loads(ccd("-C", federation, "render", "--check", "--json").stdout)

    assert document["current"] is False
    assert {change["kind"] for change in document["changes"]} == {"added", "removed"}


def test_validate_is_content_with_the_small_federation(federation: Path) -> None:
    ccd("-C", federation, "render")

    result = ccd("-C", federation, "validate")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "no problems found\n", "")


def test_validate_prints_a_line_for_each_problem_and_exits_with_10(federation: Path) -> None:
    edit(federation, "visits-by-ward.yaml", "writer: alpha", "writer:  bravo")

    result = ccd("-C", federation, "validate")

    assert result.exit_code == 10
    assert result.stderr.splitlines() == [
        "workflows/visits-by-ward.yaml:17:5: error: spec.outputs.writer: bravo is not a recipient, and a writer sees "
        "what it writes (fix: name one of carol, alpha)",
        "workflows/visits-by-ward.yaml:17:13: error: too many spaces after colon (colons)",
    ]


def test_validate_json_holds_the_same(federation: Path) -> None:
    edit(federation, "visits-by-ward.yaml", "writer: alpha", "writer: bravo")

    result = ccd("-C", federation, "validate", "--json")

    (problem,) = json.loads(result.stdout)["problems"]
    assert (result.exit_code, problem["line"], problem["field"]) == (10, 17, "spec.outputs.writer")


def test_validate_of_one_file_leaves_the_others_out(federation: Path) -> None:
    edit(federation, "visits-by-ward.yaml", "writer: alpha", "writer: bravo")

    workflow = ccd("-C", federation, "validate", federation / "workflows/visits-by-ward.yaml")
    party = ccd("-C", federation, "validate", federation / "workflows/parties/alpha.yaml")

    assert (workflow.exit_code, party.exit_code) == (10, 0)


def test_validate_of_one_file_says_what_keeps_it_from_being_checked(federation: Path) -> None:
    edit(federation, "visits-by-ward.yaml", "SELECT ward", "SELECT word")
    edit(federation, "parties/bravo.yaml", "backend: swift", "backend: s3")

    result = ccd("-C", federation, "validate", federation / "workflows/visits-by-ward.yaml")

    assert result.exit_code == 10
    assert "workflows/parties/bravo.yaml:23:7: error: spec.datasets.visits.backend: must be one of" in result.stderr


def test_validate_of_a_directory_without_documents_says_that_it_has_checked_nothing(federation: Path) -> None:
    (federation / "notes").mkdir()

    result = ccd("-C", federation, "validate", federation / "notes")

    assert result.exit_code == 10
    assert "notes:1:1: error: holds no YAML file, so nothing was checked" in result.stderr


def test_validate_finds_what_was_changed_by_hand_in_a_manifest(federation: Path) -> None:
    ccd("-C", federation, "render")
    (job,) = (federation / "argocd/rendered/hospital-b").glob("*/job.yaml")
    job.write_text(job.read_text().replace("restartPolicy: Never", "restartPolicy: Always"))

    result = ccd("-C", federation, "validate")

    assert result.exit_code == 10
    assert "a Job like this cannot restart Always" in result.stderr


def test_validate_takes_a_policy_too(tmp_path: Path, federation: Path) -> None:
    policy = tmp_path / "visits.policy.yaml"
    policy.write_text("---\napiVersion: ccd.dev/v1alpha1\nkind: Policy\nmetadata: {dataset: alpha/visits}\n")

    result = ccd("-C", federation, "validate", policy)

    assert result.exit_code == 10
    assert "metadata.version: is missing" in result.stderr


def test_a_secret_in_a_document_is_not_repeated(federation: Path) -> None:
    edit(federation, "parties/bravo.yaml", "credentials: bravo-store\n      columns", "key: x\n      columns")
    edit(federation, "federation.yaml", "https://git", "https://joe:hunter2hunter2@git")

    for command in ("validate", "render"):
        result = ccd("-C", federation, command)
        assert result.exit_code == 10
        assert "hunter2" not in result.output
        assert "federation.yaml:7" in result.stderr


def test_a_directory_that_is_no_federation_is_said_in_words(tmp_path: Path) -> None:
    result = ccd("-C", tmp_path, "render")

    assert result.exit_code == 10
    assert result.stderr.startswith("workflows/federation.yaml:1:1: error: there is no such file")


def test_a_bug_shows_neither_traceback_nor_words_that_may_hold_data(
    federation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a value")

    monkeypatch.setattr("renderer.commands.render.with_kept", fail)

    result = ccd("-C", federation, "render")

    assert result.exit_code == 70
    assert result.stderr == "error: this is a bug: ZeroDivisionError (CCD_TRACEBACK=1 shows where it was met)\n"


def test_schema_writes_and_checks(tmp_path: Path) -> None:
    assert ccd("-C", tmp_path, "schema", "--check").exit_code == 1
    assert ccd("-C", tmp_path, "schema").exit_code == 0
    assert ccd("-C", tmp_path, "schema", "--check").exit_code == 0
    workflow = json.loads((tmp_path / "schemas/workflow.json").read_text())
    assert "recipients" in workflow["$defs"]["Outputs"]["properties"]


def test_version() -> None:
    assert ccd("--version").stdout.startswith("ccd ")
