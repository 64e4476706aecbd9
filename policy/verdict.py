"""What the verifier says: accept, or reject with reasons. Equal inputs give equal bytes."""

from dataclasses import dataclass
from typing import Literal

from conclave.ir.errors import Position

Decision = Literal["accept", "reject"]
Code = Literal[
    "no-policy",  # a dataset without its owner's word
    "wrong-dataset",  # a policy beside another dataset's data
    "header-mismatch",  # the policy's columns are not the declared ones
    "not-granted",  # a capability is missing
    "expressions-not-granted",  # the aggregate is granted, but over plain columns only
    "comparison-not-granted",  # the column may decide, but not in this way
    "cleartext-not-granted",  # a party would see keys that their owner does not show it
    "size-not-granted",  # members would count rows on the way whose owner does not let them
    "protocol-not-allowed",
    "party-not-allowed",  # one that computes
    "not-enforced",  # the policy asks for something that this version cannot do, or this plan does not
    "minimum-not-met",  # something would be told of fewer subjects than a policy asks for
    "minimum-not-countable",  # subjects behind an aggregate cannot be counted: some count for more than others
    "minimum-not-plain",  # the owner takes plain queries alone, and this is none
    "noise-not-met",  # something would be told with less noise than a policy asks for, or with none
    "differencing",  # the difference of what is told would be of fewer subjects
    "unfaithful",  # the steps do not compute the query
    "cleartext",  # a step would run in clear where it may not
    "unknown-disclosure",  # a step would open something else, or to somebody else, than the query says
    "unknown-operator",  # no rule covers it
]


@dataclass(frozen=True, slots=True)
class PolicyStamp:
    """Which policy was read."""

    dataset: str
    version: int
    digest: str  # SHA-256 of the policy's canonical JSON, in hex


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a plan is refused: one clause of one policy, or the lack of one. Rendered by `policy.explain`."""

    code: Code
    dataset: str  # empty: no dataset's in particular
    what: str
    fix: str
    version: int | None = None  # of the policy
    clause: str = ""  # the path in the policy: "spec.grants[0].columns.arr_delay"
    says: str = ""  # what the clause grants or asks for
    column: str | None = None
    capability: str | None = None  # the one that is missing
    recipient: str | None = None
    flow: tuple[str, ...] = ()  # from the column to the disclosure
    where: Position | None = None  # in the query's text

    def to_json(self) -> dict[str, object]:
        """Return the fields as a JSON object."""
        return {
            "code": self.code,
            "dataset": self.dataset,
            "policyVersion": self.version,
            "clause": self.clause,
            "says": self.says,
            "column": self.column,
            "capability": self.capability,
            "recipient": self.recipient,
            "flow": list(self.flow),
            "where": {"line": self.where.line, "column": self.where.column} if self.where else None,
            "what": self.what,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True)
class Obligation:
    """What a clause asks for beyond a yes, and what has been found in the plan that is judged."""

    dataset: str
    clause: str
    what: str

    def to_json(self) -> dict[str, object]:
        """Return the fields as a JSON object."""
        return {"dataset": self.dataset, "clause": self.clause, "what": self.what}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verifier's word on one plan. Accepted exactly if there is no reason against."""

    purpose: str
    policies: tuple[PolicyStamp, ...]  # by dataset
    reasons: tuple[Reason, ...]  # sorted
    obligations: tuple[Obligation, ...] = ()  # of an accepted plan, by dataset

    @property
    def decision(self) -> Decision:
        """Accept, or reject if there is any reason."""
        return "reject" if self.reasons else "accept"

    def to_json(self) -> dict[str, object]:
        """Return the verdict for `policy.canonical.canonical_json`: what is signed and compared."""
        return {
            "decision": self.decision,
            "purpose": self.purpose,
            "policies": [{"dataset": p.dataset, "version": p.version, "digest": p.digest} for p in self.policies],
            "reasons": [reason.to_json() for reason in self.reasons],
            "obligations": [obligation.to_json() for obligation in self.obligations],
        }
