"""A federation in a bare Git repository, its namespaces and fences in the cluster, and what merging does."""

import base64
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from policy.yaml import read_yaml
from renderer.documents import Workspace, read_workspace
from renderer.spec import plan_run
from tests.cluster.client import Client, Refused
from tests.cluster.control_plane import ControlPlane
from tests.cluster.federation import join
from tests.cluster.gitops.applications import Application, application, applications
from tests.cluster.gitops.install import APPLICATION, NAMESPACE
from tests.cluster.tree import Manifest
from tests.renderer.conftest import FEDERATION, edit
from tests.renderer.gitops import ccd, git, name_reviewers

NAMESPACES = {"alpha": "hospital-a", "bravo": "hospital-b", "carol": "institute"}
WORKFLOW = "visits-by-ward"
WEBHOOK = "webhook"  # the field manager


@dataclass(frozen=True)
class Forge:
    """A clone of a federation's repository, and the cluster that it is for."""

    root: Path
    prefix: str  # of the namespaces, so that federations do not meet in one cluster
    plane: ControlPlane
    client: Client  # the administrator's

    def namespace(self, party: str) -> str:
        """Return the party's namespace."""
        return f"{self.prefix}-{NAMESPACES[party]}"

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The parties' namespaces."""
        return tuple(self.namespace(party) for party in NAMESPACES)

    @property
    def run_id(self) -> str:
        """The run that the workflow now stands for."""
        workspace: Workspace = read_workspace(self.root)
        document = workspace.workflows[WORKFLOW]
        return plan_run(document.model, workspace.party_models, workspace.federation.model).run.run_id

    def render(self) -> None:
        """Write the tree."""
        done = ccd(self.root, "render")
        assert done.exit_code == 0, done.output

    def merge(self, message: str, *options: str) -> str:
        """Commit everything, push it to the branch that Argo CD reads, and say so; return the commit."""
        git(self.root, "add", "--all")
        git(self.root, *options, "commit", "--quiet", "--message", message)
        git(self.root, "push", "--quiet", "origin", "main")
        self.tell()
        return git(self.root, "rev-parse", "HEAD")

    def tell(self) -> None:
        """Tell Argo CD that something was pushed, as a forge's webhook does."""
        tell(self.client, self.namespaces)

    def join(self) -> None:
        """What owners, the cluster's operator and whoever runs Argo CD do by hand."""
        join(self.plane, self.root)
        join_argo_cd(self.client, self.root)

    def application(self, party: str, run_id: str) -> Application | None:
        """Return the party's Application of a run, or None if there is none."""
        return application(self.client, f"{run_id}.{self.namespace(party)}")

    def applications(self) -> list[Application]:
        """Return all Applications of this federation."""
        return [one for one in applications(self.client) if one.namespace in self.namespaces]

    def objects(self, party: str, kind: str = "Job") -> dict[str, Manifest]:
        """Return the run's objects of one kind in the party's namespace, by name."""
        version = {"Job": "batch/v1", "NetworkPolicy": "networking.k8s.io/v1"}.get(kind, "v1")
        found = self.client.list_all(
            version, kind, self.namespace(party), "app.kubernetes.io/managed-by=ccd,ccd.dev/run"
        )
        return {one["metadata"]["name"]: one for one in found}


def join_argo_cd(client: Client, root: Path) -> None:
    """Tell Argo CD of a federation's namespaces, and apply its projects and ApplicationSets."""
    client.apply(_cluster(client, root), manager="steward")
    for manifest in read_argo_cd(root):
        client.apply(manifest, manager="steward")


def _cluster(client: Client, root: Path) -> Manifest:
    """Return Argo CD's entry for the cluster, with the namespaces of this federation beside those of earlier ones."""
    manifest = read_yaml((root / "argocd/cluster.yaml").read_text(), "cluster.yaml")[0]
    namespaces = {*manifest["stringData"]["namespaces"].split(",")}
    try:
        found = client.get("v1", "Secret", manifest["metadata"]["name"], NAMESPACE)
        namespaces |= {*base64.b64decode(found["data"]["namespaces"]).decode().split(",")}
    except Refused as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
    manifest["stringData"]["namespaces"] = ",".join(sorted(namespaces))
    return dict(manifest)


def read_argo_cd(root: Path) -> list[Manifest]:
    """Return a federation's projects and, after them, its ApplicationSets."""
    files = [
        file for kind in ("appproject", "applicationset") for file in sorted((root / "argocd").glob(f"{kind}-*.yaml"))
    ]
    return [read_yaml(file.read_text(), str(file))[0] for file in files]


def tell(client: Client, namespaces: Iterable[str]) -> None:
    """Tell Argo CD that the repository of these namespaces has changed, as a forge's webhook does."""
    concerned = set(namespaces)
    for namespace in concerned:
        key = "argocd.argoproj.io/application-set-refresh"
        _annotate(client, "ApplicationSet", f"ccd-{namespace}", {key: "true"})
    for one in applications(client):
        if one.namespace in concerned:
            _annotate(client, "Application", one.name, {"argocd.argoproj.io/refresh": "normal"})


def _annotate(client: Client, kind: str, name: str, annotations: dict[str, str]) -> None:
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations}
    try:
        client.apply({"apiVersion": APPLICATION, "kind": kind, "metadata": metadata}, manager=WEBHOOK)
    except Refused as error:
        # It has gone meanwhile; what is left is no object.
        if error.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise


def found(directory: Path, prefix: str, plane: ControlPlane) -> Forge:
    """Return a new federation of two hospitals and an institute, rendered and pushed; nothing in the cluster yet."""
    bare, root = directory / "federation.git", directory / "federation"
    git(directory, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    shutil.copytree(FEDERATION, root)
    for party, namespace in NAMESPACES.items():
        edit(root, f"parties/{party}.yaml", f"namespace: {namespace}", f"namespace: {prefix}-{namespace}")
    edit(root, "federation.yaml", "https://git.example.org/wards/federation.git", f"file://{bare}")
    name_reviewers(root)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "remote", "add", "origin", str(bare))
    return Forge(root, prefix, plane, plane.client())
