"""The account that a worker runs as: no permissions, no token."""

from renderer.render import render
from renderer.run_object import RunObject, labels, object_name, origin
from renderer.spec import Member, PlannedRun


def service_account(run: PlannedRun, member: Member) -> str:
    """Return the member's ServiceAccount."""
    context = RunObject(origin(run), object_name(run, member), member.namespace, labels(run, member))
    return render("serviceaccount.yaml.j2", context)
