"""Whether owners let a party see the keys that the plan's steps show it, and what else the sight of them tells.

Theory. Who sees the keys of a table's rows, in random order, sees which values there are, how often each comes, and
which are equal to another table's: everything that an answer of these columns would tell. So each column that a key is
of has to be shown to that party by its owner (`compute.cleartextTo`), and whatever else decided which rows are there
has to be so as well, or to be granted to that party as if it were a recipient. Where an owner asks for a minimum of
subjects or for padding, a grant is for answers that keep to it, and does not count here.

A join or grouping in which keys are seen may have as many rows as there are pairs or groups; who is not shown the keys
and counts those rows is asked about, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conclave.ir.nodes import Aggregate, Input, Join, Node
from conclave.ir.show import show_node
from conclave.ir.walk import scans_in
from conclave.plan.cleartext import who_counts
from conclave.plan.steps import MpcStep, Plan
from policy.document import Policy
from policy.faithful import tables_made
from policy.flow import trace
from policy.personal import Personal
from policy.release import refuse
from policy.rules import rules_of
from policy.uses import Kind, Relation, Use, influences_of, merged
from policy.verdict import Reason


def check_keys(plan: Plan, policies: Mapping[str, Policy], personal: Personal, purpose: str) -> Iterator[Reason]:
    """Yield what no owner has allowed of the keys that the plan shows.

    Raises:  UnknownOperator.
    """
    made, members = tables_made(plan), {scan.owner for scan in scans_in(plan.query)} | set(plan.query.recipients)
    compute = plan.mpc.compute if plan.mpc is not None else ()
    for step in plan.steps:
        if not isinstance(step, MpcStep) or not step.seen_by:
            continue
        sides = [
            _Side(trace(made.get(name, Input(name, ())), personal, rules_of(policies)), keys, kind)
            for name, keys, kind in _sides(step.operator)
        ]
        for party in step.seen_by:
            seen = _Seen(party, show_node(step.operator), policies, purpose)
            for side in sides:
                yield from seen.reasons(side)
        counting = who_counts(step, compute, members)
        inside, outside = (tuple(p for p in counting if (p in compute) == is_inside) for is_inside in (True, False))
        size = _Size(step, inside, outside, plan.query.recipients, policies, purpose)
        yield from size.reasons(merged(*(side.deciding() for side in sides)), merged(*(s.relation.rows for s in sides)))


@dataclass(frozen=True)
class _Side:
    """A table and those of its columns whose values are seen."""

    relation: Relation
    keys: tuple[str, ...]
    kind: Kind  # what the keys are for

    def deciding(self) -> tuple[Use, ...]:
        """Return what decides how many rows the step makes."""
        step = f"rows of {', '.join(self.keys)}"
        keys = (influences_of(self.relation.values[key], self.kind, step, None) for key in self.keys)
        return merged(self.relation.influences, *keys)


@dataclass(frozen=True)
class _Seen:
    """One party's sight of a step's keys."""

    party: str
    step: str
    policies: Mapping[str, Policy]
    purpose: str

    def reasons(self, side: _Side) -> Iterator[Reason]:
        """Yield what is not allowed of one side."""
        shown = [use for key in side.keys for use in side.relation.values[key].uses]
        deciding = [use for key in side.keys for use in side.relation.values[key].influences]
        # Of these datasets every row shows a column: if its owner agrees to that, how many there are is known.
        counted = {use.dataset for use in shown}
        for use in shown:
            if not (self._is_shown(use) and (use.is_of_rows or use.kind == "group_key")) and self._has_policy(use):
                yield self._not_shown(use, f"would see {use.column} of single rows, as a key")
        for use in merged(deciding, side.relation.influences, side.relation.rows):
            if self._is_shown(use) or not self._has_policy(use) or (use.column is None and use.dataset in counted):
                continue
            policy = self.policies[use.dataset]
            if hides(policy):
                what = f"would see of which rows {use.column or 'they'} let through, by their keys"
                yield self._not_shown(use, what)
                continue
            reason = refuse(policy, use, self.party, self.purpose, f"keys of {self.step}")
            if reason is not None:
                yield reason

    def _has_policy(self, use: Use) -> bool:
        return use.dataset in self.policies and use.dataset.split("/")[0] != self.party

    def _is_shown(self, use: Use) -> bool:
        return is_shown(use, self.party, self.policies)

    def _not_shown(self, use: Use, what: str) -> Reason:
        policy, owner, column = self.policies[use.dataset], use.dataset.split("/")[0], use.column or "a column"
        shown_to = policy.spec.compute.cleartext_to.get(use.column or "", ())
        return Reason(
            code="cleartext-not-granted",
            dataset=use.dataset,
            version=policy.metadata.version,
            clause=f"spec.compute.cleartextTo.{column}" if shown_to else "spec.compute.cleartextTo",
            says=f"shows {column} to {', '.join(shown_to) or 'nobody'}",
            column=use.column,
            recipient=self.party,
            flow=(*use.steps, f"keys of {self.step} to {self.party}"),
            where=use.at,
            what=f"{self.party} {what}",
            fix=f"take it out of spec.mpc.cleartext, or ask {owner} to show {column} to {self.party}",
        )


@dataclass(frozen=True)
class _Size:
    """How many rows a step makes, and who counts them without seeing its keys."""

    step: MpcStep
    inside: tuple[str, ...]  # those who compute
    outside: tuple[str, ...]  # members of the run who do not
    recipients: tuple[str, ...]
    policies: Mapping[str, Policy]
    purpose: str

    def reasons(self, deciding: tuple[Use, ...], rows: tuple[Use, ...]) -> Iterator[Reason]:
        """Yield what is not allowed to be told.

        As of sizes that are put into MPC, an owner is taken to agree that the compute parties count if one of them or
        of the recipients may know what decides; anybody else has to be granted that, and a count of rows.
        """
        for use in merged(deciding, rows):
            policy, owner = self.policies.get(use.dataset), use.dataset.split("/")[0]
            if policy is None:
                continue
            if hides(policy):
                counting = [p for p in (*self.inside, *self.outside) if not is_shown(use, p, self.policies)]
                if counting:
                    yield self._hidden(use, policy, counting)
                continue
            asked = [p for p in dict.fromkeys((*self.inside, *self.recipients)) if p != owner]
            if use in deciding and set(self.inside) - {owner} and asked:
                refusals = [self._refusal(use, party) for party in asked]
                if refusals[0] is not None and None not in refusals:
                    yield refusals[0]
            for party in self.outside:
                if party != owner and (reason := self._refusal(use, party)) is not None:
                    yield reason

    def _refusal(self, use: Use, party: str) -> Reason | None:
        if is_shown(use, party, self.policies):
            return None
        return refuse(self.policies[use.dataset], use, party, self.purpose, f"how many rows {self.step.name} has, seen")

    def _hidden(self, use: Use, policy: Policy, strangers: list[str]) -> Reason:
        clause = "spec.minimum.subjects" if (policy.spec.minimum is not None) else "spec.padding.rows"
        return Reason(
            code="not-enforced",
            dataset=use.dataset,
            version=policy.metadata.version,
            clause=clause,
            says="asks that sizes do not tell of single rows",
            flow=(*use.steps, f"how many rows {self.step.name} has, seen to {', '.join(strangers)}"),
            where=use.at,
            what=f"{', '.join(strangers)} would learn how many rows {show_node(self.step.operator)} makes",
            fix="take the keys out of spec.mpc.cleartext, or join with a column that tells one side's rows apart",
        )


def is_shown(use: Use, party: str, policies: Mapping[str, Policy]) -> bool:
    """Whether the party has, or is shown, the column itself."""
    if use.dataset.split("/")[0] == party:
        return True
    policy = policies.get(use.dataset)
    if policy is None or use.column is None:
        return False
    return bool({party, "*"} & set(policy.spec.compute.cleartext_to.get(use.column, ())))


def hides(policy: Policy) -> bool:
    """Whether the owner asks that nothing is told of few rows."""
    minimum, padding = policy.spec.minimum, policy.spec.padding
    return (minimum is not None and minimum.subjects > 1) or (padding is not None and padding.rows > 1)


def _sides(operator: Node) -> Iterator[tuple[str, tuple[str, ...], Kind]]:
    match operator:
        case Join(Input(left), Input(right), on):
            yield left, tuple(a for a, _ in on), "join_key"
            yield right, tuple(b for _, b in on), "join_key"
        case Aggregate(Input(source), keys):
            yield source, keys, "group_key"
