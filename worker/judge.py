"""Every policy against the plan: are they their owners' words on these very files, and do they allow what would run?

Pure and the same at every party: equal offers give equal reasons, in the same order.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from conclave.ir.guard import Protection
from conclave.plan.steps import Plan
from policy.canonical import digest
from policy.document import Policy
from policy.explain import flow_of, rule_of, where_of
from policy.identity import load_certificate
from policy.manifest import DataRef, PolicyRef, Reason
from policy.parse import parse_policy
from policy.problem import DocumentError
from policy.protections import protections_of
from policy.signature import BadSignature, verify
from policy.verify import Request
from policy.verify import verify as verify_plan
from worker.columns import header_problems
from worker.errors import REJECTED
from worker.messages import DatasetOffer, Offer
from worker.runspec import DatasetSpec, Run

Readings = Mapping[tuple[str, str], Policy | DocumentError]  # of each policy that is offered: what it says, or why not


@dataclass(frozen=True)
class Judgement:
    """What all policies say together. No reason against: accept."""

    policies: tuple[PolicyRef, ...]
    data: tuple[DataRef, ...]
    reasons: tuple[Reason, ...]


def read_policies(offers: Mapping[str, Offer]) -> Readings:
    """Read every offered policy, once: to read one takes as long as to judge it."""
    return {_key(each): _read(each) for offer in offers.values() for each in offer.datasets}


def judge(run: Run, plan: Plan, offers: Mapping[str, Offer], readings: Readings) -> Judgement:
    """Check each dataset's offer, then the plan against all policies."""
    reasons = _unasked(run, offers)
    policies: dict[str, Policy] = {}
    offered = {each.dataset: each for offer in offers.values() for each in offer.datasets}
    for dataset in sorted(run.datasets, key=lambda dataset: dataset.name):
        offer = offered.get(dataset.name)
        if offer is None:
            reasons.append(_reason(dataset.name, "its owner offers no such dataset"))
            continue
        policy, found = _policy_of(run, dataset, offer, readings[_key(offer)])
        reasons += found
        if policy is not None:
            policies[dataset.name] = policy
    if not reasons:
        reasons += verdict_on(run, plan, policies)
    return Judgement(
        policies=tuple(policy_ref(policy) for policy in policies.values()),
        data=tuple(
            DataRef(dataset=name, sha256=offer.sha256, rows=offer.n_rows, version=offer.version)
            for name, offer in sorted(offered.items())
        ),
        reasons=tuple(reasons),
    )


def protections_in(offers: Mapping[str, Offer], readings: Readings) -> dict[str, Protection]:
    """Return what the offered policies ask to be built into the plan. One that cannot be read is for `judge` to refuse."""
    policies: dict[str, Policy] = {}
    for each in (each for offer in offers.values() for each in offer.datasets):
        policy = readings[_key(each)]
        if isinstance(policy, Policy):
            policies[each.dataset] = policy
    return protections_of(policies)


def is_explicit(offer: DatasetOffer, readings: Readings) -> bool:
    """Whether an offered policy asks for its owner's approval. One that cannot be read is for `judge` to refuse."""
    policy = readings[_key(offer)]
    return isinstance(policy, Policy) and policy.spec.approval == "explicit"


def check_signature(run: Run, policy: Policy, signature: str) -> None:
    """Return if the owner of the policy's dataset has signed it.

    Raises:  BadSignature.
    """
    owner = owner_of(policy.metadata.dataset)
    certificate = next(member.certificate for member in run.members if member.name == owner)
    verify(load_certificate(certificate).public_key, "policy", policy, signature)


def owner_of(dataset: str) -> str:
    """Return the party in "party/dataset"."""
    return dataset.split("/")[0]


def _key(offer: DatasetOffer) -> tuple[str, str]:
    # The text belongs to it: somebody may offer a dataset twice, or another's.
    return offer.dataset, offer.policy


def _read(offer: DatasetOffer) -> Policy | DocumentError:
    try:
        return parse_policy(offer.policy, f"policy of {offer.dataset}")
    except DocumentError as error:
        return error


def _policy_of(
    run: Run, dataset: DatasetSpec, offer: DatasetOffer, policy: Policy | DocumentError
) -> tuple[Policy | None, list[Reason]]:
    name = dataset.name
    if isinstance(policy, DocumentError):
        first = policy.problems[0]
        return None, [_reason(name, f"its policy cannot be read: {first.what}", first.field, first.fix or "")]
    reasons = []
    if policy.metadata.dataset != name:
        reasons.append(_reason(name, "its policy is on another dataset", fix="put each policy beside its data"))
    else:
        try:
            check_signature(run, policy, offer.signature)
        except BadSignature as error:
            fix = "sign the policy again with the key of the certificate in the party document"
            reasons.append(_reason(name, error.what, "the policy's signature", fix))
    problems = header_problems(policy, dataset, offer.header)
    reasons += [_reason(name, problem, "the file's header") for problem in problems]
    return policy, reasons


def _unasked(run: Run, offers: Mapping[str, Offer]) -> list[Reason]:
    """Return reasons against offers of what is not theirs, not asked for, or offered twice."""
    asked = {dataset.name for dataset in run.datasets}
    reasons, seen = [], set()
    for party, offer in sorted(offers.items()):
        for each in offer.datasets:
            if owner_of(each.dataset) != party or each.dataset not in asked or each.dataset in seen:
                reasons.append(
                    Reason(
                        party=party,
                        code=REJECTED,
                        what=f"{party} offers {each.dataset}, which is not its own, not asked for, or twice",
                        rule="a party offers each of its own datasets of the run once",
                    )
                )
            seen.add(each.dataset)
    return reasons


def _reason(dataset: str, what: str, where: str = "", fix: str = "") -> Reason:
    return Reason(
        party=owner_of(dataset),
        code=REJECTED,
        what=f"{dataset}: {what}",
        where=where,
        rule="a policy is its owner's signed word on exactly the file that is computed on",
        fix=fix,
    )


def verdict_on(run: Run, plan: Plan, policies: Mapping[str, Policy]) -> list[Reason]:
    """Return the verifier's reasons against the plan, as they are exchanged and kept."""
    request = Request(run.purpose, tuple(dataset.name for dataset in run.datasets))
    return [
        Reason(
            party=owner_of(reason.dataset) or "all",
            code=REJECTED,
            what=reason.what,
            where=where_of(reason, lambda at: f"{run.workflow}, query, {at}"),
            rule=rule_of(reason),
            flow=flow_of(reason),
            fix=reason.fix,
        )
        for reason in verify_plan(plan, policies, request).reasons
    ]


def policy_ref(policy: Policy) -> PolicyRef:
    """Return the policy's name in verdicts and manifests."""
    return PolicyRef(dataset=policy.metadata.dataset, version=policy.metadata.version, digest=digest(policy))
