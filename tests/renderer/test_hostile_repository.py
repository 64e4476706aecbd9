"""A repository whose trees and links lead elsewhere."""

import os
import subprocess
from pathlib import Path

import pytest

from renderer.errors import CommandError
from renderer.git import Repository
from tests.renderer.gitops import ALONE, IDENTITY, ccd

WORKFLOW = "workflows/visits-by-ward.yaml"


def made(root: Path, *arguments: str, stdin: str) -> str:
    environment = {**os.environ, **ALONE, **IDENTITY}
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=environment, input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_nothing_is_written_beside_the_place_that_a_commit_is_exported_to(repository: Path, tmp_path: Path) -> None:
    tree = made(repository, "hash-object", "-w", "--stdin", stdin="kind: Workflow\n")
    kind, name = "100644 blob", "escaped.yaml"
    for above in ("..", "..", "workflows"):
        tree = made(repository, "mktree", stdin=f"{kind} {tree}\t{name}\n")
        kind, name = "040000 tree", above
    commit = made(
        repository, "commit-tree", "-m", "x", made(repository, "mktree", stdin=f"{kind} {tree}\t{name}\n"), stdin=""
    )

    with pytest.raises(CommandError, match="holds a path that leads out of it"):
        Repository.at(repository).export(commit, tmp_path / "exported", "workflows")

    assert not (tmp_path / "escaped.yaml").exists()
    assert "leads out of it" in ccd(repository, "plan", "--base", commit).stderr


@pytest.mark.parametrize("target", ["../elsewhere.yaml", "/etc/passwd", "/dev/zero", "/dev/stdin"])
def test_a_document_is_a_plain_file(repository: Path, target: str) -> None:
    (repository / WORKFLOW).rename(repository / "elsewhere.yaml")
    (repository / WORKFLOW).symlink_to(target)

    result = ccd(repository, "render", "--check")

    assert result.exit_code == 10
    assert f"{WORKFLOW}:1:1: error: is no plain file" in result.stderr


def test_a_pipe_keeps_nobody_waiting(repository: Path) -> None:
    os.mkfifo(repository / "workflows/waiting.yaml")

    result = ccd(repository, "validate", "workflows/waiting.yaml")

    assert result.exit_code == 10
    assert "is no plain file" in result.stderr
