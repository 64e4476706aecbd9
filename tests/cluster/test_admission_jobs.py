"""A Job that is not exactly a worker's is refused by the API server, though Argo CD may create Jobs."""

from typing import Any

import pytest

from tests.cluster.client import Client, Refused
from tests.cluster.federation import Federation, refusal
from tests.cluster.manifests import GONE, changed
from tests.cluster.tree import Manifest, Tree, another_run

POD = "spec.template.spec"
FETCH, COMPUTE, PUBLISH = f"{POD}.initContainers[0]", f"{POD}.initContainers[1]", f"{POD}.containers[0]"
IMAGE = "registry.example.org/ccd/worker@sha256:" + "c0ffee00" * 8
OTHER = "registry.example.org/ccd/worker@sha256:" + "bad0" * 16
IDENTITY = {"name": "secret-ccd-identity", "mountPath": "/var/run/ccd/secrets/ccd-identity", "readOnly": True}
DATA = {"name": "secret-swift-data", "mountPath": "/var/run/ccd/secrets/swift-data", "readOnly": True}
OTHER_SECRET = {"name": "secret-other", "mountPath": "/var/run/ccd/secrets/other", "readOnly": True}
# The owner of these tests' namespace grants this one.
WARD = {"name": "claim-ward-data", "persistentVolumeClaim": {"claimName": "ward-data", "readOnly": True}}
WARD_MOUNTED = {"name": "claim-ward-data", "mountPath": "/var/run/ccd/volumes/ward-data", "readOnly": True}
CLAIM = {"name": "claim-other", "persistentVolumeClaim": {"claimName": "other", "readOnly": True}}
CLAIMED = {"name": "claim-other", "mountPath": "/var/run/ccd/volumes/other", "readOnly": True}
TEMPLATE = "spec.template.metadata"
LABELS = {
    "app.kubernetes.io/component": "worker",
    "app.kubernetes.io/instance": "market-concentration-c34aaaaaaa",
    "app.kubernetes.io/managed-by": "ccd",
    "app.kubernetes.io/name": "ccd-worker",
    "app.kubernetes.io/part-of": "ccd",
    "ccd.dev/party": "ewr",
    "ccd.dev/run": "market-concentration-c34aaaaaaa",
    "ccd.dev/workflow": "market-concentration",
}
SHELL = {"exec": {"command": ["sh", "-c", "true"]}}


def labelled(**labels: str) -> list[tuple[str, Any]]:
    """Return what gives Job and pods these of the recommended labels."""
    own = {**LABELS, **{f"app.kubernetes.io/{key}": value for key, value in labels.items()}}
    return [("metadata.labels", own), (f"{TEMPLATE}.labels", own)]


def called(run: str, workflow: str) -> list[tuple[str, Any]]:
    """Return what makes the Job another run's, in all that follows from its name."""
    own = {**LABELS, "app.kubernetes.io/instance": run, "ccd.dev/run": run, "ccd.dev/workflow": workflow}
    changes: list[tuple[str, Any]] = [("metadata.labels", own), (f"{TEMPLATE}.labels", own)]
    changes += [("metadata.name", f"{run}-ewr"), (f"{POD}.serviceAccountName", f"{run}-ewr")]
    return [*changes, (f"{POD}.volumes[0].configMap.name", f"{run}-ewr")]


