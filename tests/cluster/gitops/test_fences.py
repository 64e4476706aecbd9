"""What a party's project keeps out, whoever has merged it: nothing of a directory with something foreign in it is applied.

alpha's owner has given Argo CD every right in its namespace, so that the project is the wall; `test_rights` has the other.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.gitops.applications import wait_for
from tests.cluster.gitops.forge import Forge
from tests.cluster.gitops.install import NAMESPACE
from tests.cluster.tree import Manifest

RULES = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
RBAC = "rbac.authorization.k8s.io/v1"
GENEROUS = {
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"kind": "ServiceAccount", "name": "argocd-application-controller", "namespace": NAMESPACE}],
}
KUSTOMIZATION = "kustomize.config.k8s.io/v1beta1"


def manifest(version: str, kind: str, namespace: str | None = None, **fields: Any) -> Manifest:
    metadata = {"name": "intruder"} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


# What somebody slips into alpha's directory, and what whoever looks at the Application then reads.
INTRUDERS: dict[str, tuple[Callable[[Forge], Manifest], str]] = {
    "foreign-namespace": (
        lambda forge: manifest("v1", "ConfigMap", forge.namespace("bravo"), data={}),
        "namespace {bravo} is not permitted in project 'ccd-{alpha}'",
    ),
    "secret": (
        lambda forge: manifest("v1", "Secret", forge.namespace("alpha")),
        "resource :Secret is not permitted in project ccd-{alpha}",
    ),
    "role": (
        lambda forge: manifest(RBAC, "Role", forge.namespace("alpha"), rules=RULES),
        "resource rbac.authorization.k8s.io:Role is not permitted in project ccd-{alpha}",
    ),
    "clusterrole": (
        lambda forge: manifest(RBAC, "ClusterRole", rules=RULES),
        'cluster level ClusterRole "intruder" can not be managed when in namespaced mode',
    ),
    "project": (
        lambda forge: manifest("argoproj.io/v1alpha1", "AppProject", NAMESPACE, spec={"sourceRepos": ["*"]}),
        'namespace "argocd" for AppProject "intruder" is not managed',
    ),
}


def directory_of(forge: Forge, name: str) -> Path:
    return forge.root / "argocd/rendered" / forge.namespace("alpha") / f"{name}-0123456789"


def write(directory: Path, file: str, document: Manifest) -> None:
    directory.mkdir(exist_ok=True)
    (directory / file).write_text(json.dumps(document))


def bystander(forge: Forge, name: str) -> Manifest:
    """What alpha's project allows, in the same directory."""
    metadata = {"name": f"bystander-{name}", "namespace": forge.namespace("alpha")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


@pytest.fixture(scope="module")
def intruded(forge: Forge) -> Forge:
    """A federation in which all of it was merged, past the pipeline and the reviewers."""
    wait_for("the honest run is synced", lambda: bool(forge.objects("alpha")))
    forge.client.apply(manifest(RBAC, "RoleBinding", forge.namespace("alpha"), **GENEROUS), manager="owner")
    for name, (make, _) in INTRUDERS.items():
        write(directory_of(forge, name), "intruder.yaml", make(forge))
        write(directory_of(forge, name), "bystander.yaml", bystander(forge, name))
    kustomized = directory_of(forge, "kustomized")
    write(kustomized, "kustomization.yaml", manifest(KUSTOMIZATION, "Kustomization", resources=["hidden.txt"]))
    write(kustomized, "hidden.txt", bystander(forge, "kustomized"))
    [job] = (forge.root / "argocd/rendered" / forge.namespace("alpha")).glob(f"{forge.run_id}/job.yaml")
    directory_of(forge, "usurper").mkdir()
    (directory_of(forge, "usurper") / "job.yaml").write_text(job.read_text())
    forge.merge("Intrude")
    return forge


def wait_until_failed(forge: Forge, name: str) -> str:
    """Wait until the Application of a directory says what is wrong; return that."""

    def has_failed() -> bool:
        found = forge.application("alpha", f"{name}-0123456789")
        # Some are refused before a sync is even tried.
        has_tried = found is not None and found.operation.get("phase") in ("Failed", "Error", "Running")
        return found is not None and (has_tried or "ComparisonError" in found.said) and bool(found.said)

    wait_for(f"the Application of {name} has failed", has_failed)
    found = forge.application("alpha", f"{name}-0123456789")
    assert found is not None
    assert not found.is_done
    return found.said


@pytest.mark.parametrize("name", INTRUDERS)
def test_what_the_project_does_not_allow_fails_to_sync_and_says_so(intruded: Forge, name: str):
    make, told = INTRUDERS[name]
    alpha, bravo = intruded.namespace("alpha"), intruded.namespace("bravo")
    intruder = make(intruded)

    said = wait_until_failed(intruded, name)

    assert told.format(alpha=alpha, bravo=bravo) in said
    version, kind, namespace = intruder["apiVersion"], intruder["kind"], intruder["metadata"].get("namespace")
    assert not intruded.client.exists(version, kind, "intruder", namespace)
    assert not intruded.client.exists("v1", "ConfigMap", f"bystander-{name}", alpha)


def test_kustomize_is_not_run_where_somebody_has_put_its_file(intruded: Forge):
    said = wait_until_failed(intruded, "kustomized")

    assert "Kustomization" in said
    assert not intruded.client.exists("v1", "ConfigMap", "bystander-kustomized", intruded.namespace("alpha"))


def test_a_run_cannot_take_another_run_s_job(intruded: Forge):
    name = f"{intruded.run_id}-alpha"
    said = wait_until_failed(intruded, "usurper")

    assert f"Job/{name}" in said
    job = intruded.objects("alpha")[name]
    assert job["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"].startswith(f"{intruded.run_id}.")


def test_the_honest_run_beside_them_is_untouched(intruded: Forge):
    found = intruded.application("alpha", intruded.run_id)

    assert found is not None
    assert found.is_done
