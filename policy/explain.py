"""A verdict in words, in one shape: what, where, which rule, by which flow, and what to do."""

from collections.abc import Callable

from conclave.ir.errors import Position
from policy.verdict import Reason, Verdict


def explain(verdict: Verdict, locate: Callable[[Position], str] = lambda at: f"query, {at}") -> str:
    """Return the verdict as text; `locate` turns a place in the query into one that the reader can open."""
    policies = [f"{stamp.dataset} policy v{stamp.version}" for stamp in verdict.policies]
    if not verdict.reasons:
        versions = {stamp.dataset: stamp.version for stamp in verdict.policies}
        kept = [f"  {o.dataset} policy v{versions[o.dataset]}, {o.clause}: {o.what}" for o in verdict.obligations]
        head = f"accept: {', '.join(policies) or 'no data'} for {verdict.purpose}"
        return "\n".join([f"{head}, with", *kept] if kept else [head])
    parts = [explain_reason(reason, locate) for reason in verdict.reasons]
    count = f"{len(parts)} reason{'s' if len(parts) > 1 else ''}"
    return "\n".join([f"reject, {count}:", *parts])


def explain_reason(reason: Reason, locate: Callable[[Position], str]) -> str:
    """Return one reason as text."""
    lines = {
        "where": where_of(reason, locate),
        "rule": rule_of(reason),
        "flow": flow_of(reason),
        "fix": reason.fix,
    }
    named = [f"  {name + ':':7}{text}" for name, text in lines.items() if text]
    return "\n".join([f"PolicyViolation: {reason.what}", *named])


def where_of(reason: Reason, locate: Callable[[Position], str]) -> str:
    """Return the place in the query; empty if the reason has none."""
    return locate(reason.where) if reason.where else ""


def rule_of(reason: Reason) -> str:
    """Return the clause and what it says."""
    if reason.version is None:
        return reason.says
    clause = f"{reason.dataset} policy v{reason.version}, {reason.clause}"
    return f"{clause}: {reason.says}" if reason.says else clause


def flow_of(reason: Reason) -> str:
    """Return the way from the column to the disclosure; empty if the reason has none."""
    return " -> ".join(reason.flow)
