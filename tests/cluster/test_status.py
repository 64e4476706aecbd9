"""`ccd status` and `ccd logs` against a real API server: Jobs from a rendered tree, pods by the real Job controller."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from renderer.cluster.kube import open_kube
from renderer.cluster.phase import standing_of
from renderer.cluster.source import NoAccess
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.node import Node, pods_of, register_node, wait_for_pods
from tests.cluster.process import wait_until
from tests.cluster.tree import Manifest, read_tree
from tests.renderer.conftest import FEDERATION
from tests.renderer.gitops import ccd

PARTIES = {"alpha": "hospital-a", "bravo": "hospital-b", "carol": "institute"}
CONTAINERS = ("fetch", "compute", "publish")
WAITS: Manifest = {"waiting": {"reason": "PodInitializing"}}
WAITING_FOR_IMAGE: Manifest = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
RUNS: Manifest = {"running": {"startedAt": "2026-06-01T12:00:00Z"}}


def ended(code: int, status: str, reason: str = "") -> Manifest:
    message = json.dumps({"status": status, "code": code, "party": "x", "reason": reason})
    why = "Completed" if code == 0 else "Error"
    return {"terminated": {"exitCode": code, "reason": why, "message": message}}


GOOD = ended(0, "succeeded")


@dataclass(frozen=True)
class Run:
    """The small federation's run, in a cluster."""

    root: Path
    plane: ControlPlane
    node: Node
    jobs: dict[str, Manifest]  # by party

    @property
    def run_id(self) -> str:
        return self.jobs["alpha"]["metadata"]["labels"]["ccd.dev/run"]

    @property
    def admin(self) -> Path:
        return self.plane.kubeconfig("admin", "system:masters")

    def report(self, party: str, *states: Manifest, attempt: int = 1) -> Manifest:
        """Say of a party's pod what its kubelet would say."""
        pod = wait_for_pods(self.node.scheduler, self.jobs[party], attempt)[attempt - 1]
        if "nodeName" not in pod["spec"]:
            self.node.scheduler.bind(pod, self.node.name)
        [image] = {container["image"] for container in pod["spec"]["containers"]}
        told = [
            {"name": name, "image": image, "imageID": "", "ready": False, "restartCount": 0, "state": state}
            for name, state in zip(CONTAINERS, states, strict=True)
        ]
        codes = [state["terminated"]["exitCode"] if "terminated" in state else None for state in states]
        phase = "Failed" if any(codes) else "Succeeded" if codes == [0, 0, 0] else "Pending"
        phase = "Running" if states[-1] == RUNS else phase
        status = {"phase": phase, "initContainerStatuses": told[:2], "containerStatuses": told[2:]}
        self.node.kubelet.patch_status({**pod, "status": status})
        return pod

    def ccd(self, *arguments: str | Path, kubeconfig: Path | None = None):
        return ccd(self.root, *arguments, "--kubeconfig", kubeconfig or self.admin)

    def status(self, kubeconfig: Path | None = None) -> dict[str, dict[str, Any]]:
        result = self.ccd("status", "visits-by-ward", "--json", kubeconfig=kubeconfig)
        assert result.exit_code == 0, result.output
        return {each["party"]: each for each in json.loads(result.stdout)["parties"]}

    def phases(self) -> dict[str, str]:
        return {party: each["phase"] for party, each in self.status().items()}


