"""What is the owner's alone, whatever rights Argo CD has been given; and nothing runs without the owner's word."""

import pytest

from renderer.grant import grant
from tests.cluster.client import Client, Refused
from tests.cluster.control_plane import ControlPlane
from tests.cluster.federation import ARGO_CD, ARGO_CD_GROUPS, Federation, admission_of, owners_word, refusal
from tests.cluster.fields import differences
from tests.cluster.manifests import changed
from tests.cluster.process import wait_until
from tests.cluster.test_admission_jobs import COMPUTE, FETCH, OTHER, PUBLISH
from tests.cluster.tree import ROOT, Manifest, Tree, another_run

NAMESPACE = "airport-lga"
ADMINISTRATOR = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "argocd-may-do-everything"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"{ARGO_CD}-2"}],
}
HUB = "system:serviceaccount:kube-system:argocd-manager"
KUBE_SYSTEM = ("system:serviceaccounts", "system:serviceaccounts:kube-system")


@pytest.fixture(scope="module")
def mighty(control_plane: ControlPlane, federation: Federation) -> Client:
    """An Argo CD that was made an administrator of the cluster, as its installation does."""
    control_plane.client().apply(ADMINISTRATOR)
    client = control_plane.client(f"{ARGO_CD}-2", *ARGO_CD_GROUPS)
    wait_until(lambda: may_list_secrets(client), "Argo CD may do everything")
    return client


@pytest.fixture(scope="module")
def hub(control_plane: ControlPlane, federation: Federation) -> Client:
    """An Argo CD that serves several clusters: `argocd cluster add` makes its account in each one's kube-system."""
    [subject] = ADMINISTRATOR["subjects"]
    metadata, subjects = {"name": "argocd-manager-role-binding"}, [{**subject, "name": HUB}]
    control_plane.client().apply({**ADMINISTRATOR, "metadata": metadata, "subjects": subjects})
    client = control_plane.client(HUB, *KUBE_SYSTEM)
    wait_until(lambda: may_list_secrets(client), "Argo CD may do everything")
    return client


def may_list_secrets(client: Client) -> bool:
    try:
        client.list_all("v1", "Secret", NAMESPACE)
    except Refused:
        return False
    return True


@pytest.fixture(scope="module")
def word(federation: Federation) -> dict[str, Manifest]:
    text = grant(federation.workspace.party_models["lga"], federation.workspace)
    return {manifest["kind"]: manifest for manifest in owners_word(text)}


def test_the_tree_needs_no_other_rights_than_the_app_project_s(federation: Federation, word: dict[str, Manifest]):
    with pytest.raises(Refused, match="cannot patch resource"):
        federation.argo_cd.apply(word["WorkerGrant"], dry_run=True)


def test_argo_cd_may_not_widen_a_grant_even_as_an_administrator(mighty: Client, word: dict[str, Manifest]):
    with pytest.raises(Refused, match=r"ccd/owner: .* may not update workergrants"):
        mighty.apply(changed(word["WorkerGrant"], ("spec.images[+]", OTHER)), dry_run=True)


def test_nor_with_an_account_beside_the_cluster_s_own(hub: Client, word: dict[str, Manifest]):
    with pytest.raises(Refused, match=r"ccd/owner: .* may not update workergrants"):
        hub.apply(changed(word["WorkerGrant"], ("spec.images[+]", OTHER)), dry_run=True)
    with pytest.raises(Refused, match=r"ccd/owner: .* may not delete networkpolicies"):
        hub.delete("networking.k8s.io/v1", "NetworkPolicy", word["NetworkPolicy"]["metadata"]["name"], NAMESPACE)
    namespace = hub.get("v1", "Namespace", NAMESPACE)
    labels = {key: value for key, value in namespace["metadata"]["labels"].items() if key != "ccd.dev/party"}
    with pytest.raises(Refused, match="ccd/owner: a service account may not change the labels"):
        hub.replace(changed(namespace, ("metadata.labels", labels)), dry_run=True)


def test_the_cluster_cleans_up_behind_a_namespace(
    control_plane: ControlPlane, admin: Client, word: dict[str, Manifest]
):
    cleaner = control_plane.client("system:serviceaccount:kube-system:namespace-controller", *KUBE_SYSTEM)
    admin.apply(changed(word["NetworkPolicy"], ("metadata.name", "left-behind")), manager="owner")
    cleaner.delete("networking.k8s.io/v1", "NetworkPolicy", "left-behind", NAMESPACE)


def test_argo_cd_may_not_reopen_what_the_owner_has_closed(mighty: Client, word: dict[str, Manifest]):
    closed = word["NetworkPolicy"]
    with pytest.raises(Refused, match=r"ccd/owner: .* may not update networkpolicies"):
        mighty.apply(changed(closed, ("spec.podSelector", {"matchLabels": {"x": "y"}})), dry_run=True)
    with pytest.raises(Refused, match=r"ccd/owner: .* may not delete networkpolicies"):
        mighty.delete("networking.k8s.io/v1", "NetworkPolicy", closed["metadata"]["name"], NAMESPACE)


