"""Runs and their parties' standings: what the rendered tree asks for, and what a cluster says became of it."""

import datetime
from collections import Counter
from dataclasses import dataclass
from typing import Any

from renderer.cluster.asked import Asked
from renderer.cluster.phase import Standing, standing_of, worst_code
from renderer.cluster.seen import JobSeen
from renderer.cluster.source import NoAccess, Source

NO_ACCESS = Standing("no access", reason="you may not read this namespace")


@dataclass(frozen=True)
class PartyStatus:
    """One party of a run."""

    party: str
    namespace: str
    standing: Standing
    job: JobSeen | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        job, standing = self.job, self.standing
        return {
            "party": self.party,
            "namespace": self.namespace,
            "phase": standing.phase,
            "verdict": standing.verdict or None,
            "exitCode": standing.exit_code,
            "reason": standing.reason,
            "attempts": standing.attempts,
            "job": job.name if job else None,
            "pod": job.newest.name if job and job.newest else None,
            "created": job.created.isoformat() if job else None,
            "ended": job.ended.isoformat() if job and job.ended else None,
        }


@dataclass(frozen=True)
class RunStatus:
    """A run, with its parties in the order of their names."""

    run_id: str
    parties: tuple[PartyStatus, ...]

    @property
    def visible(self) -> tuple[PartyStatus, ...]:
        """The parties whose Jobs may be read."""
        return tuple(each for each in self.parties if each.standing is not NO_ACCESS)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen at those that may be seen."""
        return all(each.standing.is_over for each in self.visible)

    @property
    def exit_code(self) -> int:
        """The worst of the parties' exit codes."""
        return worst_code(each.standing for each in self.parties)

    @property
    def begun(self) -> datetime.datetime | None:
        """When the first of its Jobs was made."""
        return min((each.job.created for each in self.parties if each.job is not None), default=None)

    @property
    def phases(self) -> tuple[tuple[str, int], ...]:
        """How many parties are in which phase, the most first."""
        counted = Counter(each.standing.phase for each in self.parties)
        return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        parties = [each.to_json() for each in self.parties]
        return {"run": self.run_id, "over": self.is_over, "exitCode": self.exit_code, "parties": parties}


def run_status(source: Source, asked: Asked, run_id: str) -> RunStatus:
    """Return where every party of one run is."""
    seen = {namespace: _jobs(source, namespace, run_id) for namespace in asked.namespaces_of(run_id)}
    if run_id not in asked.runs:
        # Not in the tree: its members are those that have a Job. Others cannot be told from those not to be seen.
        seen = {namespace: jobs for namespace, jobs in seen.items() if jobs or jobs is None}
    return RunStatus(
        run_id, _parties(asked, {n: (jobs if jobs is None else _of(jobs, run_id)) for n, jobs in seen.items()})
    )


def all_status(source: Source, asked: Asked) -> tuple[RunStatus, ...]:
    """Return where every run is: those that the tree asks for, and those that are in the cluster all the same."""
    seen = {namespace: _jobs(source, namespace, None) for namespace in asked.parties}
    members: dict[str, list[str]] = {run_id: list(namespaces) for run_id, namespaces in asked.runs.items()}
    for namespace, jobs in seen.items():
        for job in jobs or ():
            if job.run_id not in asked.runs:
                members.setdefault(job.run_id, []).append(namespace)
    found = []
    for run_id, namespaces in sorted(members.items()):
        of_run = {n: None if (jobs := seen[n]) is None else _of(jobs, run_id) for n in namespaces}
        found.append(RunStatus(run_id, _parties(asked, of_run)))
    return tuple(found)


def _jobs(source: Source, namespace: str, run_id: str | None) -> tuple[JobSeen, ...] | None:
    try:
        return source.jobs(namespace, run_id)
    except NoAccess:
        return None


def _of(jobs: tuple[JobSeen, ...], run_id: str) -> tuple[JobSeen, ...]:
    return tuple(job for job in jobs if job.run_id == run_id)


def _parties(asked: Asked, seen: dict[str, tuple[JobSeen, ...] | None]) -> tuple[PartyStatus, ...]:
    parties = []
    for namespace, jobs in seen.items():
        name = asked.parties[namespace]
        if jobs is None:
            parties.append(PartyStatus(name, namespace, NO_ACCESS))
            continue
        # A namespace is one party's: a Job there that poses as another's is not looked at.
        job = next((each for each in jobs if each.party == name), None)
        parties.append(PartyStatus(name, namespace, standing_of(job), job))
    return tuple(sorted(parties, key=lambda each: each.party))