@pytest.fixture(scope="module")
def run(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("status") / "federation"
    shutil.copytree(FEDERATION, root)
    assert ccd(root, "render").exit_code == 0
    client = control_plane.client()
    for namespace in PARTIES.values():
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    tree = read_tree(root / "argocd")
    jobs = {job["metadata"]["labels"]["ccd.dev/party"]: job for job in tree.of_kind("Job")}
    node = register_node(control_plane, "status")
    run = Run(root, control_plane, node, jobs)
    assert run.phases() == dict.fromkeys(PARTIES, "pending")  # nothing is applied yet
    for manifest in tree.runs:
        client.apply(manifest)
    return run


@pytest.fixture(scope="module")
def bravo(run: Run) -> Path:
    """The kubeconfig of somebody who may look into bravo's namespace and into no other."""
    rules = [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
    ]
    return allow(run, "bo", PARTIES["bravo"], rules)


def allow(run: Run, user: str, namespace: str, rules: list[Manifest]) -> Path:
    """Return the kubeconfig of somebody who may do this, once the API server, which reads roles in its own time, knows."""
    client, group = run.plane.client(), "rbac.authorization.k8s.io"
    metadata = {"name": f"role-of-{user}", "namespace": namespace}
    client.apply({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    subjects = [{"kind": "User", "name": user, "apiGroup": group}]
    role = {"apiGroup": group, "kind": "Role", "name": metadata["name"]}
    binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": metadata}
    client.apply({**binding, "subjects": subjects, "roleRef": role})
    asked = [
        {"namespace": namespace, "group": rule["apiGroups"][0], "resource": resource, "verb": "list"}
        for rule in rules
        for resource in rule["resources"]
        if "/" not in resource
    ]

    def may(what: dict[str, str]) -> bool:
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}}
        made = client.create({**review, "spec": {"user": user, "resourceAttributes": what}})
        return bool(made["status"]["allowed"])

    wait_until(lambda: all(map(may, asked)), f"{user} may read in {namespace}")
    return run.plane.kubeconfig(user)


def test_phases_follow_what_kubelets_and_the_job_controller_say(run: Run) -> None:
    for party in PARTIES:
        wait_for_pods(run.node.scheduler, run.jobs[party], 1)
    assert run.phases() == dict.fromkeys(PARTIES, "pending")
    early = run.ccd("logs", "visits-by-ward")
    assert (early.exit_code, early.stdout) == (1, "")
    assert early.stderr == "".join(f"{party}: none of its containers has begun\n" for party in PARTIES)

    run.report("alpha", WAITING_FOR_IMAGE, WAITS, WAITS)
    why = run.ccd("logs", "visits-by-ward", "--party", "alpha", "--container", "fetch").stderr
    assert why.startswith("alpha: its container fetch has not begun: ")
    assert "ImagePullBackOff" in why

    run.report("alpha", RUNS, WAITS, WAITS)
    run.report("bravo", GOOD, RUNS, WAITS)
    run.report("carol", GOOD, GOOD, RUNS)
    assert run.phases() == {"alpha": "fetching", "bravo": "computing", "carol": "publishing"}

    run.report("alpha", GOOD, GOOD, ended(40, "failed", "bravo did not come"))
    wait_until(lambda: run.phases()["alpha"] != "fetching", "alpha's failure is seen")
    lost = run.status()["alpha"]
    assert (lost["phase"], lost["verdict"], lost["exitCode"]) == ("retrying", "failed", 40)
    assert lost["reason"] == "bravo did not come"

    wait_for_pods(run.node.scheduler, run.jobs["alpha"], 2)
    run.report("alpha", GOOD, RUNS, WAITS, attempt=2)
    again = run.status()["alpha"]
    assert (again["phase"], again["attempts"]) == ("computing", 2)

    run.report("alpha", GOOD, GOOD, ended(30, "rejected", "no grant for avg(wage)"), attempt=2)
    run.report("bravo", GOOD, GOOD, ended(30, "rejected", "no grant for avg(wage)"))
    run.report("carol", ended(0, "done already"), ended(0, "done already"), ended(0, "done already"))
    over = {"alpha": "rejected", "bravo": "rejected", "carol": "done already"}
    wait_until(lambda: run.phases() == over, "all are over")
    told = run.status()
    assert told["alpha"]["reason"] == "no grant for avg(wage)"
    assert (told["alpha"]["exitCode"], told["carol"]["exitCode"]) == (30, 0)

    watched = run.ccd("status", "visits-by-ward", "--watch")
    assert watched.exit_code == 30
    assert "no grant for avg(wage)" in watched.stdout
    everything = run.ccd("status")
    assert "2 rejected, 1 done already" in everything.stdout


def test_a_deleted_pod_leaves_the_jobs_own_word(run: Run) -> None:
    wait_until(lambda: run.phases()["bravo"] == "rejected", "bravo is over")
    for pod in pods_of(run.node.scheduler, run.jobs["bravo"]):
        run.node.kubelet.delete("v1", "Pod", pod["metadata"]["name"], PARTIES["bravo"])
    wait_until(lambda: not pods_of(run.node.scheduler, run.jobs["bravo"]), "bravo's pods are gone")
    told = run.status()["bravo"]
    assert (told["phase"], told["exitCode"], told["verdict"]) == ("rejected", 30, None)
    assert told["reason"].startswith("PodFailurePolicy: Container publish for pod")


def test_who_may_read_one_namespace_sees_that_one_and_no_error(run: Run, bravo: Path) -> None:
    told = run.status(bravo)
    assert {party: each["phase"] for party, each in told.items()} == {
        "alpha": "no access",
        "bravo": run.status()["bravo"]["phase"],
        "carol": "no access",
    }
    everything = run.ccd("status", kubeconfig=bravo)
    assert everything.exit_code == 0
    assert "2 no access" in everything.stdout
    source = open_kube(bravo, None)
    with pytest.raises(NoAccess):
        source.jobs(PARTIES["alpha"], run.run_id)
    logs = run.ccd("logs", "visits-by-ward", kubeconfig=bravo)
    assert "alpha: you may not read its namespace" in logs.stderr


def test_who_may_read_nothing_is_told_so(run: Run) -> None:
    nobody = run.plane.kubeconfig("nobody")
    result = run.ccd("status", "visits-by-ward", kubeconfig=nobody)
    assert result.exit_code == 1
    assert "you may not read the namespace of any of its parties" in result.stderr


def test_jobs_are_read_without_the_right_to_read_pods(run: Run) -> None:
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}]
    al = allow(run, "al", PARTIES["alpha"], rules)
    (job,) = open_kube(al, None).jobs(PARTIES["alpha"], run.run_id)
    assert (job.pods, job.may_read_pods) == ((), False)
    assert standing_of(job).phase == run.status()["alpha"]["phase"]
    logs = run.ccd("logs", "visits-by-ward", "--party", "alpha", kubeconfig=al)
    assert logs.stderr == "alpha: you may not read its pods\n"


