"""From connected peers to an agreement: hello, offer, verdict, go. Nobody's data is computed on before.

Each party compiles the query and judges every policy for itself; what it hears from others only ever stops it.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conclave.plan.steps import Plan
from conclave.plan.wire import digest as plan_digest
from policy.canonical import canonical_json
from policy.manifest import VERDICT_PURPOSE, Opening, PolicyRef, Reason, Statement, as_json, is_signed
from policy.signature import sign
from worker.compiling import compile_run
from worker.conversation import Conversation
from worker.errors import BAD_DOCUMENT, REJECTED, BadDocument, Stopped
from worker.judge import Readings, is_explicit, judge, protections_in, read_policies
from worker.messages import PROTOCOL, DatasetOffer, Finished, Go, Hello, Offer, Verdict, digest_of, encode, reasons_of
from worker.reported import strange_reports
from worker.runspec import Run, run_digest
from worker.workdir import FetchedAll, Outcome


@dataclass
class Seen:
    """What this party has seen of the run so far: all that its manifest can say."""

    policies: tuple[PolicyRef, ...] = ()
    plan: Plan | None = None
    plan_digest: str | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)  # steps that this party has begun, whether or not it came to their end
    finished: dict[str, Finished] = field(default_factory=dict)
    agreed: str | None = None  # what all have agreed to compute, and on which data
    opening: Opening | None = None  # of the result's commitment, at a recipient


@dataclass(frozen=True)
class Agreement:
    """What every party accepted."""

    plan: Plan
    context: bytes  # of this attempt alone: bound into the MPC session's keys
    same: bytes  # of all attempts at this run on this data: bound into the key of a party's noise


def agree(
    run: Run, fetched: FetchedAll | Outcome, key: Ed25519PrivateKey, conversation: Conversation, seen: Seen
) -> Agreement:
    """Reach the same verdict at all parties, or stop. `seen` is filled on the way.

    `fetched` is an outcome if this party's data or policy did not come: then the others learn that, and why.

    Raises:  Stopped with the run's code and all reasons; PeerMissing.
    """
    hellos = say_hello(run, conversation)
    if isinstance(fetched, Outcome):
        conversation.stop(fetched.code, fetched.reasons)
    offers = conversation.round(offer_of(fetched))
    session = digest_of({name: encode(hellos[name]) + encode(offers[name]) for name in hellos})
    readings = read_policies(offers)
    try:
        seen.plan = compile_run(run, protections_in(offers, readings))
    except BadDocument as problem:
        conversation.stop(BAD_DOCUMENT, problem.reasons(conversation.me))
    seen.plan_digest = plan_digest(seen.plan)
    judged = judge(run, seen.plan, offers, readings)
    found = reasons_of(judged.reasons)
    seen.policies = judged.policies
    statement = Statement(
        run_id=run.run_id,
        run=run_digest(run),
        session=session,
        plan=seen.plan_digest,
        policies=judged.policies,
        data=judged.data,
        verdict="reject" if found else "accept",
        reasons=found,
        approval=fetched.approval,
    )
    own = Verdict(statement=statement, signature=sign(key, VERDICT_PURPOSE, as_json(statement)))
    verdicts = conversation.round(own)
    _check_verdicts(run, own.statement, verdicts, conversation)
    _check_approvals(offers, readings, verdicts, conversation)
    seen.verdicts = verdicts
    if any(verdict.statement.verdict == "reject" for verdict in verdicts.values()):
        raise Stopped(REJECTED, sorted(_refusals(found, verdicts), key=repr))
    context = {"runId": run.run_id, "session": session, "plan": seen.plan_digest}
    same = {
        "runId": run.run_id,
        "run": run_digest(run),
        "plan": seen.plan_digest,
        "data": [as_json(each) for each in judged.data],
    }
    return Agreement(seen.plan, *(hashlib.sha256(canonical_json(each)).digest() for each in (context, same)))


def say_hello(run: Run, conversation: Conversation) -> dict[str, Hello]:
    """Make sure that all mean the same run and speak the same protocol."""
    own = Hello(
        protocol=PROTOCOL,
        version=version("ccd"),
        run_id=run.run_id,
        run=run_digest(run),
        image=run.image,
        nonce=secrets.token_hex(16),
    )
    hellos = conversation.round(own)
    reasons = []
    for name, hello in hellos.items():
        for what in ("protocol", "version", "run_id", "run", "image"):
            if getattr(hello, what) != getattr(own, what):
                reasons.append(differs(conversation.me, name, _NAMES[what]))
    if reasons:
        conversation.stop(REJECTED, reasons)
    return hellos


def offer_of(fetched: FetchedAll) -> Offer:
    """Return what this party tells of its datasets."""
    return Offer(
        datasets=tuple(
            DatasetOffer(
                dataset=each.dataset,
                policy=each.policy,
                signature=each.signature,
                header=each.header,
                sha256=each.sha256,
                n_rows=each.told_rows,
                version=each.version,
            )
            for each in fetched.datasets
        )
    )


_NAMES = {
    "protocol": "another protocol",
    "version": "another version of the worker",
    "run_id": "another run id",
    "run": "another digest of the run spec",
    "image": "another image",
}


def _check_verdicts(run: Run, own: Statement, verdicts: Mapping[str, Verdict], conversation: Conversation) -> None:
    certificates = {member.name: member.certificate for member in run.members}
    reasons = []
    for name, verdict in verdicts.items():
        said = verdict.statement
        if not is_signed(certificates[name], VERDICT_PURPOSE, as_json(said), verdict.signature):
            reasons.append(differs(conversation.me, name, "a verdict that its own key did not sign"))
            continue
        for what in ("run_id", "run", "session", "plan", "policies", "data"):
            if getattr(said, what) != getattr(own, what):
                reasons.append(differs(conversation.me, name, f"a verdict on another {what}"))
        if (said.verdict == "accept") == bool(said.reasons):
            reasons.append(differs(conversation.me, name, "a verdict that its reasons contradict"))
    if reasons:
        # What we found ourselves is often why the others differ.
        conversation.stop(REJECTED, [*own.reasons, *reasons])


def _refusals(found: tuple[Reason, ...], verdicts: Mapping[str, Verdict]) -> set[Reason]:
    """Return why the run is refused. Nobody speaks for another: what we do not find ourselves is its sender's word."""
    said = ((name, reason) for name, verdict in verdicts.items() for reason in verdict.statement.reasons)
    return {
        reason if reason in found else reason.model_copy(update={"party": name, "code": REJECTED})
        for name, reason in said
    }


