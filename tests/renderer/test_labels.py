"""Every rendered object can be found, and its cost attributed, by its labels."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from renderer.check import load_workspace
from renderer.documents import Workspace
from renderer.layout import rendered_files
from renderer.render import RenderedFile
from tests.renderer.conftest import edit

SHIPPED = Path(__file__).parents[2]
RECOMMENDED = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "part-of", "managed-by")}


def labelled(workspace: Workspace) -> list[tuple[RenderedFile, str, dict[str, str]]]:
    """Each place that can hold labels: every object, and every pod template."""
    found = []
    for file in rendered_files(workspace):
        document = YAML(typ="safe").load(file.text)
        found.append((file, document["kind"], document["metadata"].get("labels", {})))
        if document["kind"] == "Job":
            found.append((file, "Pod", document["spec"]["template"]["metadata"]["labels"]))
    return found


@pytest.mark.parametrize("root", [SHIPPED, SHIPPED / "tests/renderer/federation"], ids=["shipped", "small"])
def test_every_object_carries_the_labels_it_is_found_by(root: Path) -> None:
    workspace = load_workspace(root)
    namespaces = {party.spec.namespace: name for name, party in workspace.party_models.items()}
    runs = 0
    for file, _, labels in labelled(workspace):
        assert labels.keys() >= RECOMMENDED, file.path
        assert labels["app.kubernetes.io/part-of"] == labels["app.kubernetes.io/managed-by"] == "ccd"
        assert all(0 < len(value) <= 63 for value in labels.values()), file.path
        if "admission" in file.path.parts or file.path.stem in ("cluster", "clusterrole"):
            continue  # the federation's, and no party's
        assert labels["ccd.dev/party"] in workspace.parties
        if "rendered" in file.path.parts:
            namespace, run_id = file.path.parts[-3:-1]
            assert labels["ccd.dev/party"] == namespaces[namespace]
            assert labels["ccd.dev/run"] == labels["app.kubernetes.io/instance"] == run_id
            assert run_id.startswith(f"{labels['ccd.dev/workflow']}-")
            assert labels["ccd.dev/workflow"] in workspace.workflows
            runs += 1
    assert runs >= 7 * 3  # six objects and a pod template at each of three parties


def test_who_pays_is_on_every_object_of_the_run_and_on_its_pods(federation: Path) -> None:
    edit(federation, "visits-by-ward.yaml", "purpose: planning", "purpose: planning\n  billTo: ward-budget")
    for file, kind, labels in labelled(load_workspace(federation)):
        expected = "ward-budget" if "rendered" in file.path.parts else None
        assert labels.get("ccd.dev/bill-to") == expected, (file.path, kind)
