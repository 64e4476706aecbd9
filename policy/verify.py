"""The verifier: may this plan run, as far as the owners of its data are concerned? The same answer everywhere.

For each recipient and each source column it asks what the design's four questions ask: may the column be computed
on (protocol, parties, where in clear), may it influence the answer, may it be opened and in which form, to whom.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conclave.ir.nodes import Scan
from conclave.ir.walk import scans_in
from conclave.plan.steps import Plan
from policy.canonical import digest
from policy.clauses import check_clauses, check_header
from policy.document import Policy
from policy.flow import UnknownOperator, trace
from policy.release import refuse
from policy.steps import check_steps
from policy.uses import Relation, Use, merged
from policy.verdict import PolicyStamp, Reason, Verdict


@dataclass(frozen=True)
class Request:
    """What a plan is to be run for."""

    purpose: str
    datasets: tuple[str, ...] = ()  # all that the workflow names, even if the query reads nothing of one


def verify(plan: Plan, policies: Mapping[str, Policy], request: Request) -> Verdict:
    """Return the verdict of all policies together, by the most restrictive; `policies` are by dataset.

    Pure: equal inputs give equal verdicts, byte for byte in canonical JSON.
    """
    scans = scans_in(plan.query)
    datasets = sorted({*(scan.dataset for scan in scans), *request.datasets})
    valid = {name: policies[name] for name in datasets if name in policies}
    reasons = [
        *_policy_reasons(datasets, policies),
        *(reason for policy in valid.values() for reason in check_clauses(policy, plan.mpc)),
        *(r for scan in scans if scan.dataset in valid for r in check_header(valid[scan.dataset], scan)),
        *check_steps(plan),
    ]
    try:
        relation = trace(plan.query, _personal(scans, valid))
        reasons += _flow_reasons(plan, relation, valid, request)
    except UnknownOperator as unknown:
        fix = "write the query without it, or add a rule for it to policy.flow"
        reasons.append(Reason("unknown-operator", "", str(unknown), fix))
    stamps = (PolicyStamp(name, policy.metadata.version, digest(policy)) for name, policy in valid.items())
    return Verdict(request.purpose, tuple(stamps), _sorted(reasons))


def _policy_reasons(datasets: list[str], policies: Mapping[str, Policy]) -> Iterator[Reason]:
    for name in datasets:
        policy = policies.get(name)
        if policy is None:
            what = f"{name} has no policy, and what no policy grants is refused"
            yield Reason("no-policy", name, what, "its owner puts a signed policy beside the data")
        elif policy.metadata.dataset != name:
            what = f"the policy given for {name} is on {policy.metadata.dataset}"
            yield Reason(
                "wrong-dataset",
                name,
                what,
                "put each policy beside its own data",
                version=policy.metadata.version,
                clause="metadata.dataset",
            )


def _personal(scans: tuple[Scan, ...], policies: Mapping[str, Policy]) -> frozenset[tuple[str, str]]:
    """Return the columns that tell single rows or persons apart: declared unique, or the policy's subject."""
    unique = {(scan.dataset, name) for scan in scans for name in scan.unique}
    subjects = {
        (dataset, name)
        for dataset, policy in policies.items()
        for name, column in policy.spec.columns.items()
        if column.subject
    }
    return frozenset(unique | subjects)


def _flow_reasons(plan: Plan, relation: Relation, policies: Mapping[str, Policy], request: Request) -> Iterator[Reason]:
    for disclosure, use in _disclosed(plan, relation):
        policy = policies.get(use.dataset)
        if policy is None:
            continue
        owner = use.dataset.split("/")[0]
        for recipient in plan.query.recipients:
            # An owner learns nothing of its own data that it does not have.
            if recipient != owner:
                reason = refuse(policy, use, recipient, request.purpose, disclosure)
                if reason is not None:
                    yield reason


def _disclosed(plan: Plan, relation: Relation) -> Iterator[tuple[str, Use]]:
    for field in plan.query.schema:
        value = relation.values[field.name]
        for use in merged(value.uses, value.influences):
            yield f"answer column {field.name}", use
    for use in relation.influences:
        yield "every row of the answer", use
    for use in relation.rows:
        yield "the number of rows of the answer", use


def _sorted(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Return each refusal once, by its shortest flow, in a fixed order."""
    best: dict[tuple[str, ...], Reason] = {}
    for reason in reasons:
        about = (reason.dataset, reason.code, reason.clause, reason.column or "", reason.capability or "")
        key = (*about, reason.recipient or "", "" if reason.capability else reason.what)
        other = best.get(key)
        if other is None or (len(reason.flow), reason.flow) < (len(other.flow), other.flow):
            best[key] = reason
    return tuple(best[key] for key in sorted(best))