def test_labels_alone_make_no_job_a_partys(run: Run, admin: Client) -> None:
    job = json.loads(json.dumps(run.jobs["carol"]))
    job["metadata"]["name"] = "impostor"
    job["spec"]["suspend"] = True
    admin.create(job)
    names = {each.name for each in open_kube(run.admin, None).jobs(PARTIES["carol"], run.run_id)}
    assert names == {run.jobs["carol"]["metadata"]["name"]}


def test_logs_of_a_node_that_cannot_be_reached_say_so(run: Run) -> None:
    result = run.ccd("logs", "visits-by-ward", "--party", "alpha", "--container", "fetch")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "container fetch: its node cannot be reached for the logs: " in result.stderr


def test_an_api_server_that_does_not_answer_is_no_traceback(run: Run, tmp_path: Path) -> None:
    document = json.loads(run.admin.read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    gone = tmp_path / "gone"
    gone.write_text(json.dumps(document))
    result = run.ccd("status", kubeconfig=gone)
    assert result.exit_code == 1
    assert "https://127.0.0.1:1 does not answer" in result.stderr


def test_a_context_that_is_none_is_named_with_those_that_are(run: Run) -> None:
    result = run.ccd("status", "--context", "prod")
    assert result.exit_code == 1
    assert "there is no context prod" in result.stderr
    assert "its contexts are: test" in result.stderr
