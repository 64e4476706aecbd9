"""The containers' lines of a run: of one attempt as it stands, or as they come until every party is over."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from renderer.cluster.phase import standing_of
from renderer.cluster.seen import ContainerSeen, JobSeen, PodSeen
from renderer.cluster.source import LogsUnavailable, NoAccess, Source
from renderer.errors import CommandError

LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class Line:
    """One line that a container has printed."""

    party: str
    pod: str
    container: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {"party": self.party, "pod": self.pod, "container": self.container, "line": self.text}


@dataclass(frozen=True)
class Note:
    """Why there are no lines; for people, beside the lines."""

    party: str
    text: str


Said = Line | Note


@dataclass(frozen=True)
class Wanted:
    """Whose lines."""

    source: Source
    run_id: str
    members: tuple[tuple[str, str], ...]  # (party, namespace)
    container: str | None = None  # None: all
    previous: bool = False  # of the attempt before the last


def read_logs(wanted: Wanted) -> Iterator[Said]:
    """Yield what there is, party by party, container by container."""
    for party, namespace in wanted.members:
        try:
            job = _job(wanted, party, namespace)
        except NoAccess:
            yield Note(party, "you may not read its namespace")
            continue
        pod = _pod(job, wanted.previous) if job else None
        if job is None or pod is None:
            yield Note(party, _nothing(job, wanted.previous))
            continue
        begun = [container.name for container in pod.containers if _is_due(wanted, container)]
        if not begun:
            yield Note(party, _not_begun(wanted, job))
        for container in begun:
            yield from _lines(wanted, party, job, pod, container, follow=False)


def follow_logs(wanted: Wanted) -> Iterator[Said]:
    """Yield lines of all parties as they come, attempt by attempt, until every party is over."""
    said: queue.SimpleQueue[Said | Exception | None] = queue.SimpleQueue()

    def watch(party: str, namespace: str) -> None:
        try:
            for each in _follow(wanted, party, namespace):
                said.put(each)
        except Exception as error:
            said.put(error)
        said.put(None)

    for member in wanted.members:
        threading.Thread(target=watch, args=member, daemon=True).start()
    left = len(wanted.members)
    while left:
        each = said.get()
        if isinstance(each, Exception):
            raise each
        if each is None:
            left -= 1
        else:
            yield each


def _follow(wanted: Wanted, party: str, namespace: str) -> Iterator[Said]:
    shown: set[tuple[str, str]] = set()
    while True:
        try:
            job = _job(wanted, party, namespace)
        except NoAccess:
            yield Note(party, "you may not read its namespace")
            return
        begun = [(pod, one) for pod in job.pods for one in pod.containers if _is_due(wanted, one)] if job else []
        new = [(pod, one) for pod, one in begun if (pod.name, one.name) not in shown]
        for pod, container in new:
            shown.add((pod.name, container.name))
            assert job is not None
            yield from _lines(wanted, party, job, pod, container.name, follow=container.state == "running")
        if not new:
            if standing_of(job).is_over:
                return
            time.sleep(LOOK_AGAIN_S)


def _is_due(wanted: Wanted, container: ContainerSeen) -> bool:
    return wanted.container in (None, container.name) and container.state != "waiting"


def _lines(wanted: Wanted, party: str, job: JobSeen, pod: PodSeen, container: str, follow: bool) -> Iterator[Said]:
    try:
        for text in wanted.source.lines(job, pod, container, follow):
            yield Line(party, pod.name, container, text)
    except NoAccess:
        yield Note(party, "you may not read its pods' logs")
    except LogsUnavailable as problem:
        yield Note(party, str(problem))


def _job(wanted: Wanted, party: str, namespace: str) -> JobSeen | None:
    jobs = wanted.source.jobs(namespace, wanted.run_id)
    return next((job for job in jobs if job.party == party), None)


def _pod(job: JobSeen, previous: bool) -> PodSeen | None:
    if previous:
        return job.pods[-2] if len(job.pods) > 1 else None
    return job.newest


def _nothing(job: JobSeen | None, previous: bool) -> str:
    if job is None:
        return "its Job is not in the cluster"
    if not job.may_read_pods:
        return "you may not read its pods"
    return "there was no attempt before this one" if previous and job.pods else "its Job has no pod"


def _not_begun(wanted: Wanted, job: JobSeen) -> str:
    what = f"its container {wanted.container} has not begun" if wanted.container else "none of its containers has begun"
    reason = "" if wanted.previous else standing_of(job).reason
    return f"{what}: {reason}" if reason else what


def members_of(parties: dict[str, str], namespaces: tuple[str, ...], party: str | None) -> tuple[tuple[str, str], ...]:
    """Return (party, namespace) of a run's members, or of the one that is named.

    Raises:  CommandError if it is no member.
    """
    members = tuple(sorted((parties[namespace], namespace) for namespace in namespaces))
    if party is None:
        return members
    chosen = tuple(member for member in members if member[0] == party)
    if not chosen:
        raise CommandError(
            f"{party} is no party of this run", f"its parties are: {', '.join(m[0] for m in members)}", 2
        )
    return chosen
