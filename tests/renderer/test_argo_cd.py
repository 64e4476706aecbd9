"""Argo CD's own objects: a fence per party, and Applications that stay inside of it."""

from pathlib import Path
from typing import Any

import pytest

from policy.problem import DocumentError
from policy.yaml import read_yaml
from renderer.applicationset import application_set
from renderer.appproject import app_project
from renderer.documents import Workspace, read_workspace
from renderer.layout import rendered_files
from tests.renderer.conftest import edit

FINGERPRINT = "0123456789ABCDEF0123456789ABCDEF01234567"


def read(text: str) -> Any:
    return read_yaml(text, "argocd.yaml")[0]


def project_of(workspace: Workspace, party: str) -> Any:
    return read(app_project(workspace.party_models[party], workspace.federation.model))


def test_a_project_reaches_one_namespace_from_one_repository(workspace: Workspace) -> None:
    project = project_of(workspace, "alpha")

    assert project["spec"]["destinations"] == [{"server": "https://kubernetes.default.svc", "namespace": "hospital-a"}]
    assert project["spec"]["sourceRepos"] == ["https://git.example.org/wards/federation.git"]
    assert project["spec"]["clusterResourceWhitelist"] == []


def test_a_project_allows_exactly_the_kinds_that_are_rendered(workspace: Workspace) -> None:
    project = project_of(workspace, "alpha")
    allowed = {(entry["group"], entry["kind"]) for entry in project["spec"]["namespaceResourceWhitelist"]}

    rendered = set()
    for file in rendered_files(workspace):
        if "rendered" in file.path.parts:
            value = read(file.text)
            rendered.add((value["apiVersion"].rpartition("/")[0], value["kind"]))

    assert allowed == rendered


def test_an_application_set_reads_one_party_s_directories_and_has_nothing_to_choose(workspace: Workspace) -> None:
    alpha = read(application_set(workspace.party_models["alpha"], workspace.federation.model))["spec"]
    template = alpha["template"]["spec"]

    (generator,) = alpha["generators"]
    assert generator["git"]["directories"] == [{"path": "argocd/rendered/hospital-a/*"}]
    assert template["destination"] == {"server": "https://kubernetes.default.svc", "namespace": "hospital-a"}
    assert template["project"] == project_of(workspace, "alpha")["metadata"]["name"] == "ccd-hospital-a"
    assert template["source"]["directory"] == {"include": "*.yaml"}
    assert template["syncPolicy"] == {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["CreateNamespace=false", "ServerSideApply=true", "FailOnSharedResource=true"],
    }


def test_the_federation_decides_whose_signatures_every_project_asks_for(federation: Path, workspace: Workspace) -> None:
    edit(federation, "federation.yaml", "  image:", f"  signatures: {{keys: [{FINGERPRINT}]}}\n  image:")
    signed, unsigned = read_workspace(federation), project_of(workspace, "alpha")

    for party in ("alpha", "bravo", "carol"):
        policies = project_of(signed, party)["spec"]["sourceIntegrity"]["git"]["policies"]
        # Every repository: what no policy is about would not be looked at.
        assert policies == [{"repos": [{"url": "*"}], "gpg": {"mode": "strict", "keys": [FINGERPRINT]}}]
    assert "sourceIntegrity" not in unsigned["spec"]


@pytest.mark.parametrize("keys", ["[]", "[01234567]", f"[{FINGERPRINT.lower()}]", "['0123 4567 89AB CDEF']"])
def test_a_key_that_argo_cd_would_not_find_is_refused(federation: Path, keys: str) -> None:
    edit(federation, "federation.yaml", "  image:", f"  signatures: {{keys: {keys}}}\n  image:")

    with pytest.raises(DocumentError):
        read_workspace(federation)
