"""A federation joined to the control plane as its operators would: admission, namespaces, grants, Argo CD's rights."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from policy.yaml import read_yaml
from renderer.check import load_workspace
from renderer.documents import Workspace
from renderer.grant import grant
from tests.cluster.client import Client, Refused
from tests.cluster.control_plane import ControlPlane
from tests.cluster.process import wait_until
from tests.cluster.tree import Manifest, Tree, read_tree

ARGO_CD = "system:serviceaccount:argocd:argocd-application-controller"
ARGO_CD_GROUPS = ("system:serviceaccounts", "system:serviceaccounts:argocd")


@dataclass(frozen=True)
class Federation:
    """What is committed, and who may apply it."""

    workspace: Workspace
    tree: Tree
    argo_cd: Client


def join(plane: ControlPlane, root: Path, claims: tuple[str, ...] = ()) -> Federation:
    """Do all that has to be done before anything is synced; idempotent. Each owner grants `claims` beside what it uses.

    Argo CD gets no more rights than the AppProjects name: five kinds, in each party's namespace.
    """
    admin, workspace, tree = plane.client(), load_workspace(root), read_tree(root / "argocd")
    for manifest in admission_of(root):
        admin.apply(manifest, manager="operator")
    for namespace in tree.namespaces:
        admin.apply(namespace, manager="owner")
    wait_until(lambda: admin.serves("ccd.dev/v1alpha1", "WorkerGrant"), "the kind WorkerGrant is served")
    for manifest in rights_of_argo_cd(root):
        admin.apply(manifest, manager="owner")
    for manifest in grants_of(workspace, claims):
        wait_until(lambda: is_applied(admin, manifest), "the policies see WorkerGrants")  # noqa: B023
    wait_for_admission(admin, tree.namespaces[0]["metadata"]["name"])
    return Federation(workspace, tree, plane.client(ARGO_CD, *ARGO_CD_GROUPS))


def is_applied(admin: Client, manifest: Manifest) -> bool:
    """Apply an owner's object; false while policies do not see WorkerGrants yet, as in the kind's first second.

    Raises:  Refused for any other reason.
    """
    try:
        admin.apply(manifest, manager="owner")
    except Refused as error:
        if "failed to configure binding" in error.message:
            return False
        raise
    return True


def admission_of(root: Path) -> list[Manifest]:
    """Return the committed admission objects, the kind WorkerGrant first."""
    return [
        read_yaml(file.read_text(), str(file))[0]
        for pattern in ("grant-crd.yaml", "policy-*.yaml", "binding-*.yaml")
        for file in sorted((root / "argocd/admission").glob(pattern))
    ]


def grants_of(workspace: Workspace, claims: tuple[str, ...] = ()) -> Iterator[Manifest]:
    """Yield what each owner would apply if it agreed to the documents, and granted `claims` beside what it uses."""
    for party in workspace.party_models.values():
        for manifest in owners_word(grant(party, workspace)):
            if manifest["kind"] == "WorkerGrant":
                manifest["spec"]["claims"] += claims
            yield manifest


def owners_word(text: str) -> Iterator[Manifest]:
    """Yield the objects of a printed grant."""
    for document in text.split("---\n")[1:]:
        yield read_yaml(document, "grant")[0]


def rights_of_argo_cd(root: Path) -> list[Manifest]:
    """Return the committed ClusterRole, and the RoleBindings with which owners let Argo CD into their namespaces."""
    files = [root / "argocd/clusterrole.yaml", *sorted((root / "argocd").glob("rolebinding-*.yaml"))]
    return [read_yaml(file.read_text(), str(file))[0] for file in files]


def wait_for_admission(admin: Client, namespace: str) -> None:
    """Wait until each policy that looks at new objects refuses one that is no worker's."""
    # Within Pod Security, which would otherwise be the one to refuse it.
    container = {
        "name": "x",
        "image": "x",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"containers": [container], "securityContext": security, "restartPolicy": "Never"}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}
    stray = {
        "ccd-jobs": ("batch/v1", "Job", {"template": {"spec": pod}}),
        "ccd-pods": ("v1", "Pod", pod),
        "ccd-networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy", {"podSelector": {}, "ingress": [{}]}),
        "ccd-services": ("v1", "Service", {"ports": [{"port": 80}]}),
        "ccd-workloads": ("apps/v1", "Deployment", {"selector": {"matchLabels": {"app": "x"}}, "template": template}),
    }
    for policy, (version, kind, spec) in stray.items():
        metadata = {"name": "stray", "namespace": namespace}
        manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        wait_until(lambda: policy in refusal(admin, manifest), f"the policy {policy} is in force")  # noqa: B023


def refusal(client: Client, manifest: Manifest) -> str:
    """Return why an object would be refused; empty if it would not."""
    try:
        client.create(manifest, dry_run=True)
    except Refused as error:
        return error.message
    return ""
