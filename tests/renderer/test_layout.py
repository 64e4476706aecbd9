"""The rendered tree: golden files, byte for byte; what is shipped is current."""

import os
from pathlib import Path

import pytest

from policy.problem import DocumentError
from policy.yaml import read_yaml
from renderer.admission import admission
from renderer.check import load_workspace
from renderer.documents import Workspace, read_workspace
from renderer.layout import rendered_files
from renderer.lint import lint, load_rules
from renderer.schema import schema_files
from renderer.tree import changes, write
from tests.renderer.conftest import FEDERATION, edit

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/rendered"
REWRITE = "CCD_UPDATE_GOLDEN"  # CCD_UPDATE_GOLDEN=1 rewrites golden files instead of comparing them


def test_the_tree_of_the_small_federation_is_the_golden_one(workspace: Workspace) -> None:
    # The admission policies are the same everywhere: those in our own `argocd/` are their golden files.
    files = [file for file in rendered_files(workspace) if "admission" not in file.path.parts]
    differences = changes(GOLDEN, files)
    if os.environ.get(REWRITE):
        write(GOLDEN, differences)
        differences = ()

    assert [f"{change.kind} {change.path}" for change in differences] == []


def test_rendering_twice_gives_the_same_bytes(federation: Path) -> None:
    assert rendered_files(read_workspace(federation)) == rendered_files(read_workspace(FEDERATION))


def test_what_is_shipped_is_current() -> None:
    assert changes(ROOT, rendered_files(load_workspace(ROOT))) == ()


def test_admission_policies_are_each_one_object() -> None:
    # They are the same for everybody, so rendering does not read them back.
    for file in admission():
        value, _ = read_yaml(file.text, str(file.path))
        assert {"apiVersion", "kind", "metadata", "spec"} <= value.keys()


def test_rendered_files_pass_yamllint(workspace: Workspace) -> None:
    rules = load_rules(ROOT)

    assert [problem for file in rendered_files(workspace) for problem in lint(file.text, str(file.path), rules)] == []


def test_what_kubernetes_would_refuse_is_not_written(federation: Path) -> None:
    # A thousand columns: more than a document, and so more than a run spec, may hold.
    columns = "".join(f"        c{i}: {{type: varchar(20), nullable: true}}\n" for i in range(1500))
    for party in ("alpha", "bravo"):
        path = federation / f"workflows/parties/{party}.yaml"
        path.write_text(path.read_text().replace("        kind: {type: varchar(20)}\n", columns, 1))
    workspace = read_workspace(federation)

    with pytest.raises(DocumentError, match=r"configmap\.yaml:1:1: the document has"):
        rendered_files(workspace)


def test_schemas_are_current() -> None:
    for file in schema_files():
        assert (ROOT / file.path).read_text() == file.text, f"{file.path} (fix: ccd schema)"


def test_a_comment_in_a_document_changes_nothing(federation: Path, workspace: Workspace) -> None:
    edit(federation, "visits-by-ward.yaml", "spec:\n", "# why\nspec:\n")

    assert rendered_files(read_workspace(federation)) == rendered_files(workspace)
