"""What Argo CD may do at the API server: a run's kinds, in the namespaces of the owners that let it in; nothing else.

AppProjects are Argo CD's own word on what it applies. These hold if that word fails: a mistake in a project, a hole in
Argo CD, somebody who has taken it over.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from renderer import names
from renderer.appproject import KINDS
from renderer.documents import Workspace
from renderer.federation import IN_CLUSTER
from renderer.party import Party
from renderer.render import RenderedFile, render
from renderer.run_object import Pairs

ROLE = "ccd-argocd"
ACCOUNT = "argocd-application-controller"  # of Argo CD's own manifests, in the namespace `argocd`
PLURALS = {
    "ConfigMap": "configmaps",
    "Job": "jobs",
    "NetworkPolicy": "networkpolicies",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
}


@dataclass(frozen=True)
class RoleContext:
    """What the ClusterRole's template lays out."""

    name: str
    labels: Pairs
    resources: tuple[tuple[str, tuple[str, ...]], ...]  # plurals by group


@dataclass(frozen=True)
class BindingContext:
    """What the RoleBinding's template lays out."""

    origin: str
    namespace: str
    labels: Pairs
    role: str
    account: str


@dataclass(frozen=True)
class ClusterContext:
    """What the template of Argo CD's entry for its cluster lays out."""

    labels: Pairs
    server: str
    namespaces: str


def argo_rights(workspace: Workspace) -> Iterator[RenderedFile]:
    """Yield the ClusterRole, each owner's RoleBinding, and the list of namespaces for Argo CD."""
    labels = tuple(names.standing_labels("argocd", "ccd").items())
    groups = sorted({group for group, _ in KINDS})
    resources = tuple((group, tuple(PLURALS[kind] for of, kind in KINDS if of == group)) for group in groups)
    role = render("clusterrole.yaml.j2", RoleContext(ROLE, labels, resources))
    yield RenderedFile(names.ARGO_CD / "clusterrole.yaml", role)
    for name, party in workspace.party_models.items():
        yield RenderedFile(names.ARGO_CD / f"rolebinding-{name}.yaml", role_binding(party))
    namespaces = ",".join(sorted(party.spec.namespace for party in workspace.party_models.values()))
    # Another cluster's entry holds credentials, and so is not in Git. No namespaces at all would stand for all.
    if workspace.federation.model.spec.server == IN_CLUSTER and namespaces:
        cluster = render("cluster.yaml.j2", ClusterContext(labels, IN_CLUSTER, namespaces))
        yield RenderedFile(names.ARGO_CD / "cluster.yaml", cluster)


def role_binding(party: Party) -> str:
    """Return the RoleBinding with which an owner lets Argo CD into its namespace."""
    name = party.metadata.name
    origin = f"Rendered by `ccd render` from workflows/parties/{name}.yaml. Change that instead."
    labels = tuple(names.standing_labels("argocd", name, name).items())
    return render("rolebinding.yaml.j2", BindingContext(origin, party.spec.namespace, labels, ROLE, ACCOUNT))