def test_argo_cd_prunes_what_a_run_has_brought(federation: Federation, shipped: Tree):
    run = another_run(shipped.run_of(NAMESPACE, "arrival-delays"), "c0c0")
    for manifest in run:
        federation.argo_cd.apply(manifest)
    for manifest in reversed(run):
        federation.argo_cd.delete(
            manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        )


@pytest.mark.parametrize("labels", [{"ccd.dev/party": None}, {"pod-security.kubernetes.io/enforce": "privileged"}])
def test_argo_cd_may_not_take_the_guard_from_a_namespace(mighty: Client, admin: Client, labels: dict[str, str | None]):
    namespace = admin.get("v1", "Namespace", NAMESPACE)
    kept = {**namespace["metadata"]["labels"], **labels}
    without = changed(namespace, ("metadata.labels", {key: value for key, value in kept.items() if value is not None}))
    with pytest.raises(Refused, match="ccd/owner: a service account may not change the labels"):
        mighty.replace(without, dry_run=True)
    admin.replace(without, dry_run=True)


def test_argo_cd_may_not_enter_a_pod(mighty: Client, admin: Client, federation: Federation, shipped: Tree):
    run = another_run(shipped.run_of(NAMESPACE, "arrival-delays"), "d0d0")
    for manifest in run:
        federation.argo_cd.apply(manifest)
    name = next(manifest for manifest in run if manifest["kind"] == "Job")["metadata"]["name"]
    selector = f"batch.kubernetes.io/job-name={name}"
    wait_until(lambda: bool(admin.list_all("v1", "Pod", NAMESPACE, selector)), "the Job has a pod")
    [pod] = admin.list_all("v1", "Pod", NAMESPACE, selector)
    with pytest.raises(Refused, match=r"ccd/owner: .* may not connect pods/exec"):
        mighty.exec(pod)
    # Nothing runs the pod here: the owner gets as far as that.
    with pytest.raises(Refused, match="does not have a host assigned"):
        admin.exec(pod)


def test_without_the_owner_s_word_nothing_runs(federation: Federation, admin: Client, shipped: Tree):
    metadata = {"name": "no-word", "labels": {"ccd.dev/party": "ewr"}}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="owner")
    run = shipped.run_of("airport-ewr", "market-concentration")
    for manifest in run:
        message = refusal(admin, changed(manifest, ("metadata.namespace", "no-word")))
        is_judged = manifest["kind"] in ("Job", "NetworkPolicy")
        assert ("no params found for policy binding with `Deny`" in message) == is_judged, message


def test_the_owner_s_next_word_counts_at_once(
    federation: Federation, admin: Client, shipped: Tree, word: dict[str, Manifest]
):
    [job] = [one for one in another_run(shipped.run_of(NAMESPACE, "arrival-delays"), "e0e0") if one["kind"] == "Job"]
    upgraded = changed(job, *((f"{one}.image", OTHER) for one in (FETCH, COMPUTE, PUBLISH)))
    assert "ccd/image:" in refusal(federation.argo_cd, upgraded)
    admin.apply(changed(word["WorkerGrant"], ("spec.images[+]", OTHER)), manager="owner")
    wait_until(lambda: refusal(federation.argo_cd, upgraded) == "", "the new image is allowed")
    admin.apply(word["WorkerGrant"], manager="owner")
    wait_until(lambda: "ccd/image:" in refusal(federation.argo_cd, upgraded), "the new image is refused again")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.images", []),
        ("spec.images[0]", "registry.example.org/ccd/worker:latest"),
        ("spec.egress[0].cidr", "0.0.0.0/0"),
        ("spec.egress[0].cidr", "::/0"),
        ("spec.egress[0].cidr", "store.example.org"),
        ("spec.secrets", {"fetch": []}),
        ("spec.anything", True),
    ],
)
def test_a_grant_that_says_nothing_sound_is_refused(admin: Client, word: dict[str, Manifest], path: str, value: object):
    with pytest.raises(Refused, match=r"invalid|Invalid|unknown field|field not declared"):
        admin.apply(changed(word["WorkerGrant"], (path, value)), manager="owner", dry_run=True)


def test_the_api_server_finds_no_mistake_in_the_policies(federation: Federation, admin: Client):
    for manifest in admission_of(ROOT):
        if manifest["kind"] == "ValidatingAdmissionPolicy":
            name = manifest["metadata"]["name"]
            wait_until(lambda: is_checked(admin, name), f"{name} is type-checked")  # noqa: B023
            status = admin.get(manifest["apiVersion"], manifest["kind"], name)["status"]
            assert status.get("typeChecking", {}) == {}, name


def test_the_admission_objects_are_what_we_wrote_and_warn_of_nothing(federation: Federation, admin: Client):
    for manifest in admission_of(ROOT):
        assert list(differences(manifest, admin.apply(manifest, manager="operator"))) == []
    assert admin.warnings == []


def is_checked(admin: Client, name: str) -> bool:
    policy = admin.get("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", name)
    checked: bool = policy.get("status", {}).get("observedGeneration") == policy["metadata"]["generation"]
    return checked
