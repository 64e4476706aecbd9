"""How a worker's exit code ends its Job or has it tried again, decided by the real Job controller."""

import pytest

from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.federation import Federation
from tests.cluster.node import Node, pods_of, register_node, wait_for_pods
from tests.cluster.process import wait_until
from tests.cluster.tree import Manifest, Tree, another_run

# By exit code, a container that ends with it.
FINAL = {10: "fetch", 20: "fetch", 30: "compute", 70: "publish"}
TRIED_AGAIN = {40: "compute", 50: "fetch"}
NAMESPACE = "airport-ewr"


@pytest.fixture(scope="module")
def node(control_plane: ControlPlane) -> Node:
    return register_node(control_plane, "job-ends")


@pytest.fixture(scope="module")
def jobs(control_plane: ControlPlane, federation: Federation, shipped: Tree, node: Node) -> dict[int, Manifest]:
    """One Job for each exit code, whose first pod has ended with it. All at once, since retries take ten seconds."""
    client = control_plane.client()
    run, made = shipped.run_of(NAMESPACE, "market-concentration"), {}
    for code, container in {0: "publish", **FINAL, **TRIED_AGAIN}.items():
        for manifest in another_run(run, f"{code:04}"):
            federation.argo_cd.apply(manifest)
            if manifest["kind"] == "Job":
                made[code] = manifest
        [pod] = wait_for_pods(client, made[code], 1)
        node.run(pod, container, code)
    return made


def conditions(client: Client, job: Manifest) -> dict[str, str]:
    metadata = job["metadata"]
    status = client.get("batch/v1", "Job", metadata["name"], metadata["namespace"])["status"]
    return {one["type"]: one.get("reason", "") for one in status.get("conditions", []) if one["status"] == "True"}


@pytest.mark.parametrize("code", FINAL)
def test_a_final_exit_code_fails_the_job_at_once(jobs: dict[int, Manifest], admin: Client, code: int):
    job = jobs[code]
    wait_until(lambda: "Failed" in conditions(admin, job), f"the Job has failed after exit code {code}")
    assert conditions(admin, job)["Failed"] == "PodFailurePolicy"
    assert len(pods_of(admin, job)) == 1


@pytest.mark.parametrize("code", TRIED_AGAIN)
def test_a_passing_trouble_is_tried_again(jobs: dict[int, Manifest], admin: Client, code: int):
    job = jobs[code]
    first, second = wait_for_pods(admin, job, 2)
    assert first["status"]["phase"] == "Failed"
    assert second["status"]["phase"] == "Pending"
    assert conditions(admin, job) == {}


def test_a_second_attempt_that_succeeds_completes_the_job(jobs: dict[int, Manifest], admin: Client, node: Node):
    job = jobs[40]
    _, second = wait_for_pods(admin, job, 2)
    node.run(second, "publish", 0)
    wait_until(lambda: "Complete" in conditions(admin, job), "the second attempt has completed the Job")


def test_success_completes_the_job(jobs: dict[int, Manifest], admin: Client):
    wait_until(lambda: "Complete" in conditions(admin, jobs[0]), "the Job is complete")
    assert len(pods_of(admin, jobs[0])) == 1