# What somebody tries who has taken over Git and Argo CD: rule, and changes to the Job of ewr.
TRIES: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "another image": ("image", [(f"{PUBLISH}.image", OTHER)]),
    "another image in the first container": ("image", [(f"{FETCH}.image", OTHER)]),
    "the image by a tag": ("image", [(f"{COMPUTE}.image", "registry.example.org/ccd/worker:latest")]),
    "the identity's key for the container that speaks with stores": (
        "secrets",
        [(f"{FETCH}.volumeMounts[+]", IDENTITY)],
    ),
    "the data's credentials for the container that publishes": ("secrets", [(f"{PUBLISH}.volumeMounts[+]", DATA)]),
    "a Secret of the owner's that is no worker's": (
        "secrets",
        [
            (f"{POD}.volumes[+]", {"name": "secret-other", "secret": {"secretName": "other"}}),
            (f"{FETCH}.volumeMounts[+]", OTHER_SECRET),
        ],
    ),
    "a Secret under another's name": ("volumes", [(f"{POD}.volumes[3].secret.secretName", "other")]),
    "a Secret as the working directory": (
        "volumes",
        [(f"{POD}.volumes[1]", {"name": "work", "secret": {"secretName": "other"}})],
    ),
    "another ConfigMap": ("volumes", [(f"{POD}.volumes[0].configMap.name", "other")]),
    "a Secret's password under the name of its address": (
        "volumes",
        [(f"{POD}.volumes[3].secret.items", [{"key": "ST_KEY", "path": "ST_AUTH"}])],
    ),
    "the run spec under another name": (
        "volumes",
        [(f"{POD}.volumes[0].configMap.items", [{"key": "other.json", "path": "run.json"}])],
    ),
    "the host's files": ("volumes", [(f"{POD}.volumes[+]", {"name": "host", "hostPath": {"path": "/"}})]),
    "a token in a projected volume": (
        "volumes",
        [(f"{POD}.volumes[+]", {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}})],
    ),
    "a volume to keep the data on": (
        "volumes",
        [(f"{POD}.volumes[+]", {"name": "claim-kept", "persistentVolumeClaim": {"claimName": "kept"}})],
    ),
    "a volume under another's name": (
        "volumes",
        [(f"{POD}.volumes[+]", {"name": "claim-a", "persistentVolumeClaim": {"claimName": "b", "readOnly": True}})],
    ),
    "a volume that the owner has not named": (
        "claims",
        [(f"{POD}.volumes[+]", CLAIM), (f"{FETCH}.volumeMounts[+]", CLAIMED)],
    ),
    "the volume with the data for another container": (
        "claims",
        [
            (f"{POD}.volumes[+]", WARD),
            (f"{PUBLISH}.volumeMounts[+]", WARD_MOUNTED),
        ],
    ),
    "a volume laid over the worker": (
        "mounts",
        [(f"{POD}.volumes[+]", WARD), (f"{FETCH}.volumeMounts[+]", {**WARD_MOUNTED, "mountPath": "/usr/lib/python3"})],
    ),
    "a working directory without a limit": ("volumes", [(f"{POD}.volumes[1].emptyDir", {})]),
    "the ConfigMap laid over the worker's code": (
        "mounts",
        [(f"{FETCH}.volumeMounts[0].mountPath", "/usr/lib/python3")],
    ),
    "a part of the ConfigMap laid over the worker": ("mounts", [(f"{FETCH}.volumeMounts[0].subPath", "run.json")]),
    "a termination message that is the data": ("mounts", [(f"{FETCH}.terminationMessagePath", "/work/flights.csv")]),
    "the log as termination message": ("mounts", [(f"{FETCH}.terminationMessagePolicy", "FallbackToLogsOnError")]),
    "host network": ("privileges", [(f"{POD}.hostNetwork", True), (f"{COMPUTE}.ports[0].hostPort", 8443)]),
    "the host's processes": ("privileges", [(f"{POD}.hostPID", True)]),
    "the host's shared memory": ("privileges", [(f"{POD}.hostIPC", True)]),
    "a host port": ("privileges", [(f"{COMPUTE}.ports[0].hostPort", 8443)]),
    "another port": ("privileges", [(f"{COMPUTE}.ports[0].containerPort", 22)]),
    "a privileged container": (
        "privileges",
        [(f"{FETCH}.securityContext.privileged", True), (f"{FETCH}.securityContext.allowPrivilegeEscalation", True)],
    ),
    "a capability": ("privileges", [(f"{FETCH}.securityContext.capabilities.add", ["SYS_PTRACE"])]),
    "a writable root": ("privileges", [(f"{FETCH}.securityContext.readOnlyRootFilesystem", False)]),
    "one process namespace for all containers": ("privileges", [(f"{POD}.shareProcessNamespace", True)]),
    "a peer's name for another address": (
        "privileges",
        [(f"{POD}.hostAliases", [{"ip": "192.0.2.66", "hostnames": ["store.example.org"]}])],
    ),
    "arguments": ("command", [(f"{FETCH}.args", ["--help"])]),
    "a shell": ("command", [(f"{PUBLISH}.command", ["sh", "-c", "cat /work/*"])]),
    "another container's command": ("command", [(f"{PUBLISH}.command[1]", "fetch")]),
    "a hook": ("command", [(f"{PUBLISH}.lifecycle", {"postStart": SHELL})]),
    "a probe": ("command", [(f"{PUBLISH}.livenessProbe", SHELL)]),
    "a Secret in the environment": ("environment", [(f"{FETCH}.envFrom", [{"secretRef": {"name": "swift-data"}}])]),
    "a library to load first": ("environment", [(f"{FETCH}.env[+]", {"name": "LD_PRELOAD", "value": "/work/x.so"})]),
    "a key in a variable": (
        "environment",
        [(f"{FETCH}.env[0].valueFrom", {"secretKeyRef": {"name": "ccd-identity", "key": "tls.key"}})],
    ),
    "one container more": (
        "containers",
        [(f"{POD}.containers[+]", {"name": "more", "image": IMAGE, "command": ["ccd-worker", "more"]})],
    ),
    "a sidecar": ("containers", [(f"{FETCH}.restartPolicy", "Always")]),
    "publish without what comes before it": ("containers", [(f"{POD}.initContainers", [])]),
    "a token for the API": ("account", [(f"{POD}.automountServiceAccountToken", True)]),
    "another service account": ("account", [(f"{POD}.serviceAccountName", "default")]),
    "another party's label": ("labels", [("metadata.labels", {"ccd.dev/party": "jfk"})]),
    "the label of the owner's application that may reach the Internet": (
        "labels",
        labelled(name="browser"),
    ),
    "the label of the owner's own release": ("labels", labelled(instance="my-browser")),
    "the name of the owner's own release as its run": ("labels", called("my-browser", "my")),
    "a label that is not ours": ("labels", [("metadata.labels.team", "red")]),
    "another name": ("labels", [("metadata.name", "anything")]),
    "pods under the label of another run": (
        "template-labels",
        [("spec.template.metadata.labels", {"ccd.dev/run": "other-0123456789"})],
    ),
    "an annotation that asks for another network": (
        "template-labels",
        [("spec.template.metadata.annotations", {"k8s.v1.cni.cncf.io/networks": "open"})],
    ),
    "several pods at a time": ("one-run", [("spec.parallelism", 3)]),
    "a second success": ("one-run", [("spec.completions", 2)]),
    "another controller": ("one-run", [("spec.managedBy", "example.org/other")]),
    "a Job that starts later": ("one-run", [("spec.suspend", True)]),
    "no deadline": ("limits", [("spec.activeDeadlineSeconds", GONE)]),
    "a hundred attempts": ("limits", [("spec.backoffLimit", 100)]),
    "a Job that deletes itself": ("limits", [("spec.ttlSecondsAfterFinished", 0)]),
    "a refusal that is tried again": ("final-exit-codes", [("spec.podFailurePolicy", GONE)]),
    "a chosen node": ("placement", [(f"{POD}.nodeName", "evil")]),
    "a name server": ("placement", [(f"{POD}.dnsConfig", {"nameservers": ["192.0.2.66"]})]),
    "another scheduler": ("placement", [(f"{POD}.schedulerName", "evil")]),
    "a tolerated taint": ("placement", [(f"{POD}.tolerations", [{"operator": "Exists"}])]),
}


