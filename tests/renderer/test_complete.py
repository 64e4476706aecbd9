"""A shell offers the names that a command would take."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.documents import read_workspace
from tests.renderer.conftest import plan

CCD = Path(sys.executable).with_name("ccd")


def offered(directory: Path, *words: str) -> list[str]:
    """What bash is told to offer for the last of the words."""
    environment = {
        **os.environ,
        "_CCD_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["ccd", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = subprocess.run([CCD], cwd=directory, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("words", [("plan",), ("run",), ("submit",), ("policy", "suggest")], ids=" ".join)
def test_workflows_are_offered(repository: Path, words: tuple[str, ...]) -> None:
    (repository / "workflows/no-yaml.yaml").write_text("a: [")

    assert offered(repository, *words, "") == ["no-yaml", "visits-by-ward"]
    assert offered(repository, *words, "vis") == ["visits-by-ward"]


@pytest.mark.parametrize("word", ["status", "logs", "output", "approve", "cancel"])
def test_runs_are_offered_beside_them(repository: Path, word: str) -> None:
    run_id = plan(read_workspace(repository)).run.run_id

    assert offered(repository, word, "visits") == ["visits-by-ward", run_id]


def test_the_federations_directory_is_the_one_that_is_named(repository: Path) -> None:
    assert offered(repository.parent, "-C", repository.name, "plan", "") == ["visits-by-ward"]
    assert offered(repository.parent, "plan", "") == []
