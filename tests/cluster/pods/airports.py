"""The sample federation as the cluster's: its Secrets in its namespaces, its stores in the network outside."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.yaml import read_yaml
from renderer.check import load_workspace
from renderer.dev.federation import lay_out
from renderer.dev.state import SECRETS, read_state
from renderer.documents import PARTIES, WORKFLOWS
from renderer.layout import rendered_files
from renderer.spec import plan_run
from renderer.tree import changes, write
from tests.cluster.client import Client
from tests.cluster.pods.machine import STORE

IMAGE = "registry.example.org/ccd/worker"
REGULATED = "market-concentration"
# The first three workers wait while tests try to connect.
PATIENCE = "  deadlines: {barrierSeconds: 900, jobSeconds: 1800}\n"


@dataclass(frozen=True)
class Airports:
    """The federation, rendered for the cluster."""

    root: Path
    run_id: str
    namespaces: Mapping[str, str]  # by party

    def manifests(self, party: str) -> list[dict[str, Any]]:
        """Return what is committed for the run in the party's namespace; the Job comes last, as Argo CD has it."""
        directory = self.root / "argocd/rendered" / self.namespaces[party] / self.run_id
        files = sorted(directory.glob("*.yaml"), key=lambda path: (path.stem == "job", path.name))
        return [read_yaml(path.read_text(), str(path))[0] for path in files]

    def namespace(self, party: str) -> dict[str, Any]:
        """Return the party's Namespace as it is committed, with restricted Pod Security enforced."""
        path = self.root / "argocd" / f"namespace-{party}.yaml"
        return read_yaml(path.read_text(), str(path))[0]

    def apply(self, admin: Client, *parties: str) -> None:
        """Apply what is committed for these parties."""
        for party in parties:
            for manifest in self.manifests(party):
                admin.apply(manifest)

    def create_secrets(self, admin: Client, party: str) -> None:
        """Create the party's Secrets, as its owner would; the store is where pods find it."""
        namespace = self.namespaces[party]
        for directory in sorted((self.root / SECRETS / namespace).iterdir()):
            values = {file.name: self._seen_from_pods(file.read_text()) for file in directory.iterdir()}
            metadata = {"name": directory.name, "namespace": namespace}
            admin.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})

    def store_port(self) -> int:
        """Return the port of the store."""
        state = read_state(self.root)
        assert state is not None
        return state.port

    def _seen_from_pods(self, text: str) -> str:
        return text.replace("http://127.0.0.1:", f"http://{STORE}:")


def make_airports(root: Path, image_digest: str) -> Airports:
    """Lay out the sample federation for the cluster and render it."""
    lay_out(root)
    for path in (root / PARTIES).glob("*.yaml"):
        text = path.read_text().replace("cidr: 127.0.0.1/32", f"cidr: {STORE}/32")
        # Four workers share two processors.
        path.write_text(re.sub(r'cpu: "\d+"', "cpu: 450m", text).replace("memory: 2Gi", "memory: 1Gi"))
    workflow = root / WORKFLOWS / f"{REGULATED}.yaml"
    workflow.write_text(workflow.read_text() + PATIENCE)
    federation = root / WORKFLOWS / "federation.yaml"
    federation.write_text(re.sub(r"image: \S+", f"image: {IMAGE}@{image_digest}", federation.read_text()))
    workspace = load_workspace(root)
    write(root, changes(root, rendered_files(workspace)))
    run = plan_run(workspace.workflows[REGULATED].model, workspace.party_models, workspace.federation.model)
    namespaces = {member.name: member.namespace for member in run.members}
    return Airports(root, run.run.run_id, namespaces)


def verdict_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the pod's last container left as its termination message."""
    [container] = pod["status"]["containerStatuses"]
    message: str = container["state"]["terminated"]["message"]
    found: dict[str, Any] = json.loads(message.strip().splitlines()[-1])
    return found
