"""`ccd validate` takes a rendered file as read only if it is, byte for byte and itself, what the documents become."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.renderer.gitops import ccd


def replaced(file: Path, make: Callable[[Path], object]) -> None:
    file.unlink()
    make(file)


@pytest.fixture
def job(repository: Path) -> Path:
    return next((repository / "argocd/rendered").glob("*/*/job.yaml"))


@pytest.mark.parametrize(
    "make",
    [
        lambda file: file.symlink_to("configmap.yaml"),
        lambda file: file.symlink_to("no-such-file.yaml"),
        lambda file: os.mkfifo(file),
        lambda file: file.mkdir(),
    ],
    ids=["link", "dead link", "pipe", "directory"],
)
def test_what_is_no_plain_file_is_told(repository: Path, job: Path, make: Callable[[Path], object]) -> None:
    replaced(job, make)

    result = ccd(repository, "validate")

    assert result.exit_code == 10
    assert f"{job.relative_to(repository)}:1:1: error: is no plain file" in result.stderr


def test_a_link_to_the_very_same_text_is_no_plain_file(repository: Path, job: Path) -> None:
    aside = repository / "aside.txt"
    job.rename(aside)
    job.symlink_to(aside)

    assert f"{job.relative_to(repository)}:1:1: error: is no plain file" in ccd(repository, "validate").stderr


def test_a_changed_word_is_checked(repository: Path, job: Path) -> None:
    job.write_text(job.read_text().replace("restartPolicy: Never", "restartPolicy: Maybe"))

    result = ccd(repository, "validate")

    assert result.exit_code == 10
    assert f"{job.relative_to(repository)}:" in result.stderr
    assert "a Job like this cannot restart Maybe" in result.stderr


def test_what_nobody_rendered_is_checked(repository: Path, job: Path) -> None:
    (job.parent / ".hidden").mkdir()
    (job.parent / ".hidden/more.yml").write_text("---\nkind: Secret\napiVersion: v1\n")

    result = ccd(repository, "validate")

    assert result.exit_code == 10
    assert "more.yml:2:1: error: kind: Secret of the core group is not among the kinds that a run has" in result.stderr


def test_what_a_linked_directory_holds_is_not_below(repository: Path, job: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.yaml").write_text("a: [")
    (job.parent / "linked").symlink_to(elsewhere)

    assert ccd(repository, "validate").exit_code == 0
