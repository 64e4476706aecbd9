"""A whole run in real pods: the answer, and who could speak with whom while it was made.

The regulator's Job comes last, so that the airports' workers stand at the barrier while connections are tried.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import swiftclient
from typer.testing import Result

from policy.yaml import read_yaml
from renderer.check import load_workspace
from renderer.dev.flights import split_flights
from renderer.dev.state import SECRETS
from renderer.dev.upload import steward_of
from tests.cluster.client import Refused
from tests.cluster.pods.airports import REGULATED, Airports, verdict_of
from tests.cluster.pods.cluster import BUSYBOX, Cluster
from tests.cluster.pods.conftest import UNDECLARED_PORT
from tests.cluster.pods.images import REGISTRY
from tests.cluster.pods.kubelet import DNS_ADDRESS
from tests.cluster.pods.machine import GATEWAY, STORE, STRANGER
from tests.cluster.pods.probe import connects, process_status
from tests.cluster.process import wait_until
from tests.cluster.tree import ROOT
from tests.renderer.gitops import ccd

AIRPORTS, REGULATOR = ("ewr", "jfk", "lga"), "regulator"
LISTENING_PORT = 9000
WATCHER = "watcher"
DOCUMENT = ROOT / "docs/operating.md"
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Waiting:
    """The airports' pods, computing, and waiting for the regulator; and pods that are nobody's worker."""

    workers: dict[str, dict[str, Any]]
    outsider: dict[str, Any]  # with the labels of a worker of this run, in a namespace that takes no part
    worker_port: int


@pytest.fixture(scope="module")
def waiting(cluster: Cluster, airports: Airports) -> Waiting:
    airports.apply(cluster.admin, *AIRPORTS)
    workers = {party: _computing(cluster, airports, party) for party in AIRPORTS}
    [service] = [one for one in airports.manifests("ewr") if one["kind"] == "Service"]
    outsider = _outsider(cluster, workers["ewr"]["metadata"]["labels"])
    for pod in (*workers.values(), outsider):
        wait_until(lambda pod=pod: cluster.cilium.guards(pod), f"Cilium guards {pod['metadata']['name']}")
    return Waiting(workers, outsider, service["spec"]["ports"][0]["port"])


def test_a_worker_reaches_its_peers_its_store_and_dns(cluster, airports, waiting):
    ewr, jfk = waiting.workers["ewr"], waiting.workers["jfk"]
    address = jfk["status"]["podIP"]
    # Its container runs some seconds before it listens.
    wait_until(lambda: connects(cluster, ewr, address, waiting.worker_port), "a peer is reached")
    assert connects(cluster, ewr, STORE, airports.store_port())
    assert connects(cluster, ewr, DNS_ADDRESS, 53)
    assert connects(cluster, ewr, DNS_ADDRESS, 53, "udp")


def test_a_worker_reaches_nothing_else(cluster, airports, waiting):
    ewr, jfk, outsider = waiting.workers["ewr"], waiting.workers["jfk"], waiting.outsider
    forbidden = {
        "a server that nobody has declared": (STRANGER, airports.store_port()),
        "another port of the store": (STORE, UNDECLARED_PORT),
        "a pod outside of the run": (outsider["status"]["podIP"], LISTENING_PORT),
        "the API server": (GATEWAY, cluster.api_port),
        "the kubelet": (GATEWAY, cluster.kubelet_port),
    }
    reached = {what for what, (address, port) in forbidden.items() if connects(cluster, ewr, address, port)}
    assert reached == set()
    # Each of them is there, and answers whom no policy holds back. A worker's own peers have no other port open.
    unreachable = {
        what for what, (address, port) in forbidden.items() if not connects(cluster, outsider, address, port)
    }
    assert unreachable == set()
    assert not connects(cluster, ewr, jfk["status"]["podIP"], LISTENING_PORT)


def test_a_pod_outside_of_the_run_cannot_connect_to_a_worker(cluster, waiting):
    for worker in waiting.workers.values():
        assert not connects(cluster, waiting.outsider, worker["status"]["podIP"], waiting.worker_port)


def test_a_worker_runs_with_the_rights_that_its_job_names_and_no_others(cluster, waiting):
    for pod in waiting.workers.values():
        status = process_status(cluster, pod)
        assert set(status["Uid"].split()) == {"65532"}
        assert {status[name] for name in ("CapEff", "CapBnd", "CapPrm")} == {"0000000000000000"}
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"  # a filter is in force


@pytest.fixture(scope="module")
def ended(cluster: Cluster, airports: Airports, waiting: Waiting) -> dict[str, dict[str, Any]]:
    """All four pods after the run."""
    airports.apply(cluster.admin, REGULATOR)
    everybody = (*AIRPORTS, REGULATOR)
    wait_until(
        lambda: all(_phase(cluster, airports, party) in ("Succeeded", "Failed") for party in everybody),
        "every worker has ended",
        timeout_s=300,
    )
    return {party: _pod(cluster, airports, party) for party in everybody}


def test_every_worker_succeeds_and_says_so_in_its_pods_status(ended):
    assert {party: pod["status"]["phase"] for party, pod in ended.items()} == dict.fromkeys(ended, "Succeeded")
    assert {(verdict_of(pod)["status"], verdict_of(pod)["code"]) for pod in ended.values()} == {("succeeded", 0)}


def test_the_job_controller_counts_every_job_as_complete(cluster, airports, ended):
    def is_complete(party: str) -> bool:
        job = cluster.admin.get("batch/v1", "Job", f"{airports.run_id}-{party}", airports.namespaces[party])
        return any(one["type"] == "Complete" and one["status"] == "True" for one in job["status"].get("conditions", []))

    wait_until(lambda: all(is_complete(party) for party in ended), "every Job is complete")


@pytest.fixture(scope="module")
def watcher(cluster: Cluster, airports: Airports) -> Path:
    """The kubeconfig of somebody who has in each namespace the Role of docs/operating.md, and nothing else."""
    group = "rbac.authorization.k8s.io"
    [role] = [block for block in YAML_BLOCK.findall(DOCUMENT.read_text()) if "name: ccd-watch" in block]
    for namespace in airports.namespaces.values():
        manifest = read_yaml(role, str(DOCUMENT))[0]
        metadata = manifest["metadata"] | {"namespace": namespace}
        cluster.admin.apply({**manifest, "metadata": metadata})
        reference = {"apiGroup": group, "kind": "Role", "name": metadata["name"]}
        subjects = [{"kind": "User", "name": WATCHER, "apiGroup": group}]
        binding = {"apiVersion": manifest["apiVersion"], "kind": "RoleBinding", "metadata": metadata}
        cluster.admin.apply({**binding, "roleRef": reference, "subjects": subjects})
    return cluster.plane.kubeconfig(WATCHER)


def test_whoever_watches_sees_every_party_succeed(airports, ended, watcher):
    def status() -> Result:
        return ccd(airports.root, "status", airports.run_id, "--json", "--kubeconfig", watcher)

    def told() -> dict[str, dict[str, Any]]:
        done = status()
        assert done.exit_code == 0, done.output
        return {one["party"]: one for one in json.loads(done.stdout)["parties"]}

    wait_until(
        lambda: status().exit_code == 0, "the API server, which reads roles in its own time, lets the watcher in"
    )
    wait_until(lambda: all(one["phase"] == "succeeded" for one in told().values()), "all Jobs are complete")
    parties = told()
    assert set(parties) == {*AIRPORTS, REGULATOR}
    assert {one["exitCode"] for one in parties.values()} == {0}


def test_whoever_watches_reads_what_every_container_has_printed(airports, ended, watcher):
    done = ccd(airports.root, "logs", airports.run_id, "--json", "--kubeconfig", watcher)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    # Who has no data has nothing to say of fetching it.
    assert {(one["party"], one["container"]) for one in lines} == {
        *((party, container) for party in AIRPORTS for container in ("fetch", "compute", "publish")),
        *((REGULATOR, container) for container in ("compute", "publish")),
    }
    assert {one["party"] for one in lines if one["container"] == "publish" and "manifest stored" in str(one)} == {
        *ended
    }
    only = ccd(airports.root, "logs", airports.run_id, "--party", "jfk", "-c", "publish", "--kubeconfig", watcher)
    assert only.exit_code == 0
    assert all(line.startswith("jfk publish ") for line in only.stdout.splitlines())
    # Nothing that opens a store, and no key.
    values = {file.read_text().strip() for file in (airports.root / SECRETS).glob("*/*/*") if file.name != "ST_AUTH"}
    assert not [value for value in values if len(value) > 8 and value in done.stdout]


def test_whoever_watches_reads_no_secret(cluster, airports, ended, watcher):
    client = cluster.plane.client(WATCHER)
    for namespace in airports.namespaces.values():
        with pytest.raises(Refused, match="cannot list resource"):
            client.list_all("v1", "Secret", namespace)


def test_the_answer_in_the_regulators_store_is_what_duckdb_finds_in_the_pooled_flights(airports, ended, tmp_path):
    workspace = load_workspace(airports.root)
    steward = _regulators_store(airports)
    [name] = _results(airports)
    text = steward.get_object("results", name)[1].decode()
    header, value = text.split()
    flights = [str(path) for path in split_flights(tmp_path).values()]
    with duckdb.connect() as pooled:
        pooled.execute("CREATE TABLE flights AS FROM read_csv($files, nullstr = 'NA')", {"files": flights})
        [[expected]] = pooled.execute(workspace.workflows[REGULATED].model.spec.query).fetchall()
    assert header == "hhi"
    assert float(value) == pytest.approx(expected, rel=1e-6)


def test_a_job_that_is_created_again_finds_its_run_done_and_releases_nothing(cluster, airports, ended):
    """What Argo CD does when somebody has deleted a Job."""
    name, namespace = f"{airports.run_id}-{REGULATOR}", airports.namespaces[REGULATOR]
    first, released = ended[REGULATOR]["metadata"]["uid"], _results(airports)
    cluster.admin.delete("batch/v1", "Job", name, namespace)
    wait_until(lambda: not cluster.admin.exists("batch/v1", "Job", name, namespace), "the Job is gone")
    airports.apply(cluster.admin, REGULATOR)

    def again() -> list[dict[str, Any]]:
        pods = cluster.admin.list_all("v1", "Pod", namespace, f"ccd.dev/run={airports.run_id}")
        return [pod for pod in pods if pod["metadata"]["uid"] != first and pod["status"]["phase"] == "Succeeded"]

    wait_until(lambda: bool(again()), "the second pod has succeeded", timeout_s=120)
    assert verdict_of(again()[0])["code"] == 0
    assert _results(airports) == released


def _computing(cluster: Cluster, airports: Airports, party: str) -> dict[str, Any]:
    def is_computing() -> bool:
        statuses = _pod(cluster, airports, party).get("status", {}).get("initContainerStatuses", [])
        return any(one["name"] == "compute" and "running" in one["state"] for one in statuses)

    wait_until(is_computing, f"{party} computes", timeout_s=180)
    return _pod(cluster, airports, party)


def _pod(cluster: Cluster, airports: Airports, party: str) -> dict[str, Any]:
    pods = cluster.admin.list_all("v1", "Pod", airports.namespaces[party], f"ccd.dev/run={airports.run_id}")
    return pods[-1] if pods else {}


def _phase(cluster: Cluster, airports: Airports, party: str) -> str:
    phase: str = _pod(cluster, airports, party).get("status", {}).get("phase", "")
    return phase


def _outsider(cluster: Cluster, labels: dict[str, str]) -> dict[str, Any]:
    """Start a pod that listens, and that no policy holds back."""
    name = "ccdt-outsider"
    cluster.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # Without it no pod is admitted.
    wait_until(lambda: cluster.admin.exists("v1", "ServiceAccount", "default", name), "the namespace is ready")
    container = {
        "name": "listener",
        "image": f"{REGISTRY}/{BUSYBOX}:test",
        "imagePullPolicy": "Never",
        "command": ["/bin/busybox", "httpd", "-f", "-p", str(LISTENING_PORT), "-h", "/bin"],
    }
    metadata = {"name": name, "namespace": name, "labels": {key: labels[key] for key in labels if "ccd.dev" in key}}
    spec = {"containers": [container], "automountServiceAccountToken": False}
    cluster.admin.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def is_running() -> bool:
        return cluster.admin.get("v1", "Pod", name, name).get("status", {}).get("phase") == "Running"

    wait_until(is_running, "the outsider runs", timeout_s=120)
    return cluster.admin.get("v1", "Pod", name, name)


def _regulators_store(airports: Airports) -> swiftclient.Connection:
    party = load_workspace(airports.root).party_models[REGULATOR]
    return steward_of(airports.root, party, f"http://127.0.0.1:{airports.store_port()}/auth/v1.0")


def _results(airports: Airports) -> dict[str, tuple[str, str]]:
    """Return the results in the regulator's store, with digest and time of each."""
    listed = _regulators_store(airports).get_container("results")[1]
    return {one["name"]: (one["hash"], one["last_modified"]) for one in listed if one["name"].endswith("result.csv")}
