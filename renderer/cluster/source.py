"""What a cluster has to be able to tell of runs."""

from collections.abc import Iterator
from typing import Protocol

from renderer.cluster.seen import JobSeen, PodSeen


class NoAccess(Exception):
    """The person who asks may not see this, which is no error of theirs: other parties' namespaces are not theirs."""


class LogsUnavailable(Exception):
    """A container's lines cannot be had; says why, in words for people."""


class Source(Protocol):
    """A Kubernetes cluster, or the local one."""

    @property
    def title(self) -> str:
        """What it is called, for people."""
        ...

    def jobs(self, namespace: str, run_id: str | None = None) -> tuple[JobSeen, ...]:
        """Return the Jobs of runs in a namespace, of one run if that is named, with their pods.

        Raises:  NoAccess; CommandError if the cluster does not answer.
        """
        ...

    def lines(self, job: JobSeen, pod: PodSeen, container: str, follow: bool) -> Iterator[str]:
        """Yield what a container has printed; with `follow` until it ends.

        Raises:  LogsUnavailable; NoAccess.
        """
        ...
