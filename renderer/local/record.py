"""What became of each Job of the local cluster, kept as `<directory>/<party>/job.json` as long as the logs beside it."""

import dataclasses
import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from renderer.cluster.seen import ContainerSeen, JobSeen, PodSeen
from renderer.local.logs import LogFiles
from renderer.local.observe import ContainerEnded, ContainerStarted, Event, JobEnded
from renderer.local.private_files import write_private

FILE = "job.json"


@dataclass(frozen=True)
class Record:
    """One Job, and where in the containers' logs its lines begin: the files hold those of earlier calls, too."""

    job: JobSeen
    begins: Mapping[str, int]  # "<pod>/<container>" -> bytes


_RECORD = TypeAdapter(Record)


@dataclass
class Records:
    """An observer that keeps the Jobs' state. `containers` are their containers' names, by Job, in their order."""

    logs: LogFiles
    run_id: str
    containers: Mapping[str, tuple[str, ...]]
    namespaces: Mapping[str, str]
    _records: dict[str, Record] = field(default_factory=dict)

    def begin(self) -> None:
        """Note that the Jobs are there, and forget what an earlier call left."""
        now = datetime.datetime.now(datetime.UTC)
        for job, party in self.logs.party_of.items():
            self._keep(Record(JobSeen(self.namespaces[job], job, self.run_id, party, now), {}))

    def __call__(self, event: Event) -> None:
        """Take in what happened. Comes before the observer that writes the logs: it must know how long they were."""
        match event:
            case ContainerStarted():
                self._started(event)
            case ContainerEnded():
                reason = "" if event.exit_code == 0 else "Error"
                ended = ContainerSeen(event.container, "ended", event.exit_code, event.message, reason)
                self._set(event.job, ended)
            case JobEnded():
                job = self._records[event.job].job
                now = datetime.datetime.now(datetime.UTC)
                end = dataclasses.replace(
                    job, ended=now, end="Complete" if event.succeeded else "Failed", reason=event.reason
                )
                self._keep(dataclasses.replace(self._records[event.job], job=end))

    def _started(self, event: ContainerStarted) -> None:
        record = self._records[event.job]
        pods = record.job.pods
        if len(pods) < event.attempt:
            waiting = tuple(ContainerSeen(name) for name in self.containers[event.job])
            pod = PodSeen(f"{event.job}-{event.attempt}", datetime.datetime.now(datetime.UTC), waiting)
            pods = (*(dataclasses.replace(old, is_over=True) for old in pods), pod)
        path = self.logs.path(event.job, event.attempt, event.container)
        begin = path.stat().st_size if path.exists() else 0
        begins = {**record.begins, f"{pods[-1].name}/{event.container}": begin}
        self._records[event.job] = Record(dataclasses.replace(record.job, pods=pods, attempts=event.attempt), begins)
        self._set(event.job, ContainerSeen(event.container, "running"))

    def _set(self, job: str, container: ContainerSeen) -> None:
        record = self._records[job]
        *before, pod = record.job.pods
        containers = tuple(container if each.name == container.name else each for each in pod.containers)
        newest = dataclasses.replace(pod, containers=containers, is_over=bool(container.exit_code))
        self._keep(dataclasses.replace(record, job=dataclasses.replace(record.job, pods=(*before, newest))))

    def _keep(self, record: Record) -> None:
        self._records[record.job.name] = record
        path = self.logs.directory / record.job.party / FILE
        write_private(path, _RECORD.dump_json(record))


def read_record(path: Path) -> Record | None:
    """Return what is kept at `path`, or None if there is nothing, or nothing that this version can read."""
    try:
        return _RECORD.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
