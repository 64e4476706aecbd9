"""The least that owners would have to grant for a plan to be accepted: found by the verifier itself, and no more than it.

Grants only ever add to what is allowed. So what the verifier finds missing is granted until nothing is, and then whatever
can be left out again is. A column that is to decide may do so in the ways that the query needs, and in no other, if it
can be said in a rule. What no grant can mend (a minimum, another protocol) is left as a reason.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from conclave.plan.steps import Plan
from policy.document import Capability, Grant, Policy
from policy.permissions import Permission, granted, grants_of, ruled, shown_of
from policy.verdict import Reason
from policy.verify import Request, verify
from policy.ways import ways_to_compare

MOST_ROUNDS = 30  # each finds what is missing of what was granted in the one before: join_payload, say
_GRANTABLE = ("not-granted", "expressions-not-granted", "comparison-not-granted")


@dataclass(frozen=True)
class Suggestion:
    """What would have to be granted, and what would be refused all the same."""

    permissions: tuple[Permission, ...]  # sorted
    left: tuple[Reason, ...]

    def grants(self, dataset: str, purpose: str) -> tuple[Grant, ...]:
        """Return the permissions on a dataset as grants: recipients of the same share one."""
        return grants_of(self.permissions, dataset, purpose)

    def shown(self, dataset: str) -> dict[str, tuple[str, ...]]:
        """Return to whom which columns would have to be shown as keys: `spec.compute.cleartextTo`."""
        return shown_of(self.permissions, dataset)


def suggest(plan: Plan, policies: Mapping[str, Policy], request: Request) -> Suggestion:
    """Return the least that has to be added to the grants of `policies`, of which there is one for each dataset."""
    search = _Search(plan, policies, request)
    kept = search.least(search.enough())
    return Suggestion(tuple(sorted(kept)), search.reasons(kept))


@dataclass(frozen=True)
class _Search:
    plan: Plan
    policies: Mapping[str, Policy]
    request: Request

    def reasons(self, permissions: Iterable[Permission]) -> tuple[Reason, ...]:
        """Return what is refused still."""
        return verify(self.plan, granted(self.policies, permissions, self.request.purpose), self.request).reasons

    def enough(self) -> frozenset[Permission]:
        """Return permissions after which nothing is refused that a permission could mend."""
        wanted = frozenset[Permission]()
        for _ in range(MOST_ROUNDS):
            more = frozenset[Permission]()
            # Rows are counted last: by a column that is asked for anyway.
            for reason in sorted(self.reasons(wanted), key=lambda reason: reason.column is None):
                options = self._options(reason, wanted | more)
                more |= next((each for each in options if not each <= wanted), frozenset())
            if not more:
                break
            wanted |= more
        return wanted

    def least(self, wanted: frozenset[Permission]) -> frozenset[Permission]:
        """Return those of which none can be left out. What gives most away is tried first."""
        unmended = set(map(_about, self.reasons(wanted)))
        for each in sorted(wanted, key=self._gives_away, reverse=True):
            without = wanted - {each}
            # A rule beside free use says nothing; free use is tried before any rule.
            if (each.rule and each.as_it_likes in wanted) or {*map(_about, self.reasons(without))} <= unmended:
                wanted = without
        return wanted

    def _gives_away(self, one: Permission) -> tuple[bool, bool, bool, bool, Permission]:
        is_free = one.capability == "filter" and not one.rule
        is_stranger = one.recipient not in self.plan.query.recipients
        return one.capability == "open", is_stranger, one.with_expressions, is_free, one

    def _options(self, reason: Reason, wanted: frozenset[Permission]) -> Iterator[frozenset[Permission]]:
        """Yield what might mend a refusal, the least first."""
        if reason.code == "cleartext-not-granted" and reason.column is not None:
            yield frozenset({Permission(reason.dataset, reason.recipient or "", False, reason.column, "cleartext")})
        if reason.code not in _GRANTABLE:
            return
        capability: Capability = reason.capability  # type: ignore[assignment]  # the verifier names no other
        for recipient in self._recipients(reason):
            column = reason.column or self._counted(reason.dataset, recipient, wanted)
            permission = Permission(
                reason.dataset, recipient, reason.code == "expressions-not-granted", column, capability
            )
            if capability == "filter":
                kind = self.policies[reason.dataset].spec.columns[column].type
                for rules in ways_to_compare(self.plan.query, kind):
                    yield frozenset(
                        Permission(reason.dataset, recipient, False, column, "filter", ruled(rule)) for rule in rules
                    )
            yield frozenset({permission})

    def _recipients(self, reason: Reason) -> Iterator[str]:
        recipient, owner = reason.recipient or "", reason.dataset.partition("/")[0]
        if recipient not in self.plan.query.recipients and owner in self.plan.query.recipients:
            # The owner alone gets the answer, and the compute parties count its rows: it says so to itself.
            yield owner
        yield recipient

    def _counted(self, dataset: str, recipient: str, wanted: Iterable[Permission]) -> str:
        """Return a column whose rows may be counted: any will do, so one that is asked for anyway, or the first."""
        asked = sorted(p.column for p in wanted if (p.dataset, p.recipient) == (dataset, recipient))
        columns = list(self.policies[dataset].spec.columns)
        return next((name for name in columns if name in asked), columns[0])


def _about(reason: Reason) -> tuple[str, ...]:
    """Return what makes two refusals the same, however they are worded."""
    subject = reason.column or "", reason.capability or "", reason.recipient or ""
    return (reason.code, reason.dataset, *subject, "" if reason.capability or reason.column else reason.what)
