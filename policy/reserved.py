"""What an owner reserves to itself, in words: no plan shows it, and its own worker asks before it loads any data."""

from collections.abc import Iterator

from policy.document import Policy
from policy.verdict import Obligation


def reserved(policy: Policy) -> tuple[Obligation, ...]:
    """Return whether each run needs the owner's approval, and how often and until when there may be any."""
    dataset = policy.metadata.dataset
    return tuple(Obligation(dataset, clause, what) for clause, what in _clauses(policy))


def _clauses(policy: Policy) -> Iterator[tuple[str, str]]:
    owner = policy.metadata.dataset.partition("/")[0]
    if policy.spec.approval == "explicit":
        yield "spec.approval", f"{owner} has to approve this very run"
    limits = policy.spec.limits
    if limits is None:
        return
    over = f"per {limits.per}" if limits.per else "in all"
    if limits.runs is not None:
        yield "spec.limits.runs", f"at most {limits.runs} run{'' if limits.runs == 1 else 's'} {over}"
    if limits.epsilon is not None:
        yield "spec.limits.epsilon", f"at most epsilon {limits.epsilon:g} {over}"
    if limits.until is not None:
        yield "spec.limits.until", f"none after {limits.until}"
