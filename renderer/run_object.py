"""What every object of a run has in common."""

from dataclasses import dataclass
from functools import lru_cache

from renderer import names
from renderer.spec import Member, PlannedRun

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunObject:
    """Name, namespace and labels; the base of the objects' contexts."""

    origin: str
    name: str
    namespace: str
    labels: Pairs


def origin(run: PlannedRun) -> str:
    """Return the comment that leads a reader from the rendered file to its document."""
    return f"Rendered by `ccd render` from workflows/{run.run.workflow}.yaml. Change that instead."


def object_name(run: PlannedRun, member: Member) -> str:
    """Return the name of the member's objects in the run."""
    return names.object_name(run.run.run_id, member.name)


def labels(run: PlannedRun, member: Member) -> Pairs:
    """Return the labels of the member's objects in the run, sorted."""
    return _labels(run.run.workflow, run.run.run_id, member.name, run.bill_to)


def selector(run: PlannedRun, member: Member) -> Pairs:
    """Return the labels that the member's pods of this run have and no others."""
    return _selector(run.run.run_id, member.name)


# A member's objects, and those of its peers, all say them.
@lru_cache
def _labels(workflow: str, run_id: str, party: str, bill_to: str | None) -> Pairs:
    return tuple(sorted(names.labels(workflow, run_id, party, bill_to).items()))


@lru_cache
def _selector(run_id: str, party: str) -> Pairs:
    return tuple(sorted({names.RUN_LABEL: run_id, names.PARTY_LABEL: party}.items()))