def _check_approvals(
    offers: Mapping[str, Offer], readings: Readings, verdicts: Mapping[str, Verdict], conversation: Conversation
) -> None:
    """Stop if an owner whose policy asks for its approval accepts without naming one: the manifest is to say which."""
    reasons = []
    for name, verdict in verdicts.items():
        is_asked = any(is_explicit(each, readings) for each in offers[name].datasets)
        if verdict.statement.verdict == "accept" and is_asked and verdict.statement.approval is None:
            reasons.append(differs(conversation.me, name, "a policy that asks for its approval, and names none"))
    if reasons:
        conversation.stop(REJECTED, reasons)


def confirm(verdicts: Mapping[str, Verdict], conversation: Conversation) -> None:
    """Say that this party is ready, and make sure that all heard the same verdicts.

    Raises:  Stopped, PeerMissing.
    """
    own = Go(verdicts=digest_of({name: encode(verdict) for name, verdict in verdicts.items()}))
    others = conversation.round(own)
    reasons = [
        differs(conversation.me, name, "other verdicts than we heard")
        for name, go in others.items()
        if go.verdicts != own.verdicts
    ]
    if reasons:
        conversation.stop(REJECTED, reasons)


def finish(plan: Plan, own: Finished, conversation: Conversation) -> dict[str, Finished]:
    """Say what this party has done of the plan's steps, and return what everybody says of itself.

    Raises:  Stopped, also if somebody says what cannot be; PeerMissing.
    """
    finished = conversation.round(own)
    reasons = [differs(conversation.me, name, what) for name, what in strange_reports(plan, finished)]
    if reasons:
        conversation.stop(REJECTED, reasons)
    return finished


def differs(me: str, peer: str, what: str) -> Reason:
    """Return the reason for stopping where a peer is not as everybody is."""
    return Reason(
        party=me,
        code=REJECTED,
        what=f"{peer} has {what}",
        rule="all members run the same documents with the same worker, and say the same to everyone",
        fix=f"compare what is applied in {peer}'s namespace with the committed manifests",
    )
