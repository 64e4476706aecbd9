"""What the API server lets Argo CD do, whatever its projects say. The tests of this module tell one story, in order."""

import json
from typing import Any

import pytest

from tests.cluster.client import Client, Refused
from tests.cluster.federation import ARGO_CD, ARGO_CD_GROUPS
from tests.cluster.gitops.applications import wait_for
from tests.cluster.gitops.forge import NAMESPACES, WORKFLOW, Forge
from tests.cluster.gitops.install import APPLICATION, NAMESPACE
from tests.cluster.manifests import changed
from tests.cluster.tree import Manifest
from tests.renderer.conftest import edit

RBAC = "rbac.authorization.k8s.io/v1"
VALUE = "b3BlbiBzZXNhbWU="
EVERYTHING = [{"group": "*", "kind": "*"}]
RULES = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]


def manifest(version: str, kind: str, name: str, namespace: str, **fields: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **fields}


@pytest.fixture(scope="module")
def opened(forge: Forge) -> Forge:
    """A federation whose project for alpha allows every kind; alpha's owner has a Secret of its own."""
    alpha = forge.namespace("alpha")
    wait_for("the honest run is synced", lambda: bool(forge.objects("alpha")))
    forge.client.apply(manifest("v1", "Secret", "swift-data", alpha, data={"ST_KEY": VALUE}), manager="owner")
    project = forge.client.get(APPLICATION, "AppProject", f"ccd-{alpha}", NAMESPACE)
    fresh = {key: project["metadata"][key] for key in ("name", "namespace")}
    wide = changed(project, ("metadata", fresh), ("spec.namespaceResourceWhitelist", EVERYTHING))
    wide.pop("status", None)
    forge.client.apply(wide, manager="steward")
    return forge


def slip_in(forge: Forge, name: str, intruder: Manifest) -> None:
    """Merge an object into a directory of alpha's."""
    directory = forge.root / "argocd/rendered" / forge.namespace("alpha") / f"{name}-0123456789"
    directory.mkdir()
    (directory / "intruder.yaml").write_text(json.dumps(intruder))
    forge.merge(f"Slip in {name}")


def wait_until_forbidden(forge: Forge, party: str, run_id: str, resource: str) -> str:
    """Wait until the Application says that the API server refused; return all that it says."""

    def is_forbidden() -> bool:
        found = forge.application(party, run_id)
        return found is not None and "forbidden" in found.said and resource in found.said

    wait_for(f"the API server has refused {resource} of {run_id}", is_forbidden)
    found = forge.application(party, run_id)
    assert found is not None
    assert not found.is_done
    return json.dumps(found.manifest)


@pytest.mark.parametrize(
    ("version", "kind", "fields"),
    [("v1", "Secret", {"data": {"x": VALUE}}), (RBAC, "Role", {"rules": RULES})],
)
def test_what_a_project_allows_too_much_is_not_created(opened: Forge, version: str, kind: str, fields: dict[str, Any]):
    alpha = opened.namespace("alpha")
    slip_in(opened, kind.lower(), manifest(version, kind, "intruder", alpha, **fields))

    wait_until_forbidden(opened, "alpha", f"{kind.lower()}-0123456789", f"{kind.lower()}s")

    assert not opened.client.exists(version, kind, "intruder", alpha)


def test_an_owner_s_secret_is_neither_read_nor_changed_nor_shown(opened: Forge):
    alpha = opened.namespace("alpha")
    slip_in(opened, "stolen", manifest("v1", "Secret", "swift-data", alpha, data={"ST_KEY": "b3RoZXI="}))

    told = wait_until_forbidden(opened, "alpha", "stolen-0123456789", "secrets")

    assert VALUE not in told
    assert opened.client.get("v1", "Secret", "swift-data", alpha)["data"] == {"ST_KEY": VALUE}


@pytest.fixture
def argo_cd(forge: Forge) -> Client:
    """Whoever has taken over Argo CD's application controller."""
    return forge.plane.client(ARGO_CD, *ARGO_CD_GROUPS)


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "Secret"),
        (RBAC, "Role"),
        (RBAC, "RoleBinding"),
        ("apps/v1", "Deployment"),
        ("ccd.dev/v1alpha1", "WorkerGrant"),
    ],
)
def test_its_account_cannot_even_look_at(opened: Forge, argo_cd: Client, version: str, kind: str):
    with pytest.raises(Refused, match="cannot list resource"):
        argo_cd.list_all(version, kind, opened.namespace("alpha"))


def test_its_account_can_make_no_pod_and_enter_none(opened: Forge, argo_cd: Client):
    alpha = opened.namespace("alpha")
    pod = manifest("v1", "Pod", "intruder", alpha, spec={"containers": [{"name": "x", "image": "x"}]})
    with pytest.raises(Refused, match='cannot create resource "pods"'):
        argo_cd.create(pod)
    with pytest.raises(Refused, match=r"cannot (create|get) resource \"pods/exec\""):
        argo_cd.exec(pod)


@pytest.mark.parametrize("namespace", ["default", "kube-system"])
def test_its_account_sees_nothing_outside_of_the_parties_namespaces(argo_cd: Client, namespace: str):
    for kind in ("ConfigMap", "Pod", "Secret"):
        with pytest.raises(Refused, match="cannot list resource"):
            argo_cd.list_all("v1", kind, namespace)


def test_a_party_that_has_not_let_argo_cd_in_yet_stops_nobody(forge: Forge):
    cluster = forge.client.get("v1", "Secret", "ccd-cluster", NAMESPACE)
    listed = {"data": cluster["data"], "stringData": {"namespaces": f"{','.join(forge.namespaces)},not-yet"}}
    forge.client.apply(manifest("v1", "Secret", "ccd-cluster", NAMESPACE, **listed), manager="steward")
    edit(forge.root, f"{WORKFLOW}.yaml", "jobSeconds: 600", "jobSeconds: 601")
    forge.render()

    forge.merge("Wait a second longer")

    wait_until_done(forge, *NAMESPACES)


def test_an_owner_that_takes_its_word_back_stops_its_own_runs_alone(forge: Forge):
    forge.client.delete(RBAC, "RoleBinding", "ccd-argocd", forge.namespace("carol"))
    edit(forge.root, f"{WORKFLOW}.yaml", "jobSeconds: 601", "jobSeconds: 602")
    forge.render()

    forge.merge("And another one")

    wait_until_done(forge, "alpha", "bravo")
    wait_until_forbidden(forge, "carol", forge.run_id, "cannot")
    assert f"{forge.run_id}-carol" not in forge.objects("carol")


def wait_until_done(forge: Forge, *parties: str) -> None:
    def is_done() -> bool:
        found = [forge.application(party, forge.run_id) for party in parties]
        return all(one is not None and one.is_done for one in found)

    wait_for(f"{forge.run_id} is synced at {', '.join(parties)}", is_done)
