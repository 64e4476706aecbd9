"""What an answer tells of whose columns, in which form, and to whom: what the verifier holds against the grants.

It says of a plan what a steward would be asked to grant, before any policy is known; who is granted it is for
`verify` to find.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from conclave.ir.nodes import Scan
from conclave.ir.walk import scans_in
from conclave.plan.steps import Plan
from policy.document import Policy
from policy.flow import UnknownOperator, trace
from policy.personal import Personal
from policy.release import NOTHING, Held, held_by, knows, learnt, need_of
from policy.rules import rules_of
from policy.uses import Relation, Use, merged

Holds = Callable[[str, str, str], Held]  # what a recipient holds of a dataset's column


@dataclass(frozen=True, order=True)
class Told:
    """One form in which a recipient is told of a column that is not its own."""

    recipient: str
    dataset: str
    column: str  # empty: the rows as such, which are counted
    what: str  # as people read it
    needs: tuple[str, ...]  # the least that a grant has to hold for it

    def to_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "recipient": self.recipient,
            "dataset": self.dataset,
            "column": self.column or None,
            "what": self.what,
            "needs": list(self.needs),
        }


def told(plan: Plan, policies: Mapping[str, Policy], purpose: str) -> tuple[Told, ...]:
    """Return all that recipients are told of others' columns, sorted.

    Of the policies only those say something here that mark a column as a person's, or open what another is told by.
    Of a plan with an operator that no rule covers, nothing: it is refused, and never runs.
    """
    scans = scans_in(plan.query)
    try:
        relation = trace(plan.query, personal_in(scans, policies), rules_of(policies))
    except UnknownOperator:
        return ()
    uses = [use for _, use in disclosed(plan, relation)]
    granted, found = held_of(policies, purpose), frozenset[Told]()
    while True:

        def holds(recipient: str, dataset: str, column: str, so_far: frozenset[Told] = found) -> Held:
            whose = recipient, dataset, column
            held, said = (
                granted(*whose),
                [each for each in so_far if (each.recipient, each.dataset, each.column) == whose],
            )
            return replace(
                held,
                capabilities=held.capabilities.union(*(each.needs for each in said)),
                over_expressions=held.over_expressions.union(
                    *(each.needs for each in said if "expressions" in each.needs)
                ),
            )

        now = frozenset(_told(use, to) for use in uses for to in plan.query.recipients if is_told(to, use, holds))
        if now == found:
            return tuple(sorted(found))
        found = now  # who is told of one column may learn more by another


def _told(use: Use, recipient: str) -> Told:
    need = need_of(use)
    more = [*(["join_payload"] if need.join_payload else []), *(["expressions"] if need.with_expressions else [])]
    return Told(recipient, use.dataset, use.column or "", _in_words(use), (*sorted(need.any_of[0]), *more))


def _in_words(use: Use) -> str:
    match use.kind:
        case "filter":
            return f"which rows count, by {use.column}"
        case "join_key":
            return f"which rows meet, by {use.column}"
        case "rank":
            return f"the order of rows, or which of them stay, by {use.column}"
    return learnt(use) if use.column is not None else "how many rows there are"


def personal_in(scans: tuple[Scan, ...], policies: Mapping[str, Policy]) -> Personal:
    """Return the columns that tell single rows or persons apart: declared unique, a key, or the policy's subject."""
    unique = {frozenset({(scan.dataset, name)}) for scan in scans for name in scan.unique}
    keys = {frozenset((scan.dataset, name) for name in key) for scan in scans for key in scan.keys}
    subjects = {
        frozenset({(dataset, name)})
        for dataset, policy in policies.items()
        for name, column in policy.spec.columns.items()
        if column.subject
    }
    return frozenset(unique | keys | subjects)


def disclosed(plan: Plan, relation: Relation) -> Iterator[tuple[str, Use]]:
    """Yield where in the answer something is seen, and what it is."""
    found: list[tuple[str, Use]] = []
    for field in plan.query.schema:
        value = relation.values[field.name]
        found += ((f"answer column {field.name}", use) for use in merged(value.uses, value.influences))
    found += (("every row of the answer", use) for use in relation.influences)
    found += (("the number of rows of the answer", use) for use in relation.rows)
    yield from found
    # What is read for nothing of it, like SELECT DISTINCT 1, still tells whether it has rows.
    for dataset in sorted({scan.dataset for scan in scans_in(plan.query)} - {use.dataset for _, use in found}):
        yield "whether the answer has a row", Use(dataset, None, "count", steps=(f"rows of {dataset}",))


def held_of(policies: Mapping[str, Policy], purpose: str) -> Holds:
    """Return what policies let a recipient have of a dataset's column."""

    def holds(recipient: str, dataset: str, column: str) -> Held:
        policy = policies.get(dataset)
        return held_by(policy, column, recipient, purpose) if policy is not None else NOTHING

    return holds


def is_told(recipient: str, use: Use, holds: Holds) -> bool:
    """Whether a recipient learns what it did not have: an owner has its own, and some is told to those alone who know more."""
    if recipient == use.dataset.split("/")[0]:
        return False
    return knows(recipient, use, lambda dataset, column: holds(recipient, dataset, column))
