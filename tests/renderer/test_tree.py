"""Writing the tree: only what the renderer owns is touched, and never through a link."""

from pathlib import Path, PurePosixPath

import pytest

from renderer.documents import Workspace, read_workspace
from renderer.layout import rendered_files
from renderer.render import RenderedFile
from renderer.tree import ForeignPathError, changes, unified_diff, write


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_retired_workflow_leaves_nothing_behind(federation: Path, workspace: Workspace) -> None:
    write(federation, changes(federation, rendered_files(workspace)))
    (federation / "workflows/visits-by-ward.yaml").unlink()
    (federation / "argocd/admission.yaml").write_text("by hand")

    write(federation, changes(federation, rendered_files(read_workspace(federation))))

    files = files_below(federation / "argocd")
    assert [file for file in files if not file.startswith("admission/")] == [
        "admission.yaml",
        "applicationset-alpha.yaml",
        "applicationset-bravo.yaml",
        "applicationset-carol.yaml",
        "appproject-alpha.yaml",
        "appproject-bravo.yaml",
        "appproject-carol.yaml",
        "cluster.yaml",
        "clusterrole.yaml",
        "namespace-alpha.yaml",
        "namespace-bravo.yaml",
        "namespace-carol.yaml",
        "rolebinding-alpha.yaml",
        "rolebinding-bravo.yaml",
        "rolebinding-carol.yaml",
    ]
    assert not (federation / "argocd/rendered").exists()


def test_a_changed_workflow_replaces_its_directories(federation: Path, workspace: Workspace) -> None:
    write(federation, changes(federation, rendered_files(workspace)))
    path = federation / "workflows/visits-by-ward.yaml"
    path.write_text(path.read_text() + "  run: 2\n")

    differences = changes(federation, rendered_files(read_workspace(federation)))

    assert {change.kind for change in differences} == {"added", "removed"}
    write(federation, differences)
    assert len(list((federation / "argocd/rendered/hospital-a").iterdir())) == 1
    assert changes(federation, rendered_files(read_workspace(federation))) == ()


def test_what_was_changed_by_hand_is_shown_as_a_diff(tmp_path: Path) -> None:
    file = RenderedFile(PurePosixPath("argocd/rendered/a/b/job.yaml"), "one\ntwo\n")
    write(tmp_path, changes(tmp_path, [file]))
    (tmp_path / file.path).write_text("one\nthree")
    (tmp_path / "argocd/rendered/a/stray.yaml").write_bytes(b"\xff\n")

    assert unified_diff(changes(tmp_path, [file])) == (
        "--- a/argocd/rendered/a/b/job.yaml\n"
        "+++ b/argocd/rendered/a/b/job.yaml\n"
        "@@ -1,2 +1,2 @@\n"
        " one\n"
        "-three\n"
        "\\ No newline at end of file\n"
        "+two\n"
        "--- a/argocd/rendered/a/stray.yaml\n"
        "+++ /dev/null\n"
        "@@ -1 +0,0 @@\n"
        "-\N{REPLACEMENT CHARACTER}\n"
    )


@pytest.mark.parametrize("link", ["argocd", "argocd/rendered", "argocd/rendered/a", "argocd/rendered/a/b/job.yaml"])
def test_a_link_in_the_way_is_refused(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    file = RenderedFile(PurePosixPath("argocd/rendered/a/b/job.yaml"), "text\n")

    with pytest.raises(ForeignPathError, match=link):
        write(root, changes(root, [file]))

    assert list(outside.iterdir()) == []
