"""What the API server itself refuses in a party's namespace, whoever asks: ValidatingAdmissionPolicies.

They hold a party's Jobs to the template, and its images, Secrets, peers and stores to the owner's WorkerGrant: an
object in the owner's namespace that is not in Git, of a kind that Argo CD may not write. So what is applied can be
trusted even if Git and Argo CD have been taken over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from renderer import names
from renderer.job import WORKER_COMMAND
from renderer.render import RenderedFile, render
from renderer.run_object import Pairs
from worker.runspec import RUN_SPEC_PATH, SECRETS_PATH, TLS_PORT, VOLUMES_PATH, WORK_PATH

ADMISSION = names.ARGO_CD / "admission"
GRANT_KIND = "WorkerGrant"
GRANT_NAME = "worker"
GRANT_GROUP = "ccd.dev"
GRANT_PLURAL = "workergrants"
# The policies, and whether they ask for the owner's WorkerGrant.
POLICIES = {
    "automation": False,
    "jobs": True,
    "namespaces": False,
    "networkpolicies": True,
    "pods": True,
    "services": False,
    "unchanged-jobs": False,
    "unchanged-pods": False,
    "workloads": False,
}
# Namespaces are not in a namespace: the policy itself looks at their labels, old and new.
EVERYWHERE = ("namespaces",)


def _cel_list(*words: str) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _cel_map(words: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"'{key}': '{word}'" for key, word in words.items()) + "}"


@dataclass(frozen=True)
class Context:
    """What the templates lay out; nothing in it comes from a document."""

    name: str
    param_kind: tuple[str, ...] = ()  # none or one
    param_name: tuple[str, ...] = ()  # none or one
    namespace_label: tuple[str, ...] = ()  # none or one
    scope: str = "in every cluster-wide object of its kind"
    origin: str = "Rendered by `ccd render`, the same for all federations. Whoever runs the cluster applies it."
    labels: Pairs = tuple(names.standing_labels("admission", "ccd").items())
    grant_kind: str = GRANT_KIND
    grant_name: str = GRANT_NAME
    grant_group: str = GRANT_GROUP
    grant_plural: str = GRANT_PLURAL
    grant_version: str = f"{GRANT_GROUP}/v1alpha1"
    command: str = WORKER_COMMAND
    port: int = TLS_PORT
    run_directory: str = str(PurePosixPath(RUN_SPEC_PATH).parent)
    work_directory: str = WORK_PATH
    secrets_directory: str = SECRETS_PATH
    volumes_directory: str = VOLUMES_PATH
    party_label: str = names.PARTY_LABEL
    run_label: str = names.RUN_LABEL
    workflow_label: str = names.WORKFLOW_LABEL
    # What is the same for all workers, and the keys whose values are the run's.
    worker_labels: str = _cel_map({key: word for key, word in names.labels("", "", "").items() if word})
    own_label_keys: str = _cel_list(names.PARTY_LABEL, names.RUN_LABEL, names.WORKFLOW_LABEL, names.BILL_LABEL)
    run_id_pattern: str = f"^{names.RUN_ID}$"
    controller_labels: str = _cel_list(
        "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "controller-uid", "job-name"
    )
    # By its own account, or as the controller manager itself where controllers have no accounts of their own.
    job_controllers: str = _cel_list(
        "system:serviceaccount:kube-system:job-controller", "system:kube-controller-manager"
    )
    # The cluster's own controllers that remove what a namespace, or an owner, leaves behind.
    cleaners: str = _cel_list(
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:serviceaccount:kube-system:namespace-controller",
    )
    namespace_name: str = "kubernetes.io/metadata.name"


def admission() -> Iterator[RenderedFile]:
    """Yield the policies, their bindings, and the kind WorkerGrant."""
    kind = Context(f"{GRANT_PLURAL}.{GRANT_GROUP}")
    yield RenderedFile(ADMISSION / "grant-crd.yaml", render("admission/grant-crd.yaml.j2", kind))
    for name, asks_for_grant in POLICIES.items():
        context = Context(f"ccd-{name}")
        if asks_for_grant:
            context = replace(context, param_kind=(GRANT_KIND,), param_name=(GRANT_NAME,))
        if name not in EVERYWHERE:
            scope = "in every namespace that is a party's"
            context = replace(context, namespace_label=(names.PARTY_LABEL,), scope=scope)
        yield RenderedFile(ADMISSION / f"policy-{name}.yaml", render(f"admission/{name}.yaml.j2", context))
        yield RenderedFile(ADMISSION / f"binding-{name}.yaml", render("admission/binding.yaml.j2", context))
