"""Jobs, pods and containers, as any cluster tells of them: facts alone, judged in `renderer.cluster.phase`."""

import datetime
from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "running", "ended"]


@dataclass(frozen=True)
class ContainerSeen:
    """One container of a pod."""

    name: str
    state: State = "waiting"
    exit_code: int | None = None
    message: str = ""  # its termination message; of a waiting one, what it waits for
    reason: str = ""  # Kubernetes' word: OOMKilled, ImagePullBackOff


@dataclass(frozen=True)
class PodSeen:
    """One attempt at a Job."""

    name: str
    created: datetime.datetime
    containers: tuple[ContainerSeen, ...]  # in the order in which they run
    is_over: bool = False
    reason: str = ""  # Kubernetes' word: Evicted, Unschedulable
    message: str = ""


@dataclass(frozen=True)
class JobSeen:
    """One party's Job of a run."""

    namespace: str
    name: str
    run_id: str
    party: str
    created: datetime.datetime
    ended: datetime.datetime | None = None
    end: Literal["", "Complete", "Failed"] = ""
    reason: str = ""  # why it failed: PodFailurePolicy, BackoffLimitExceeded, DeadlineExceeded
    message: str = ""
    attempts: int = 0  # as the Job counts them: pods may be gone
    is_suspended: bool = False
    pods: tuple[PodSeen, ...] = ()  # in the order of their creation
    may_read_pods: bool = True

    @property
    def newest(self) -> PodSeen | None:
        """The last attempt whose pod is still known."""
        return self.pods[-1] if self.pods else None


def in_order(pods: list[PodSeen]) -> tuple[PodSeen, ...]:
    """Return pods from the first attempt to the last."""
    return tuple(sorted(pods, key=lambda pod: (pod.created, pod.name)))
