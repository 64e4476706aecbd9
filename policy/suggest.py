"""The least that owners would have to grant for a plan to be accepted: found by the verifier itself, and no more than it.

Grants only ever add to what is allowed. So what the verifier finds missing is granted until nothing is, and then whatever
can be left out again is. What no grant can mend (a minimum, another protocol) is left as a reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conclave.plan.steps import Plan
from policy.document import Capability, Grant, Policy
from policy.verdict import Reason
from policy.verify import Request, verify

MOST_ROUNDS = 20  # each finds what is missing of what was granted in the one before: join_payload, say
_GRANTABLE = ("not-granted", "expressions-not-granted", "comparison-not-granted")


@dataclass(frozen=True, order=True)
class Permission:
    """One capability of one column, for one recipient."""

    dataset: str
    recipient: str
    with_expressions: bool
    column: str
    capability: Capability


@dataclass(frozen=True)
class Suggestion:
    """What would have to be granted, and what would be refused all the same."""

    permissions: tuple[Permission, ...]  # sorted
    left: tuple[Reason, ...]

    def grants(self, dataset: str, purpose: str) -> tuple[Grant, ...]:
        """Return the permissions on a dataset as grants: recipients of the same share one."""
        by_kind: dict[tuple[str, bool], dict[str, list[Capability]]] = {}
        for each in self.permissions:
            if each.dataset == dataset:
                columns = by_kind.setdefault((each.recipient, each.with_expressions), {})
                columns.setdefault(each.column, []).append(each.capability)
        shared: dict[tuple[bool, tuple[tuple[str, tuple[Capability, ...]], ...]], list[str]] = {}
        for (recipient, with_expressions), columns in by_kind.items():
            same = (with_expressions, tuple((name, tuple(uses)) for name, uses in columns.items()))
            shared.setdefault(same, []).append(recipient)
        return tuple(
            Grant(to=tuple(to), purposes=(purpose,), columns=dict(columns), expressions=with_expressions)
            for (with_expressions, columns), to in shared.items()
        )


def suggest(plan: Plan, policies: Mapping[str, Policy], request: Request) -> Suggestion:
    """Return the least that has to be added to the grants of `policies`, of which there is one for each dataset."""
    wanted: set[Permission] = set()
    for _ in range(MOST_ROUNDS):
        reasons = verify(plan, granted(policies, wanted, request.purpose), request).reasons
        lacking = {_permission(reason, plan, policies, wanted) for reason in reasons if reason.code in _GRANTABLE}
        if lacking <= wanted:
            break
        wanted |= lacking
    kept = sorted(wanted)
    # What gives most away is tried first.
    for each in sorted(wanted, key=lambda one: (one.capability == "open", one.with_expressions, one), reverse=True):
        without = [other for other in kept if other != each]
        if not _lacks(plan, granted(policies, without, request.purpose), request):
            kept = without
    left = verify(plan, granted(policies, kept, request.purpose), request).reasons
    return Suggestion(tuple(kept), left)


def granted(policies: Mapping[str, Policy], permissions: Iterable[Permission], purpose: str) -> dict[str, Policy]:
    """Return the policies with these permissions added to their grants."""
    suggestion = Suggestion(tuple(sorted(permissions)), ())
    found = {}
    for dataset, policy in policies.items():
        grants = (*policy.spec.grants, *suggestion.grants(dataset, purpose))
        found[dataset] = policy.model_copy(update={"spec": policy.spec.model_copy(update={"grants": grants})})
    return found


def _lacks(plan: Plan, policies: Mapping[str, Policy], request: Request) -> bool:
    return any(reason.code in _GRANTABLE for reason in verify(plan, policies, request).reasons)


def _permission(reason: Reason, plan: Plan, policies: Mapping[str, Policy], wanted: Iterable[Permission]) -> Permission:
    recipient, dataset = reason.recipient or "", reason.dataset
    owner = dataset.partition("/")[0]
    if recipient not in plan.query.recipients and owner in plan.query.recipients:
        # The owner alone gets the answer, and the compute parties count its rows: it says so to itself.
        recipient = owner
    capability: Capability = reason.capability  # type: ignore[assignment]  # the verifier names no other
    column = reason.column or _counted(dataset, recipient, policies, wanted)
    return Permission(dataset, recipient, reason.code == "expressions-not-granted", column, capability)


def _counted(dataset: str, recipient: str, policies: Mapping[str, Policy], wanted: Iterable[Permission]) -> str:
    """Return a column whose rows may be counted: any will do, so one that is asked for anyway, or the first."""
    asked = sorted(p.column for p in wanted if (p.dataset, p.recipient) == (dataset, recipient))
    columns = list(policies[dataset].spec.columns)
    return next((name for name in columns if name in asked), columns[0])
