"""The verifier: may this plan run, as far as the owners of its data are concerned? The same answer everywhere.

For each recipient and each source column it asks what the design's four questions ask: may the column be computed
on (protocol, parties, where in clear), may it influence the answer, may it be opened and in which form, to whom.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from conclave.ir.nodes import Limit, Node, Project, Sort
from conclave.ir.walk import scans_in
from conclave.plan.steps import LocalStep, MpcStep, Plan, ShareStep
from policy.canonical import digest
from policy.claims import check_claims
from policy.clauses import check_clauses, check_header
from policy.declared import check_picked_keys, declared_keys, uses_of_keys
from policy.differencing import check_differencing
from policy.disclosed import disclosed, held_of, is_told, personal_in
from policy.document import Policy
from policy.ends import check_ends
from policy.faithful import check_protections, check_steps_compute, tables_made
from policy.flow import UnknownOperator, trace
from policy.keys import check_keys
from policy.local_sizes import check_local_sizes, check_shared_sizes
from policy.matches import check_matches, checked_matches, uses_of
from policy.mingled import check_mingled
from policy.minimum import check_minimum
from policy.noise import check_noise, noise_obligations
from policy.personal import Personal
from policy.persons import check_persons
from policy.picked_sizes import check_picked_sizes
from policy.picked_values import check_picked_values
from policy.pieces import check_pieces
from policy.plain import check_plain
from policy.protections import obligations_of
from policy.ranges import check_ranges
from policy.regrouped import NUMBER, told_apart
from policy.release import refuse
from policy.rules import rules_of
from policy.selections import check_selections
from policy.sizes import check_sizes
from policy.steps import check_steps
from policy.uses import Relation, Use, merged
from policy.verdict import PolicyStamp, Reason, Verdict
from policy.weightings import check_weightings


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
        *check_steps_compute(plan, valid),
        *check_claims(plan),
        *check_protections(plan, valid),
        *check_minimum(plan.query, valid, request.purpose),
        *check_ends(plan.query, valid),
        *check_picked_keys(plan, valid),
        *check_matches(plan, valid),
        *check_picked_sizes(plan, valid),
        *check_ranges(plan, valid),
        *check_local_sizes(plan, valid),
        *check_sizes(plan, valid),
        *check_differencing(plan.query, valid),
        *check_selections(plan.query, valid),
        *check_weightings(plan.query, valid),
        *check_persons(plan.query, valid),
        *check_picked_values(plan.query, valid),
        *check_pieces(plan.query, valid),
        *check_mingled(plan.query, valid),
        *check_plain(plan.query, valid),
        *check_noise(plan, valid),
        *check_shared_sizes(plan, valid),
    ]
    try:
        personal = personal_in(scans, valid)
        reasons += _flow_reasons(plan, trace(plan.query, personal, rules_of(valid)), valid, request)
        reasons += _size_reasons(plan, personal, valid, request)
        for keys in declared_keys(plan):
            uses = uses_of_keys(keys, personal, valid)
            reasons += _unasked(plan, uses, "whether keys of several owners repeat, seen", valid, request)
        for checked in checked_matches(plan):
            uses = uses_of(checked, personal, valid)
            reasons += _unasked(plan, uses, f"{checked.told}, seen", valid, request)
        reasons += check_keys(plan, valid, personal, request.purpose)
    except UnknownOperator as unknown:
        fix = "write the query without it, or add a rule for it to policy.flow"
        reasons.append(Reason("unknown-operator", "", str(unknown), fix))
    stamps = (PolicyStamp(name, policy.metadata.version, digest(policy)) for name, policy in valid.items())
    kept = (*obligations_of(valid), *noise_obligations(plan, valid)) if not reasons else ()
    return Verdict(request.purpose, tuple(stamps), _sorted(reasons), kept)


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


def _flow_reasons(plan: Plan, relation: Relation, policies: Mapping[str, Policy], request: Request) -> Iterator[Reason]:
    holds = held_of(policies, request.purpose)
    for disclosure, use in disclosed(plan, relation):
        policy = policies.get(use.dataset)
        if policy is None:
            continue
        for recipient in plan.query.recipients:
            if is_told(recipient, use, holds):
                reason = refuse(policy, use, recipient, request.purpose, disclosure)
                if reason is not None:
                    yield reason


def _size_reasons(plan: Plan, personal: Personal, policies: Mapping[str, Policy], request: Request) -> Iterator[Reason]:
    """Yield what decides how many rows an owner puts into MPC, or are left in it, without being granted to anybody.

    The compute parties count those rows. Whoever lets a recipient have an answer that a column decides is taken to
    agree with that; an owner that is the only recipient has not been asked yet.
    """
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    made, apart = tables_made(plan), told_apart(plan.query)
    for step in plan.steps:
        if isinstance(step, ShareStep) and not step.is_one_row and step.source in queries:
            query = _counted(queries[step.source])
            relation = trace(apart.get(query, query), personal, rules_of(policies))
            uses = relation.influences if query not in apart else _numbers(relation)
            yield from _unasked(plan, uses, f"how many rows {step.party} puts into MPC, seen", policies, request)
        elif isinstance(step, MpcStep) and step.is_compacted and step.name in made:
            uses = trace(made[step.name], personal, rules_of(policies)).influences
            yield from _unasked(plan, uses, f"how many rows {step.name} has, seen", policies, request)


def _counted(query: Node) -> Node:
    """Return what decides how many rows a query has: an order says which of them a LIMIT keeps, and not how many."""
    while isinstance(query, Limit | Sort | Project):
        query = query.source
    return query


def _numbers(relation: Relation) -> tuple[Use, ...]:
    """Return what decides how many different values there are: who may group by them, be they persons, has agreed to that."""
    told = (replace(use, of_persons=False) for use in relation.values[NUMBER].uses)
    return merged(relation.influences, relation.values[NUMBER].influences, told)


def _unasked(
    plan: Plan, uses: tuple[Use, ...], disclosure: str, policies: Mapping[str, Policy], request: Request
) -> Iterator[Reason]:
    """Yield what the compute parties see without it being granted to any of them or of the recipients."""
    compute = plan.mpc.compute if plan.mpc is not None else ()
    for use in uses:
        policy = policies.get(use.dataset)
        if policy is None:
            continue
        others = sorted(set(compute) - {use.dataset.split("/")[0]})
        told = (*others, *plan.query.recipients)
        refusals = [refuse(policy, use, party, request.purpose, disclosure) for party in told]
        if refusals and refusals[0] is not None and None not in refusals:
            yield refusals[0]


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
