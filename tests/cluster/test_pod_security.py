"""Restricted Pod Security, as the shipped Namespaces ask for it, is enforced."""

import copy

import pytest

from tests.cluster.client import Client, Refused
from tests.cluster.control_plane import ControlPlane
from tests.cluster.tree import Manifest, Tree

NAMESPACE = "pod-security"


@pytest.fixture(scope="module")
def pod(control_plane: ControlPlane, shipped: Tree) -> Manifest:
    """A worker's pod, in a namespace with the labels that ours have and without anything else of ours."""
    labels = shipped.namespaces[0]["metadata"]["labels"]
    security = {key: value for key, value in labels.items() if key.startswith("pod-security.kubernetes.io/")}
    client = control_plane.client()
    metadata = {"name": NAMESPACE, "labels": security}
    client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    for account in ("default", "worker"):
        reference = {"name": account, "namespace": NAMESPACE}
        client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": reference})
    spec = copy.deepcopy(shipped.of_kind("Job")[0]["spec"]["template"]["spec"]) | {"serviceAccountName": "worker"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "namespace": NAMESPACE}, "spec": spec}


def test_a_worker_s_pod_is_within_it(pod: Manifest, admin: Client):
    admin.create(pod, dry_run=True)
    assert admin.warnings == []


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("pod", {"hostNetwork": True}, "host namespaces"),
        ("pod", {"securityContext": {"runAsNonRoot": False}}, "runAsNonRoot != true"),
        ("container", {"securityContext": {"privileged": True}}, "privileged"),
        ("container", {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}}, "unrestricted capabilities"),
        ("volume", {"hostPath": {"path": "/"}}, "hostPath"),
    ],
)
def test_a_pod_with_a_privilege_is_refused(pod: Manifest, admin: Client, what: str, change: Manifest, message: str):
    spec = copy.deepcopy(pod["spec"])
    {
        "pod": spec,
        "container": spec["containers"][0],
        "volume": spec["volumes"][1],
    }[what].update(change)
    if what == "volume":
        del spec["volumes"][1]["emptyDir"]
    if "hostNetwork" in change:
        spec["initContainers"][1]["ports"][0]["hostPort"] = spec["initContainers"][1]["ports"][0]["containerPort"]
    with pytest.raises(Refused, match='violates PodSecurity "restricted:latest"') as refused:
        admin.create({**pod, "spec": spec}, dry_run=True)
    assert message in refused.value.message
