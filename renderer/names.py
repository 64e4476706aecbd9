"""What the objects of a run are called and labelled, and where their files lie."""

import re
from pathlib import PurePosixPath

RENDERED = PurePosixPath("argocd/rendered")
ARGO_CD = PurePosixPath("argocd")

WORKFLOW_LABEL = "ccd.dev/workflow"
RUN_LABEL = "ccd.dev/run"
PARTY_LABEL = "ccd.dev/party"
BILL_LABEL = "ccd.dev/bill-to"

RUN_ID = r"([a-z][-a-z0-9]*)-[0-9a-f]{10}"
_RUN_ID = re.compile(RUN_ID)


def object_name(run_id: str, party: str) -> str:
    """Return the name of the party's Job, ConfigMap, Service and ServiceAccount.

    A workflow's 30 characters, a digest's 10, a party's 20 and two dashes: 62 at most, so that the name also
    fits the label that the Job controller copies it to.
    """
    return f"{run_id}-{party}"


def workflow_of(run_id: str) -> str | None:
    """Return the workflow in a run's id, or None if it is no run's id.

    >>> workflow_of("wage-gap-0123456789"), workflow_of("wage-gap")
    ('wage-gap', None)
    """
    found = _RUN_ID.fullmatch(run_id)
    return found[1] if found else None


def host(run_id: str, party: str, namespace: str) -> str:
    """Return the DNS name of the party's worker; the cluster's own domain is left to the resolver.

    >>> host("wage-gap-0123456789", "alpha", "hospital-a")
    'wage-gap-0123456789-alpha.hospital-a.svc'
    """
    return f"{object_name(run_id, party)}.{namespace}.svc"


def labels(workflow: str, run_id: str, party: str, bill_to: str | None = None) -> dict[str, str]:
    """Return the labels of every object of the run; `bill_to` is who pays for it, if the workflow says so.

    No `app.kubernetes.io/version`: it would change with every release of `ccd`, and a Job cannot be changed. What runs
    is in the image's digest.
    """
    return {
        **_recommended("ccd-worker", run_id, "worker"),
        PARTY_LABEL: party,
        RUN_LABEL: run_id,
        WORKFLOW_LABEL: workflow,
        **({BILL_LABEL: bill_to} if bill_to else {}),
    }


def standing_labels(component: str, instance: str, party: str | None = None) -> dict[str, str]:
    """Return the labels of what outlives every run: a party's Namespace and AppProject, the ApplicationSet."""
    return {**_recommended("ccd", instance, component), **({PARTY_LABEL: party} if party else {})}


def _recommended(name: str, instance: str, component: str) -> dict[str, str]:
    """Return Kubernetes' recommended labels. An Argo CD that tracks by label sets its own `instance` over ours."""
    return {
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/managed-by": "ccd",
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": "ccd",
    }


def run_directory(namespace: str, run_id: str) -> PurePosixPath:
    """Return where the party's objects lie: one directory is one Argo CD Application."""
    return RENDERED / namespace / run_id


def project_name(namespace: str) -> str:
    """Return the name of the party's AppProject and ApplicationSet.

    The prefix matters: a namespace called `default` must not reach Argo CD's project of that name, which allows
    everything.
    """
    return f"ccd-{namespace}"
