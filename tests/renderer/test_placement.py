"""A federation is a repository of its own: Argo CD and forges read at a repository's top, and nowhere else."""

from pathlib import Path

import pytest

from tests.renderer.gitops import ccd, commit_all, git

WORKFLOW = "workflows/visits-by-ward.yaml"


@pytest.fixture
def within(federation: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The federation as the directory `wards` of somebody's repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(federation.parents[1]))
    top = federation.parent
    federation.rename(top / "wards")
    git(top, "init", "--quiet", "--initial-branch=main")
    commit_all(top, "Begin")
    return top / "wards"


@pytest.mark.parametrize(
    "command",
    [
        ("validate",),
        ("validate", WORKFLOW),
        ("render",),
        ("render", "--check"),
        ("codeowners",),
        ("codeowners", "--base", "main"),
        ("plan", "--base", "main"),
        ("submit", WORKFLOW),
        ("cancel", "visits-by-ward"),
    ],
    ids=" ".join,
)
def test_in_a_directory_of_another_repository_it_is_refused_with_what_to_do(within: Path, command: tuple[str, ...]):
    done = ccd(within, *command)

    assert done.exit_code == 10, done.output
    assert "is the directory wards/ of a Git repository" in done.stderr
    assert "git subtree split --prefix=wards" in done.stderr
    assert git(within, "status", "--porcelain") == ""


@pytest.mark.parametrize("directory", ["workflows", "workflows/parties"])
def test_in_a_directory_of_the_federation_itself_its_top_is_named(repository: Path, directory: str):
    done = ccd(repository / directory, "validate")

    assert done.exit_code == 10, done.output
    up = repository / directory / "/".join(".." for _ in Path(directory).parts)
    assert f"(fix: the federation is at its top: ccd -C {up})" in done.stderr
    assert ccd(up, "validate").exit_code == 0


def test_with_a_repository_of_its_own_there_it_is_one(within: Path):
    git(within, "init", "--quiet", "--initial-branch=main")

    assert ccd(within, "render").exit_code == 0
    assert ccd(within, "validate").exit_code == 0


def test_its_history_can_be_taken_along(within: Path, tmp_path: Path):
    git(within.parent, "subtree", "split", "--prefix=wards", "--branch=alone")
    git(tmp_path, "clone", "--quiet", "--branch=alone", str(within.parent), str(tmp_path / "clone"))

    assert ccd(tmp_path / "clone", "render").exit_code == 0
    assert ccd(tmp_path / "clone", "validate").exit_code == 0