@pytest.fixture(scope="module")
def job(shipped: Tree) -> Manifest:
    run = another_run(shipped.run_of("airport-ewr", "market-concentration"), "aaaa")
    return next(manifest for manifest in run if manifest["kind"] == "Job")


def test_every_job_of_the_tree_is_admitted(federation: Federation, shipped: Tree):
    federation.argo_cd.warnings.clear()
    for manifest in shipped.of_kind("Job"):
        federation.argo_cd.apply(manifest, dry_run=True)
    assert federation.argo_cd.warnings == []


def test_the_job_that_the_tries_change_would_be_admitted(federation: Federation, job: Manifest):
    assert refusal(federation.argo_cd, job) == ""


@pytest.mark.parametrize("name", TRIES)
def test_a_job_is_refused_with(federation: Federation, job: Manifest, name: str):
    rule, changes = TRIES[name]

    message = refusal(federation.argo_cd, changed(job, *changes))

    assert "ValidatingAdmissionPolicy 'ccd-jobs'" in message, message
    assert f"ccd/{rule}:" in message


def test_a_volume_that_the_owner_has_named_is_admitted_where_data_is_fetched(federation: Federation, job: Manifest):
    assert (
        refusal(
            federation.argo_cd, changed(job, (f"{POD}.volumes[+]", WARD), (f"{FETCH}.volumeMounts[+]", WARD_MOUNTED))
        )
        == ""
    )


def test_nobody_else_is_above_the_rules(federation: Federation, admin: Client, job: Manifest):
    assert "ccd/image:" in refusal(admin, changed(job, (f"{PUBLISH}.image", OTHER)))


def test_a_message_names_the_image_and_what_to_do(federation: Federation, job: Manifest):
    message = refusal(federation.argo_cd, changed(job, (f"{PUBLISH}.image", OTHER)))
    assert OTHER in message
    assert "WorkerGrant worker (fix: the owner adds the digest there" in message


def test_a_message_names_container_and_secret(federation: Federation, job: Manifest):
    message = refusal(federation.argo_cd, changed(job, (f"{FETCH}.volumeMounts[+]", IDENTITY)))
    assert "fetch mounts ccd-identity" in message


def test_a_job_that_was_admitted_is_not_changed(federation: Federation, admin: Client, shipped: Tree):
    run = another_run(shipped.run_of("airport-ewr", "market-concentration"), "abab")
    for manifest in run:
        federation.argo_cd.apply(manifest)
    [job] = [manifest for manifest in run if manifest["kind"] == "Job"]
    for path, value in (
        ("spec.suspend", True),
        ("spec.activeDeadlineSeconds", 99),
        ("metadata.labels", {"ccd.dev/party": "jfk"}),
    ):
        with pytest.raises(Refused, match="ccd/unchanged: "):
            federation.argo_cd.apply(changed(job, (path, value)), dry_run=True)
    federation.argo_cd.delete("batch/v1", "Job", job["metadata"]["name"], "airport-ewr")
