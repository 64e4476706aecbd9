"""A small federation: two hospitals with visits, and an institute that helps them compute."""

import datetime
import shutil
from pathlib import Path

import pytest

from renderer.documents import Workspace, read_workspace
from renderer.spec import PlannedRun, plan_run
from tests.renderer.gitops import ALONE, IDENTITY, ccd, commit_all, git, name_reviewers

FEDERATION = Path(__file__).parent / "federation"
NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)  # the sample certificates are valid from 2025 to 2034


@pytest.fixture
def federation(tmp_path: Path) -> Path:
    """A copy of the federation, to be changed at will."""
    root = tmp_path / "federation"
    shutil.copytree(FEDERATION, root)
    return root


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each `repository` begins as. Nobody changes it: rendering and committing take longer than most tests."""
    root = tmp_path_factory.mktemp("committed") / "federation"
    shutil.copytree(FEDERATION, root)
    name_reviewers(root)
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_environment(monkeypatch)
        git(root, "init", "--quiet", "--initial-branch=main")
        assert ccd(root, "render").exit_code == 0
        assert ccd(root, "codeowners").exit_code == 0
        commit_all(root, "Begin")
    return root


@pytest.fixture
def repository(committed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The federation as a Git repository on its branch main: reviewers named, rendered, all of it committed."""
    set_environment(monkeypatch)
    return copy_repository(committed, tmp_path / "federation")


def copy_repository(source: Path, root: Path) -> Path:
    shutil.copytree(source, root)
    git(root, "update-index", "-q", "--refresh")  # the index knows the files that were copied, not these
    return root


def set_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {**ALONE, **IDENTITY}.items():
        monkeypatch.setenv(key, value)


@pytest.fixture(scope="session")
def workspace() -> Workspace:
    """The federation's documents."""
    return read_workspace(FEDERATION)


@pytest.fixture(scope="session")
def run(workspace: Workspace) -> PlannedRun:
    """The run of its one workflow."""
    return plan(workspace)


def plan(workspace: Workspace, workflow: str = "visits-by-ward") -> PlannedRun:
    return plan_run(workspace.workflows[workflow].model, workspace.party_models, workspace.federation.model)


def edit(root: Path, file: str, old: str, new: str) -> None:
    """Replace the one place where `old` stands in a file below `workflows/`."""
    path = root / "workflows" / file
    text = path.read_text()
    assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))
