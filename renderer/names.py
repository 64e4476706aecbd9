"""What the objects of a run are called and labelled, and where their files lie."""

import re
from pathlib import PurePosixPath

RENDERED = PurePosixPath("argocd/rendered")
ARGO_CD = PurePosixPath("argocd")
MAX_LABEL = 63  # DNS label, label value

WORKFLOW_LABEL = "ccd.dev/workflow"
RUN_LABEL = "ccd.dev/run"
PARTY_LABEL = "ccd.dev/party"
BILL_LABEL = "ccd.dev/bill-to"

_RUN_ID = re.compile(r"([a-z][-a-z0-9]*)-[0-9a-f]{10}")


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

    `app.kubernetes.io/instance` is left free: Argo CD may be set to track its Applications with it.
    """
    return {
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/managed-by": "ccd",
        "app.kubernetes.io/name": "ccd-worker",
        PARTY_LABEL: party,
        RUN_LABEL: run_id,
        WORKFLOW_LABEL: workflow,
        **({BILL_LABEL: bill_to} if bill_to else {}),
    }


def run_directory(namespace: str, run_id: str) -> PurePosixPath:
    """Return where the party's objects lie: one directory is one Argo CD Application."""
    return RENDERED / namespace / run_id


def project_name(namespace: str) -> str:
    """Return the name of the party's AppProject.

    The prefix matters: the ApplicationSet takes the project's name from a directory's, and a directory called
    `default` must not reach Argo CD's project of that name, which allows everything.
    """
    return f"ccd-{namespace}"
