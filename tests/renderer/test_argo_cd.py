"""Argo CD's own objects: a fence per party, and Applications that stay inside of it."""

from typing import Any

from policy.yaml import read_yaml
from renderer.applicationset import application_set
from renderer.appproject import app_project
from renderer.documents import Workspace
from renderer.layout import rendered_files


def read(text: str) -> Any:
    return read_yaml(text, "argocd.yaml")[0]


def test_a_project_reaches_one_namespace_from_one_repository(workspace: Workspace) -> None:
    project = read(app_project(workspace.party_models["alpha"], workspace.federation.model))

    assert project["spec"]["destinations"] == [{"server": "https://kubernetes.default.svc", "namespace": "hospital-a"}]
    assert project["spec"]["sourceRepos"] == ["https://git.example.org/wards/federation.git"]
    assert project["spec"]["clusterResourceWhitelist"] == []


def test_a_project_allows_exactly_the_kinds_that_are_rendered(workspace: Workspace) -> None:
    project = read(app_project(workspace.party_models["alpha"], workspace.federation.model))
    allowed = {(entry["group"], entry["kind"]) for entry in project["spec"]["namespaceResourceWhitelist"]}

    rendered = set()
    for file in rendered_files(workspace):
        if "rendered" in file.path.parts:
            value = read(file.text)
            rendered.add((value["apiVersion"].rpartition("/")[0], value["kind"]))

    assert allowed == rendered


def test_an_application_takes_project_and_namespace_from_its_directory(workspace: Workspace) -> None:
    template = read(application_set(workspace.federation.model))["spec"]["template"]
    project = read(app_project(workspace.party_models["alpha"], workspace.federation.model))

    # argocd/rendered/<namespace>/<run-id>: the same segment names both, so neither can be another party's.
    assert template["spec"]["destination"]["namespace"] == "{{ index .path.segments 2 }}"
    assert template["spec"]["project"] == "ccd-{{ index .path.segments 2 }}"
    assert project["metadata"]["name"] == "ccd-hospital-a"
    assert template["spec"]["syncPolicy"] == {
        "automated": {"prune": True, "selfHeal": True},
        "syncOptions": ["CreateNamespace=false", "ServerSideApply=true"],
    }
