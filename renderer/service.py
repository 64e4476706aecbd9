"""The name under which a worker's peers find it."""

from dataclasses import dataclass

from renderer.render import render
from renderer.run_object import Pairs, RunObject, labels, object_name, origin, selector
from renderer.spec import Member, PlannedRun
from worker.runspec import TLS_PORT


@dataclass(frozen=True)
class Context(RunObject):
    """Which pods, and their port."""

    selector: Pairs
    port: int


def service(run: PlannedRun, member: Member) -> str:
    """Return the member's Service."""
    context = Context(
        origin(run),
        object_name(run, member),
        member.namespace,
        labels(run, member),
        selector(run, member),
        TLS_PORT,
    )
    return render("service.yaml.j2", context)
