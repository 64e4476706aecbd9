"""From a Job and its pods to what a person wants to know of a party: a pure function."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from renderer.cluster.seen import ContainerSeen, JobSeen, PodSeen

Phase = Literal[
    "pending",
    "fetching",
    "computing",
    "publishing",
    "retrying",  # an attempt failed, and the next has not begun
    "succeeded",
    "done already",
    "rejected",
    "failed",
    "no access",
]
OVER: frozenset[Phase] = frozenset({"succeeded", "done already", "rejected", "failed"})

REJECTED = 30
LOST = 40  # what a Job that ran out of time, or whose cluster went away, is to its peers
BUG = 70
# Which exit code a run ends with when its parties disagree: a cause before its consequences.
WORST_FIRST = (10, 20, 30, 70, 50, 40)
DONE_ALREADY = "done already"  # the worker's own word in its termination message

_DOING: dict[str, Phase] = {"fetch": "fetching", "compute": "computing", "publish": "publishing"}
_WITHOUT_CODE = {"DeadlineExceeded": LOST, "Interrupted": LOST}
# Waiting reasons that only say that it is not this container's turn yet.
_IN_TURN = frozenset({"", "PodInitializing", "ContainerCreating"})
_POLICY_CODE = re.compile(r"exit code (\d{1,3})\b")


@dataclass(frozen=True)
class Standing:
    """Where a party is in a run."""

    phase: Phase
    verdict: str = ""  # the worker's own word: succeeded, rejected, failed, done already
    exit_code: int | None = None
    reason: str = ""
    attempts: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in OVER


@dataclass(frozen=True)
class Verdict:
    """A container's last word in its termination message."""

    status: str
    reason: str


def standing_of(job: JobSeen | None) -> Standing:
    """Return where a party is, from its Job; None stands for a Job that is not there."""
    if job is None:
        return Standing("pending", reason="its Job is not in the cluster yet")
    attempts = max(job.attempts, len(job.pods))
    match job.end:
        case "Complete":
            return _completed(job, attempts)
        case "Failed":
            return _failed(job, attempts)
    if job.is_suspended:
        return Standing("pending", reason="the Job is suspended", attempts=attempts)
    pod = job.newest
    if pod is None and not job.may_read_pods:
        return Standing("no access", reason="it is under way; you may not read its pods", attempts=attempts)
    if pod is None:
        if job.attempts:
            return Standing("retrying", reason="the next attempt has not begun", attempts=attempts)
        return Standing("pending", reason="the Job has no pod yet", attempts=attempts)
    code = exit_code_of(pod)
    if code or (pod.is_over and code is None):
        said = _last_word(pod)
        return Standing("retrying", said.status if said else "", code, _why(pod, said), attempts)
    return _under_way(pod, attempts)


def worst_code(standings: Iterable[Standing]) -> int:
    """Return the exit code of a run whose parties ended like this; who is not over, or not to be seen, does not count.

    >>> worst_code([Standing("failed", exit_code=40), Standing("rejected", exit_code=30)])
    30
    >>> worst_code([Standing("failed", exit_code=137)]), worst_code([Standing("computing")])
    (70, 0)
    """
    ended = [standing for standing in standings if standing.is_over]
    codes = {BUG if each.exit_code is None else each.exit_code for each in ended if each.exit_code != 0}
    if not codes:
        return 0
    return next((code for code in WORST_FIRST if code in codes), BUG)


def exit_code_of(pod: PodSeen) -> int | None:
    """Return what a pod ended with: its first failure's code, 0 if all containers did their part, None if unknown."""
    codes = [container.exit_code for container in pod.containers]
    failed = [code for code in codes if code]
    if failed:
        return failed[0]
    return 0 if codes and all(code == 0 for code in codes) else None


def verdict_in(message: str) -> Verdict | None:
    """Return the verdict in the last line of a termination message; None for anything that is not one.

    >>> verdict_in('{"status": "rejected", "code": 30, "party": "alpha", "reason": "no grant"}')
    Verdict(status='rejected', reason='no grant')
    >>> verdict_in("[1]"), verdict_in("Killed")
    (None, None)
    """
    lines = message.strip().splitlines()
    try:
        said: Any = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("status"), str):
        return None
    return Verdict(said["status"], str(said.get("reason", "")))


def _completed(job: JobSeen, attempts: int) -> Standing:
    said = _last_word(job.newest) if job.newest else None
    verdict = said.status if said else ""
    phase: Phase = "done already" if verdict == DONE_ALREADY else "succeeded"
    return Standing(phase, verdict, 0, said.reason if said else "", attempts)


def _failed(job: JobSeen, attempts: int) -> Standing:
    pod = job.newest
    said = _last_word(pod) if pod else None
    code = exit_code_of(pod) if pod else None
    if not code:
        # The pod is gone, or was taken away: what the Job itself says has to do.
        found = _POLICY_CODE.search(job.message) if job.reason == "PodFailurePolicy" else None
        code = int(found[1]) if found else _WITHOUT_CODE.get(job.reason)
    because = _why(pod, said) if pod else ""
    if not said or job.reason not in ("PodFailurePolicy", "BackoffLimitExceeded"):
        because = "; ".join(filter(None, (because, _joined(job.reason, job.message))))
    phase: Phase = "rejected" if code == REJECTED else "failed"
    return Standing(phase, said.status if said else "", code, because, attempts)


def _under_way(pod: PodSeen, attempts: int) -> Standing:
    current = next((container for container in pod.containers if container.state != "ended"), None)
    if current is None:
        # All have done their part, and the Job does not know it yet.
        return Standing("publishing", attempts=attempts)
    waits_for = "" if current.reason in _IN_TURN else _joined(current.reason, current.message)
    reason = "; ".join(filter(None, (_joined(pod.reason, pod.message), waits_for)))
    if all(container.state == "waiting" for container in pod.containers):
        return Standing("pending", reason=reason, attempts=attempts)
    return Standing(_DOING.get(current.name, "pending"), reason=reason, attempts=attempts)


def _last_word(pod: PodSeen | None) -> Verdict | None:
    """Return the verdict of the container that failed, or of the last one if all did their part."""
    if pod is None:
        return None
    speaker: ContainerSeen | None = next((one for one in pod.containers if one.exit_code), None)
    if speaker is None and exit_code_of(pod) == 0:
        speaker = pod.containers[-1]
    return verdict_in(speaker.message) if speaker else None


def _why(pod: PodSeen, said: Verdict | None) -> str:
    """Return the worker's reason, or Kubernetes' where the worker could not give one."""
    if said is not None and said.reason:
        return said.reason
    killed = [
        f"{one.name}: {one.reason}" for one in pod.containers if one.exit_code and one.reason not in ("", "Error")
    ]
    return "; ".join(filter(None, (_joined(pod.reason, pod.message), *killed)))


def _joined(reason: str, message: str) -> str:
    return ": ".join(filter(None, (reason, message)))
