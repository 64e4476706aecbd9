"""Putting the manifest together from what this party saw itself, and signing it together with the others.

Every party builds the body alone and signs only that. So a signature of a peer that fits our body says that the peer
saw the same run, plan, policies, verdicts, steps, bytes and result; nobody has to believe a proposal.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.manifest import (
    MANIFEST_PURPOSE,
    Learned,
    Manifest,
    OutputRecord,
    PartyRecord,
    StepRecord,
    as_json,
    body_of,
    is_signed,
)
from policy.resources import RESOURCES_PURPOSE, ResourceRecord, Usage, Used
from policy.signature import sign
from worker.conversation import Conversation
from worker.errors import DONE, REJECTED, Stopped
from worker.exchange import Seen
from worker.messages import Signed
from worker.reported import told_by
from worker.runspec import Run, run_digest
from worker.workdir import Outcome


def assemble(run: Run, seen: Seen, outcome: Outcome) -> Manifest:
    """Return the manifest, unsigned."""
    commitment = agreed_commitment(seen) if outcome.code == DONE else None
    name = f"{run.run_id}/result.{run.outputs.format}"
    return Manifest(
        run_id=run.run_id,
        workflow=run.workflow,
        purpose=run.purpose,
        status=outcome.status,
        code=outcome.code,
        reasons=outcome.reasons,
        run=run_digest(run),
        plan=seen.plan_digest,
        image=run.image,
        policies=seen.policies,
        parties=tuple(_party(member.name, seen) for member in run.members),
        steps=_steps(seen),
        learned=_learned(seen),
        outputs=(OutputRecord.of(name, commitment, seen.opening),) if commitment is not None else (),
    )


def agreed_commitment(seen: Seen) -> str | None:
    """Return the commitment to the result that all recipients hold, or None if they differ or there is none."""
    said = {finished.commitment for finished in seen.finished.values() if finished.commitment is not None}
    return said.pop() if len(said) == 1 else None


def sign_alone(manifest: Manifest, me: str, key: Ed25519PrivateKey) -> Manifest:
    """Return the manifest with our signature."""
    signature = sign(key, MANIFEST_PURPOSE, body_of(manifest))
    return manifest.model_copy(update={"signatures": {me: signature}})


def with_usage(manifest: Manifest, me: str, usage: Usage, key: Ed25519PrivateKey) -> Manifest:
    """Return our own copy of the manifest, with what our Job has used; only we sign that, and nobody else is told."""
    used = Used(party=me, run_id=manifest.run_id, run=manifest.run, fetch_and_compute=usage)
    signature = sign(key, RESOURCES_PURPOSE, as_json(used))
    return manifest.model_copy(update={"resources": ResourceRecord(**dict(used), signature=signature)})


def sign_together(manifest: Manifest, run: Run, key: Ed25519PrivateKey, conversation: Conversation) -> Manifest:
    """Return the manifest with the signature of every party.

    Raises:  Stopped if a peer's does not fit what we saw; PeerMissing if a peer is gone.
    """
    me, body = conversation.me, body_of(manifest)
    own = sign_alone(manifest, me, key).signatures[me]
    signatures = {name: said.signature for name, said in conversation.round(Signed(signature=own)).items()}
    certificates = {member.name: member.certificate for member in run.members}
    strange = [
        name
        for name, signature in sorted(signatures.items())
        if not is_signed(certificates[name], MANIFEST_PURPOSE, body, signature)
    ]
    if strange:
        raise Stopped(REJECTED, [conversation.disagreement(name) for name in strange])
    return manifest.model_copy(update={"signatures": dict(sorted(signatures.items()))})


def _party(name: str, seen: Seen) -> PartyRecord:
    verdict = seen.verdicts.get(name)
    if verdict is None:
        return PartyRecord(name=name)
    return PartyRecord(name=name, statement=verdict.statement, signature=verdict.signature)


def _steps(seen: Seen) -> tuple[StepRecord, ...]:
    """Return each step once, in the plan's order."""
    finished = seen.finished
    order = {step.name: i for i, step in enumerate(seen.plan.steps if seen.plan is not None else ())}
    took_part: dict[str, list[str]] = {}
    for party in sorted(finished):
        for step in finished[party].steps:
            took_part.setdefault(step.name, []).append(party)
    records = []
    for name in sorted(took_part, key=lambda name: (order.get(name, len(order)), name)):
        steps = [step for party in took_part[name] for step in finished[party].steps if step.name == name]
        records.append(
            StepRecord(
                name=name,
                kind=steps[0].kind,
                parties=tuple(took_part[name]),
                seconds=max(step.seconds for step in steps),
                rounds=max(step.rounds for step in steps),
                bytes=sum(step.bytes_sent for step in steps),
            )
        )
    return tuple(records)


def _learned(seen: Seen) -> tuple[Learned, ...]:
    """Return what has been told, or may have been where a run was broken off: a refusal does not take it back."""
    if seen.plan is None:
        return ()
    return tuple(
        Learned(to=each.to, kind=each.kind, step=each.step, subject=each.subject, columns=each.columns)
        for each in told_by(seen.begun, seen.plan)
    )
