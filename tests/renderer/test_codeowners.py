"""CODEOWNERS: what is a party's belongs to its reviewers, and nobody can review their own change in."""

from pathlib import Path

import pytest

from renderer.codeowners import owners_of
from tests.renderer.conftest import edit
from tests.renderer.gitops import ccd


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("workflows/parties/bravo.yaml", ("@bravo/stewards",)),
        ("workflows/policies/bravo.visits.policy.yaml", ("@bravo/stewards",)),
        ("workflows/policies/bravo.visits.policy.yaml.sig", ("@bravo/stewards",)),
        ("argocd/appproject-bravo.yaml", ("@bravo/stewards",)),
        ("argocd/rolebinding-bravo.yaml", ("@bravo/stewards",)),
        ("argocd/namespace-bravo.yaml", ("@bravo/stewards",)),
        ("argocd/rendered/hospital-b/visits-by-ward-0123456789/job.yaml", ("@bravo/stewards",)),
        ("workflows/visits-by-ward.yaml", ("@alpha/stewards", "@bravo/stewards")),  # carol has no data in it
        ("workflows/federation.yaml", ("@alpha/stewards", "@bravo/stewards", "@carol/stewards")),
        ("workflows/parties/delta.yaml", ("@alpha/stewards", "@bravo/stewards", "@carol/stewards")),
        ("argocd/rendered/hospital-bb/x/job.yaml", ("@alpha/stewards", "@bravo/stewards", "@carol/stewards")),
        ("CODEOWNERS", ("@alpha/stewards", "@bravo/stewards", "@carol/stewards")),
    ],
)
def test_each_file_has_its_owners(repository: Path, path: str, owners: tuple[str, ...]) -> None:
    assert owners_of(path, (repository / "CODEOWNERS").read_text()) == owners


def test_check_shows_the_difference_and_writes_nothing(repository: Path) -> None:
    assert ccd(repository, "codeowners", "--check").exit_code == 0
    before = (repository / "CODEOWNERS").read_text()
    edit(repository, "parties/bravo.yaml", "@bravo/stewards", "@bravo/lawyers")

    result = ccd(repository, "codeowners", "--check")

    assert result.exit_code == 1
    assert "+/workflows/parties/bravo.yaml @bravo/lawyers\n" in result.stdout
    assert (repository / "CODEOWNERS").read_text() == before


def test_a_party_without_reviewers_is_a_problem_once_codeowners_are_used(federation: Path) -> None:
    ccd(federation, "render")
    assert ccd(federation, "validate").exit_code == 0

    refused = ccd(federation, "codeowners")
    (federation / "CODEOWNERS").write_text("")
    invalid = ccd(federation, "validate")

    for result in (refused, invalid):
        assert result.exit_code == 10
        assert "workflows/parties/bravo.yaml:6:1: error: spec.reviewers: nobody reviews for this party" in result.stderr
        assert "fix: name a user or a team" in result.stderr


@pytest.mark.parametrize("handle", ["alpha stewards", "@a b", "# nobody", "@", "stewards"])
def test_nobody_can_be_named_who_would_break_the_line(repository: Path, handle: str) -> None:
    edit(repository, "parties/bravo.yaml", "@bravo/stewards", handle)

    result = ccd(repository, "codeowners")

    assert result.exit_code == 10
    assert "is nobody whom CODEOWNERS can name" in result.stderr


def test_who_has_to_approve_is_said_by_the_base(repository: Path) -> None:
    edit(repository, "parties/bravo.yaml", "@bravo/stewards", "@mallory")
    edit(repository, "parties/carol.yaml", "helper: true", "helper: true  # still")
    ccd(repository, "codeowners")

    result = ccd(repository, "codeowners", "--base", "main")

    assert "one of @bravo/stewards\n  - workflows/parties/bravo.yaml\n" in result.stdout
    assert "one of @carol/stewards\n  - workflows/parties/carol.yaml\n" in result.stdout
    assert "@mallory" not in result.stdout


def test_a_file_s_name_gives_a_pipeline_no_orders(repository: Path) -> None:
    (repository / "::error::refused").write_text("")
    (repository / "a\n::stop-commands::x").write_text("")

    result = ccd(repository, "codeowners", "--base", "main")

    assert "refused" in result.stdout
    assert "stop-commands" in result.stdout
    assert not [line for line in result.stdout.splitlines() if line.strip().startswith("::")]


def test_a_revision_that_is_none_is_said_in_words(repository: Path) -> None:
    result = ccd(repository, "codeowners", "--base", "--output=x")

    assert result.exit_code == 2
    assert "there is no revision --output=x here (fix:" in result.stderr


@pytest.mark.parametrize("place", [".github", ".gitlab", ".gitea", ".forgejo", "docs"])
def test_no_second_file_can_take_its_place(repository: Path, place: str) -> None:
    (repository / place).mkdir()
    (repository / place / "CODEOWNERS").write_text("* @mallory\n")

    for arguments in (("--check",), ()):
        result = ccd(repository, "codeowners", *arguments)
        assert result.exit_code == 1
        assert f"a forge may go by {place}/CODEOWNERS instead of CODEOWNERS at the top" in result.stderr


def test_a_link_is_no_file_that_a_forge_reads(repository: Path) -> None:
    (repository / "CODEOWNERS").rename(repository / "owners")
    (repository / "CODEOWNERS").symlink_to("owners")
    result = ccd(repository, "codeowners", "--check")
    assert result.exit_code == 1
    assert "a plain one" in result.stderr
