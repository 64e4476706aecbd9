"""A Job that was deleted comes back, and its worker finds the manifest and releases nothing.

There is no node here: the pods run in the local cluster, from the Jobs as the API server has them, and with a real Swift.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest

from renderer.check import load_workspace
from renderer.dev.federation import lay_out
from renderer.dev.flights import split_flights
from renderer.dev.session import running_swift
from renderer.dev.upload import steward_of, upload
from renderer.local.claim_store import ClaimStore
from renderer.local.cluster import Cluster
from renderer.local.job import JobResult
from renderer.local.load import load_run
from renderer.local.logs import event_of
from renderer.local.observe import ContainerLine, Event
from renderer.local.secret_store import SecretStore
from tests.cluster.client import Client
from tests.cluster.federation import join
from tests.cluster.gitops.applications import applications, wait_for
from tests.cluster.gitops.argo import ArgoCd
from tests.cluster.gitops.forge import join_argo_cd, tell
from tests.cluster.tree import Manifest
from tests.renderer.gitops import ccd, commit_all, git

WORKFLOW = "market-concentration"
PARTIES = ("ewr", "jfk", "lga", "regulator")
N_ROWS = 500
KINDS = {"Job": "batch/v1", "ConfigMap": "v1", "Service": "v1"}
# What the API server adds to what was applied, and the local cluster has no use for.
ADDED = {
    "Job": ("selector", "manualSelector"),
    "Service": ("clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"),
    "pod": ("dnsPolicy", "schedulerName", "serviceAccount"),
}


@dataclass
class Airports:
    """The sample federation, its Swift up, its Jobs applied by Argo CD."""

    root: Path
    client: Client
    auth_url: str
    events: list[Event] = field(default_factory=list)

    def namespaces(self) -> dict[str, str]:
        return {name: party.spec.namespace for name, party in load_workspace(self.root).party_models.items()}

    def jobs(self) -> dict[str, Manifest]:
        """The run's Job in each party's namespace that has one."""
        selector = f"ccd.dev/workflow={WORKFLOW}"
        found = {
            party: self.client.list_all("batch/v1", "Job", namespace, selector)
            for party, namespace in self.namespaces().items()
        }
        return {party: jobs[0] for party, jobs in found.items() if jobs}

    def execute(self, directory: Path) -> tuple[JobResult, ...]:
        """Run the Jobs' pods, as the API server now has them."""
        selector = f"ccd.dev/workflow={WORKFLOW}"
        [run_id] = {job["metadata"]["labels"]["ccd.dev/run"] for job in self.jobs().values()}
        for namespace in self.namespaces().values():
            for kind, version in KINDS.items():
                [live] = self.client.list_all(version, kind, namespace, selector)
                file = directory / namespace / run_id / f"{kind.lower()}.yaml"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(as_applied(live)))
        self.events.clear()
        secrets, claims = SecretStore(self.root / "secrets"), ClaimStore(self.root / "claims")
        cluster = Cluster(directory / "pods", secrets, claims, self.events.append)
        return cluster.run(load_run(directory, run_id))

    def said(self) -> list[str]:
        """The workers' events."""
        lines = [event_of(event.text) for event in self.events if isinstance(event, ContainerLine)]
        return [line["event"] for line in lines if line is not None]

    def released(self) -> dict[str, tuple[str, str]]:
        """Everything in the writer's container: when it was written, and what."""
        regulator = load_workspace(self.root).party_models["regulator"]
        steward = steward_of(self.root, regulator, self.auth_url)
        listed = steward.get_container("results")[1]
        heads = {one["name"]: steward.head_object("results", one["name"]) for one in listed}
        return {name: (head["x-timestamp"], head["etag"]) for name, head in heads.items()}


def as_applied(live: Manifest) -> Manifest:
    """Return the object without what the API server and its controllers have added."""
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    kept = {key: value for key, value in live.items() if key not in ("metadata", "status")}
    if "spec" in kept:
        kept["spec"] = {key: value for key, value in kept["spec"].items() if key not in ADDED[live["kind"]]}
    if live["kind"] == "Job":
        template = kept["spec"]["template"]
        pod = {key: value for key, value in template["spec"].items() if key not in ADDED["pod"]}
        labels = {"labels": template["metadata"]["labels"]}
        kept["spec"]["template"] = {"metadata": labels, "spec": pod}
    return {**kept, "metadata": metadata}


@pytest.fixture(scope="module")
def airports(argo: ArgoCd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airports]:
    directory = tmp_path_factory.mktemp("airports")
    root, bare = directory / "federation", directory / "federation.git"
    lay_out(root)
    (root / "workflows/arrival-delays.yaml").unlink()
    document = root / "workflows/federation.yaml"
    document.write_text(
        document.read_text().replace("https://git.example.org/airports/federation.git", f"file://{bare}")
    )
    done = ccd(root, "render", "--anew")
    assert done.exit_code == 0, done.output
    commit_all(root, "Where this repository is")
    git(directory, "clone", "--quiet", "--bare", str(root), str(bare))
    client = argo.plane.client()
    join(argo.plane, root)
    join_argo_cd(client, root)
    with running_swift(root) as auth_url:
        assert auth_url is not None
        data = {f"{party}/flights": path for party, path in few_flights(directory).items()}
        upload(root, load_workspace(root), auth_url, data)
        yield Airports(root, client, auth_url)


def few_flights(directory: Path) -> dict[str, Path]:
    """The first of each airport's flights."""
    whole = directory / "whole"
    whole.mkdir()
    files = {}
    for party, path in split_flights(whole).items():
        files[party] = directory / f"{party}.csv"
        with path.open() as file:
            files[party].write_text("".join(islice(file, N_ROWS + 1)))
    shutil.rmtree(whole)
    return files


def test_the_jobs_that_argo_cd_has_applied_compute_and_release_once(airports: Airports, tmp_path: Path):
    tell(airports.client, airports.namespaces().values())
    wait_for("every party has its Job", lambda: set(airports.jobs()) == set(PARTIES))

    first = airports.execute(tmp_path / "first")

    assert [(job.exit_code, job.reason) for job in first] == [(0, "")] * len(PARTIES)
    assert "result stored" in airports.said()
    released = airports.released()
    assert any(name.endswith("manifest.json") for name in released)

    before = {party: job["metadata"]["uid"] for party, job in airports.jobs().items()}
    for party, job in airports.jobs().items():
        airports.client.delete("batch/v1", "Job", job["metadata"]["name"], airports.namespaces()[party])
    wait_for(
        "every Job is back",
        lambda: {p for p, job in airports.jobs().items() if job["metadata"]["uid"] != before[p]} == set(PARTIES),
    )

    second = airports.execute(tmp_path / "second")

    assert [(job.exit_code, job.reason) for job in second] == [(0, "")] * len(PARTIES)
    assert airports.said().count("done already") >= len(PARTIES)
    assert "result stored" not in airports.said()
    assert airports.released() == released
    assert [one for one in applications(airports.client) if one.namespace in airports.namespaces().values()]
