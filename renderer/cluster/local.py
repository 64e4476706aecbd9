"""The local cluster's records as a source: what `ccd run` and `ccd demo` did on this machine."""

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from renderer.cluster.seen import JobSeen, PodSeen
from renderer.cluster.source import LogsUnavailable
from renderer.dev.session import is_locked
from renderer.local.logs import log_name
from renderer.local.record import FILE, Record, read_record

LOOK_AGAIN_S = 0.2


@dataclass(frozen=True)
class LocalRuns:
    """A `renderer.cluster.source.Source`."""

    runs: Path  # a directory per run, in it one per party

    @property
    def title(self) -> str:
        """What it is called, for people."""
        return "this machine"

    def jobs(self, namespace: str, run_id: str | None = None) -> tuple[JobSeen, ...]:
        """Return the Jobs that ran here for a namespace."""
        records = (read_record(path) for path in sorted(self.runs.glob(f"{run_id or '*'}/*/{FILE}")))
        return tuple(self._job(each) for each in records if each is not None and each.job.namespace == namespace)

    def lines(self, job: JobSeen, pod: PodSeen, container: str, follow: bool) -> Iterator[str]:
        """Yield what a container has printed in the newest call of `ccd run`."""
        directory = self.runs / job.run_id / job.party
        record = read_record(directory / FILE)
        key = f"{pod.name}/{container}"
        if record is None or key not in record.begins:
            raise LogsUnavailable(f"{pod.name}, container {container}: its log was overtaken by a newer run")
        path = directory / log_name(int(pod.name.rpartition("-")[2]), container)
        try:
            with path.open("rb") as file:
                file.seek(record.begins[key])
                rest = b""
                while True:
                    # Asked first: what it printed before its end is then read below.
                    is_last = not follow or not self._is_running(job, pod, container)
                    *whole, rest = (rest + file.read()).split(b"\n")
                    yield from (line.decode("utf-8", errors="replace") for line in whole)
                    if is_last:
                        break
                    time.sleep(LOOK_AGAIN_S)
                if rest:
                    yield rest.decode("utf-8", errors="replace")
        except OSError as error:
            raise LogsUnavailable(f"{path} cannot be read: {error.strerror}") from None

    def _is_running(self, job: JobSeen, pod: PodSeen, container: str) -> bool:
        (now,) = self.jobs(job.namespace, job.run_id) or (None,)
        if now is None or now.end or now.newest is None or now.newest.name != pod.name:
            return False
        return any(each.name == container and each.state == "running" for each in now.newest.containers)

    def _job(self, record: Record) -> JobSeen:
        """Return the Job, ended if the command that ran it is gone."""
        job = record.job
        if job.end or is_locked(self.runs / job.run_id / "lock"):
            return job
        return dataclasses.replace(job, end="Failed", reason="Interrupted", message="`ccd run` ended before the Job")
