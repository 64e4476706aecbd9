"""The official client's Jobs and pods, read into `renderer.cluster.seen`."""

import datetime
from typing import Any

from renderer import names
from renderer.cluster.seen import ContainerSeen, JobSeen, PodSeen, in_order

_LONG_AGO = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def jobs_of(jobs: list[Any], pods: list[Any] | None) -> tuple[JobSeen, ...]:
    """Return the Jobs that are workers' of a run, each with the pods that it owns; None if pods may not be read.

    A Job is taken for a party's only under the name that is rendered for it: labels alone are anybody's to set.
    """
    owned: dict[str, list[PodSeen]] = {}
    for pod in pods or ():
        for owner in pod.metadata.owner_references or ():
            if owner.kind == "Job" and owner.controller:
                owned.setdefault(owner.uid, []).append(_pod(pod))
    seen = []
    for job in jobs:
        labels = job.metadata.labels or {}
        run_id, party = labels.get(names.RUN_LABEL, ""), labels.get(names.PARTY_LABEL, "")
        if job.metadata.name == names.object_name(run_id, party):
            own = in_order(owned.get(job.metadata.uid, []))
            seen.append(_job(job, run_id, party, own, may_read_pods=pods is not None))
    return tuple(sorted(seen, key=lambda each: each.name))


def _job(job: Any, run_id: str, party: str, pods: tuple[PodSeen, ...], may_read_pods: bool) -> JobSeen:
    status = job.status
    conditions = {each.type: each for each in status.conditions or () if each.status == "True"}
    # FailureTarget and SuccessCriteriaMet come before these, while pods are still being ended.
    complete, failed = conditions.get("Complete"), conditions.get("Failed")
    last = complete or failed
    return JobSeen(
        namespace=job.metadata.namespace,
        name=job.metadata.name,
        run_id=run_id,
        party=party,
        created=job.metadata.creation_timestamp,
        ended=last.last_transition_time if last else None,
        end="Complete" if complete else "Failed" if failed else "",
        reason=(failed.reason or "") if failed else "",
        message=(failed.message or "") if failed else "",
        attempts=sum(count or 0 for count in (status.active, status.failed, status.succeeded)),
        is_suspended="Suspended" in conditions,
        pods=pods,
        may_read_pods=may_read_pods,
    )


def _pod(pod: Any) -> PodSeen:
    statuses = {each.name: each for each in (pod.status.init_container_statuses or ())}
    statuses |= {each.name: each for each in (pod.status.container_statuses or ())}
    containers = (*(pod.spec.init_containers or ()), *pod.spec.containers)
    reason, message = pod.status.reason or "", pod.status.message or ""
    if not reason:
        reason, message = _condition(pod.status.conditions or ())
    if not reason and pod.metadata.deletion_timestamp is not None:
        reason = "Terminating"
    return PodSeen(
        name=pod.metadata.name,
        created=pod.metadata.creation_timestamp or _LONG_AGO,
        containers=tuple(_container(each.name, statuses.get(each.name)) for each in containers),
        is_over=pod.status.phase in ("Succeeded", "Failed"),
        reason=reason,
        message=message,
    )


def _condition(conditions: Any) -> tuple[str, str]:
    """Return why a pod has no node, or was taken from it."""
    for each in conditions:
        unscheduled = each.type == "PodScheduled" and each.status == "False"
        if unscheduled or (each.type == "DisruptionTarget" and each.status == "True"):
            return each.reason or each.type, each.message or ""
    return "", ""


def _container(name: str, status: Any) -> ContainerSeen:
    state = status.state if status is not None else None
    if state is None:
        return ContainerSeen(name)
    if state.terminated is not None:
        ended = state.terminated
        return ContainerSeen(name, "ended", ended.exit_code, ended.message or "", ended.reason or "")
    if state.running is not None:
        return ContainerSeen(name, "running")
    waiting = state.waiting
    if waiting is None:
        return ContainerSeen(name)
    return ContainerSeen(name, "waiting", None, waiting.message or "", waiting.reason or "")
