"""Pods come from workers' Jobs alone, and stay as they were admitted."""

from typing import Any

import pytest

from tests.cluster.client import Client, Refused
from tests.cluster.control_plane import ControlPlane
from tests.cluster.federation import Federation, refusal
from tests.cluster.manifests import changed
from tests.cluster.node import wait_for_pods
from tests.cluster.test_admission_jobs import IMAGE, OTHER
from tests.cluster.tree import Manifest, Tree, another_run

NAMESPACE = "airport-ewr"
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
JOB_CONTROLLER = "system:serviceaccount:kube-system:job-controller"


@pytest.fixture(scope="module")
def job(federation: Federation, shipped: Tree) -> Manifest:
    run = another_run(shipped.run_of(NAMESPACE, "market-concentration"), "b0b0")
    for manifest in run:
        federation.argo_cd.apply(manifest)
    return next(manifest for manifest in run if manifest["kind"] == "Job")


@pytest.fixture(scope="module")
def pod(control_plane: ControlPlane, job: Manifest) -> Manifest:
    """A pod that the Job controller has made; as a new one of another name it would be admitted, too."""
    [made] = wait_for_pods(control_plane.client(), job, 1)
    return made


@pytest.fixture
def new_pod(pod: Manifest) -> Manifest:
    kept = {key: pod["metadata"][key] for key in ("namespace", "labels", "ownerReferences")}
    new = {"apiVersion": "v1", "kind": "Pod", "metadata": {**kept, "name": "another"}, "spec": pod["spec"]}
    return changed(new)


@pytest.fixture(scope="module")
def job_controller(control_plane: ControlPlane) -> Client:
    """A client with the Job controller's own name."""
    return control_plane.client(JOB_CONTROLLER, "system:serviceaccounts", "system:serviceaccounts:kube-system")


def test_the_job_controller_makes_a_worker_s_pod(job_controller: Client, new_pod: Manifest):
    assert refusal(job_controller, new_pod) == ""


def test_nobody_else_does_not_even_with_the_job_as_owner(admin: Client, new_pod: Manifest):
    assert "ccd/only-jobs: a pod is made by the Job controller" in refusal(admin, new_pod)


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("metadata.ownerReferences", [], "only-jobs"),
        ("metadata.ownerReferences[0].name", "other", "only-jobs"),
        ("metadata.ownerReferences[0].kind", "CronJob", "only-jobs"),
        ("metadata.labels", {"ccd.dev/party": "jfk"}, "labels"),
        ("spec.containers[0].image", OTHER, "image"),
        ("spec.containers[+]", {"name": "sidecar", "image": IMAGE, "securityContext": RESTRICTED}, "containers"),
        ("spec.containers[0].args", ["x"], "command"),
        ("spec.containers[0].env[+]", {"name": "HTTPS_PROXY", "value": "http://192.0.2.66"}, "environment"),
        ("spec.volumes[1]", {"name": "work", "configMap": {"name": "other"}}, "volumes"),
        ("spec.containers[0].volumeMounts[0].mountPath", "/usr/lib/python3", "mounts"),
    ],
)
def test_a_pod_that_a_webhook_has_changed_is_refused(
    job_controller: Client, new_pod: Manifest, path: str, value: Any, rule: str
):
    if path == "metadata.labels":
        value = {**new_pod["metadata"]["labels"], **value}
    message = refusal(job_controller, changed(new_pod, (path, value)))
    assert "ValidatingAdmissionPolicy 'ccd-pods'" in message, message
    assert f"ccd/{rule}:" in message


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("spec.containers[0].image", OTHER, "unchanged"),
        ("spec.initContainers[1].image", OTHER, "unchanged"),
        ("metadata.labels", {"ccd.dev/run": "other-0123456789"}, "unchanged-labels"),
        ("metadata.labels", {}, "unchanged-labels"),
        ("metadata.labels.app", "browser", "unchanged-labels"),
    ],
)
def test_a_pod_stays_as_it_was_admitted(admin: Client, pod: Manifest, path: str, value: object, rule: str):
    with pytest.raises(Refused, match=f"ccd/{rule}:"):
        admin.replace(changed(pod, (path, value)), dry_run=True)


def test_what_does_not_matter_may_be_noted_on_a_pod(admin: Client, pod: Manifest):
    admin.replace(changed(pod, ("metadata.annotations", {"cni.example.org/address": "10.1.2.3"})), dry_run=True)


def test_no_debugger_is_put_into_a_pod(admin: Client, pod: Manifest):
    debugger = {
        "name": "debug",
        "image": pod["spec"]["containers"][0]["image"],
        "command": ["sh"],
        "securityContext": RESTRICTED,
    }
    with pytest.raises(Refused, match="ccd/containers:"):
        admin.replace(changed(pod, ("spec.ephemeralContainers", [debugger])), "ephemeralcontainers", dry_run=True)


TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": OTHER}]}}
APP = {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE}
JOB_TEMPLATE = {"spec": {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}}
INGRESS = {"defaultBackend": {"service": {"name": "x", "port": {"number": 8443}}}}


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("apps/v1", "Deployment", APP),
        ("apps/v1", "StatefulSet", {**APP, "serviceName": "x"}),
        ("apps/v1", "DaemonSet", APP),
        ("apps/v1", "ReplicaSet", APP),
        ("v1", "ReplicationController", {"selector": {"app": "x"}, "template": TEMPLATE}),
        ("batch/v1", "CronJob", {"schedule": "* * * * *", "jobTemplate": JOB_TEMPLATE}),
        ("networking.k8s.io/v1", "Ingress", INGRESS),
    ],
)
def test_no_other_kind_makes_pods_or_lets_the_outside_in(
    federation: Federation, admin: Client, version: str, kind: str, spec: Manifest
):
    metadata = {"name": "stray", "namespace": NAMESPACE}
    message = refusal(admin, {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    assert f"ccd/only-jobs: {kind} is no kind of which a run is made" in message
