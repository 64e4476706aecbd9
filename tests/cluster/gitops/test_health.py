"""What a steward reads of a run in Argo CD: is it under way, done, or refused, and why. Judged by the real controllers."""

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.gitops.applications import Application, wait_for
from tests.cluster.gitops.forge import WORKFLOW, Forge
from tests.cluster.node import Node, register_node, wait_for_pods
from tests.cluster.tree import Manifest

# Workflow -> the container that ends last, and how.
ENDS = {
    "done": ("publish", 0),
    "refused": ("publish", 30),
    "mismatch": ("publish", 20),
    "waiting": ("publish", 40),
}


@pytest.fixture(scope="module")
def node(control_plane: ControlPlane) -> Node:
    return register_node(control_plane, "argo-health")


@pytest.fixture(scope="module")
def ended(forge: Forge, node: Node) -> Forge:
    """A federation whose runs have ended in all ways at alpha, but for the first, which is under way."""
    text = (forge.root / f"workflows/{WORKFLOW}.yaml").read_text()
    for name in (*ENDS, "late"):
        document = text.replace(f"name: {WORKFLOW}", f"name: {name}")
        if name == "late":
            document = document.replace("jobSeconds: 600", "jobSeconds: 5")
        (forge.root / f"workflows/{name}.yaml").write_text(document)
    forge.render()
    forge.merge("Ask in all ways")
    for name, (container, code) in ENDS.items():
        wait_for(f"{name} has a Job", lambda name=name: job_of(forge, name) is not None)
        job = job_of(forge, name)
        assert job is not None
        [pod] = wait_for_pods(forge.client, job, 1)
        node.run(pod, container, code)
    return forge


def job_of(forge: Forge, workflow: str) -> Manifest | None:
    found = [
        one for one in forge.objects("alpha").values() if one["metadata"]["labels"]["ccd.dev/workflow"] == workflow
    ]
    return found[0] if found else None


def wait_for_health(forge: Forge, workflow: str, health: str) -> tuple[Application, str]:
    """Wait until alpha's Application of the workflow has that health; return it, and what it says of its Job."""

    def find() -> Application:
        [one] = [one for one in forge.applications() if one.name.startswith(f"{workflow}-") and one.namespace == alpha]
        return one

    alpha = forge.namespace("alpha")
    wait_for(f"{workflow} is {health}", lambda: find().health == health)
    found = find()
    judged = found.resource("Job")["health"]
    assert judged["status"] == health
    return found, str(judged.get("message", ""))


def test_a_run_under_way_is_progressing(ended: Forge):
    _, message = wait_for_health(ended, WORKFLOW, "Progressing")
    assert message == ""


def test_a_finished_run_is_healthy(ended: Forge):
    wait_for_health(ended, "done", "Healthy")


def test_a_refused_run_is_degraded_and_says_what_its_exit_code_means(ended: Forge):
    found, message = wait_for_health(ended, "refused", "Degraded")

    run_id = found.name.partition(".")[0]
    assert message.startswith(f"Container publish for pod {ended.namespace('alpha')}/{run_id}-alpha-")
    assert "failed with exit code 30 matching FailJob rule" in message
    assert "30: rejected by a policy" in message
    assert f"ccd output {run_id}" in message


def test_data_unlike_its_declaration_is_degraded_too(ended: Forge):
    _, message = wait_for_health(ended, "mismatch", "Degraded")

    assert "failed with exit code 20 " in message
    assert "20: data unlike its declaration" in message


def test_a_run_that_is_tried_again_is_progressing_and_counts(ended: Forge):
    job = job_of(ended, "waiting")
    assert job is not None
    wait_for_pods(ended.client, job, 2)  # the Job controller has counted the first
    ended.tell()

    def counts() -> bool:
        _, message = wait_for_health(ended, "waiting", "Progressing")
        return message == "Attempts that have failed, because a peer or a store was away: 1"

    wait_for("one failed attempt is told", counts)


def test_a_run_that_took_too_long_is_degraded_and_says_what_to_raise(ended: Forge):
    _, message = wait_for_health(ended, "late", "Degraded")

    assert "deadline" in message
    assert "spec.deadlines.jobSeconds" in message
