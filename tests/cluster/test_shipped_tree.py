"""What is committed under `argocd/`, applied to a real API server as Argo CD applies it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cluster.binaries import ASSETS
from tests.cluster.client import FIELD_MANAGER, Client, Refused
from tests.cluster.conftest import CLAIMS
from tests.cluster.federation import Federation, admission_of, grants_of, rights_of_argo_cd
from tests.cluster.fields import differences, managed, written
from tests.cluster.node import wait_for_pods
from tests.cluster.process import wait_until
from tests.cluster.tree import ROOT, Manifest, Tree


@dataclass(frozen=True)
class Applied:
    """What was applied, in order, and what the API server warned of."""

    manifests: tuple[Manifest, ...]
    warnings: tuple[str, ...]


def live(client: Client, manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    return client.get(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))


def where(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata'].get('namespace', '')}/{manifest['metadata']['name']}"


@pytest.fixture(scope="module")
def applied(federation: Federation, shipped: Tree) -> Iterator[Applied]:
    client = federation.argo_cd
    client.warnings.clear()
    for manifest in shipped.runs:
        client.apply(manifest)
    yield Applied(shipped.runs, tuple(client.warnings))
    for manifest in reversed(shipped.runs):
        client.delete(
            manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        )


def test_the_api_server_is_the_pinned_release(admin: Client):
    """Unless whoever runs the tests has brought another one."""
    version = admin.server_version()
    if not os.environ.get(ASSETS):
        [pinned] = re.findall(r"^\s*k8s\.io/kubernetes (v\S+)", (ROOT / "tests/cluster/plane/go.mod").read_text(), re.M)
        assert version["gitVersion"] == pinned
    assert (version["major"], version["minor"]) == tuple(version["gitVersion"].removeprefix("v").split(".")[:2])


def test_the_tree_has_every_kind_that_a_run_needs(shipped: Tree):
    kinds = {manifest["kind"] for manifest in shipped.runs}
    assert kinds == {"ConfigMap", "Job", "NetworkPolicy", "Service", "ServiceAccount"}
    assert len(shipped.namespaces) == len({manifest["metadata"]["namespace"] for manifest in shipped.runs})


def test_nothing_that_we_wrote_is_dropped_or_changed(applied: Applied, admin: Client):
    changed = [
        f"{where(manifest)}: {line}"
        for manifest in applied.manifests
        for line in differences(manifest, live(admin, manifest))
    ]
    assert changed == []


def test_the_api_server_warns_of_nothing(applied: Applied):
    assert applied.warnings == ()


def test_a_namespace_is_what_we_wrote_and_warns_of_nothing(federation: Federation, admin: Client, shipped: Tree):
    for namespace in shipped.namespaces:
        before = admin.apply(namespace, manager="owner")
        assert list(differences(namespace, before)) == []
        assert admin.apply(namespace, manager="owner")["metadata"] == before["metadata"]
    assert admin.warnings == []


def test_what_owners_and_operators_apply_once_is_kept_as_we_wrote_it(federation: Federation, admin: Client):
    standing = [*admission_of(ROOT), *rights_of_argo_cd(ROOT), *grants_of(federation.workspace, CLAIMS)]
    assert {one["kind"] for one in standing} == {
        "ClusterRole",
        "CustomResourceDefinition",
        "NetworkPolicy",
        "RoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "WorkerGrant",
    }
    for one in standing:
        admin.apply(
            one, manager="operator" if one in admission_of(ROOT) else "owner"
        )  # other tests may have changed it
    changed = [f"{where(one)}: {line}" for one in standing for line in differences(one, live(admin, one))]
    assert changed == []


def test_exactly_the_fields_that_we_wrote_are_ours(applied: Applied, admin: Client):
    for manifest in applied.manifests:
        ours, theirs = set(written(manifest)), managed(live(admin, manifest), FIELD_MANAGER)
        assert theirs <= ours, f"{where(manifest)} claims {theirs - ours}"
        # A list or map that the schema calls atomic is owned as a whole.
        inside = {path for path in ours - theirs if not any(path.startswith(f"{owned}.") for owned in theirs)}
        assert not inside, f"{where(manifest)} does not hold {inside}"


def test_applying_the_same_tree_again_changes_nothing(applied: Applied, federation: Federation, admin: Client):
    jobs = [manifest for manifest in applied.manifests if manifest["kind"] == "Job"]
    # The Job controller writes the status a moment later.
    wait_until(lambda: all(is_settled(live(admin, job)) for job in jobs), "the Jobs are under way")
    before = {where(manifest): live(admin, manifest)["metadata"] for manifest in applied.manifests}
    for manifest in applied.manifests:
        after = federation.argo_cd.apply(manifest)["metadata"]
        assert after["resourceVersion"] == before[where(manifest)]["resourceVersion"], where(manifest)
        assert after["uid"] == before[where(manifest)]["uid"]


def is_settled(job: Manifest) -> bool:
    status = job.get("status", {})
    return status.get("active") == 1 and "ready" in status


def test_the_pod_of_every_job_is_made_and_admitted(applied: Applied, admin: Client, shipped: Tree):
    for job in shipped.of_kind("Job"):
        [pod] = wait_for_pods(admin, job, 1)
        assert pod["metadata"]["labels"].items() >= job["spec"]["template"]["metadata"]["labels"].items()
        [owner] = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("Job", live(admin, job)["metadata"]["uid"])
        assert list(differences(job["spec"]["template"]["spec"], pod["spec"])) == []
        assert events_of(admin, job) == {"SuccessfulCreate"}


def test_no_pod_is_given_a_token_for_the_api(applied: Applied, admin: Client, shipped: Tree):
    for job in shipped.of_kind("Job"):
        [pod] = wait_for_pods(admin, job, 1)
        assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]


def events_of(client: Client, job: Manifest) -> set[str]:
    """What the Job controller has said of the Job, once it has said something."""

    def reasons() -> set[str]:
        return {
            event["reason"]
            for event in client.list_all("v1", "Event", job["metadata"]["namespace"])
            if event["involvedObject"]["name"] == job["metadata"]["name"]
        }

    wait_until(lambda: bool(reasons()), f"there is an event of {job['metadata']['name']}")
    return reasons()


def test_strict_validation_refuses_a_field_that_does_not_exist(applied: Applied, admin: Client, shipped: Tree):
    service = shipped.of_kind("Service")[0]
    wrong = {**service, "spec": {**service["spec"], "publishNotReadyAdresses": True}}
    with pytest.raises(Refused, match=r"publishNotReadyAdresses"):
        admin.apply(wrong, dry_run=True)
