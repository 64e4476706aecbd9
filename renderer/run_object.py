"""What every object of a run has in common."""

from dataclasses import dataclass

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
    return tuple(sorted(names.labels(run.run.workflow, run.run.run_id, member.name, run.bill_to).items()))


def selector(run: PlannedRun, member: Member) -> Pairs:
    """Return the labels that the member's pods of this run have and no others."""
    return tuple(sorted({names.RUN_LABEL: run.run.run_id, names.PARTY_LABEL: member.name}.items()))
