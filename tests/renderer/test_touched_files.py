"""Rendering again leaves alone what is current: Argo CD, editors and Git see only what has changed."""

from pathlib import Path

from renderer.check import load_workspace
from renderer.layout import rendered_files
from renderer.tree import changes, write
from tests.bench.render import write_federation

Facts = dict[str, tuple[int, int, int]]


def facts_of(root: Path) -> Facts:
    """Return what would show that a file was written: its inode, the time of its last change, its size."""
    found: Facts = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[path.relative_to(root).as_posix()] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return found


def render(root: Path) -> Facts:
    write(root, changes(root, rendered_files(load_workspace(root))))
    return facts_of(root / "argocd")


def test_a_changed_workflow_touches_only_its_own_files(tmp_path: Path) -> None:
    write_federation(tmp_path, 5, 3)
    before = render(tmp_path)
    workflow = tmp_path / "workflows/work3.yaml"
    workflow.write_text(workflow.read_text() + "  run: 2\n")

    after = render(tmp_path)

    touched = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path.split("/")[1] for path in touched} == {"owner-party0", "owner-party1", "owner-party2"}
    assert {path.split("/")[2].rpartition("-")[0] for path in touched} == {"work3"}
    assert len(touched) == 2 * 3 * 6  # of three parties, six files that went and six that came


def test_what_is_current_is_not_written_again(tmp_path: Path) -> None:
    write_federation(tmp_path, 2, 3)

    assert render(tmp_path) == render(tmp_path)
