"""The second container: meet the peers, agree, run the plan, sign what happened. It holds no store's credentials;
only where the party's local steps run on Spark, what that asks for.

However it ends, `outcome.json` and `manifest.json` say how, and the plaintext of the party's data is gone.
"""

import contextlib
import datetime
import hashlib
import secrets as tokens
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conclave.execute import Execution, StepReport, execute
from conclave.ir.picks import picks_among_equals
from conclave.local.engine import Engine
from conclave.mpc.channel import Network
from conclave.mpc.errors import Outgrown, ProtocolError, RepeatedKeys, TooFewSubjects, TooManyMatches, TooManyPairs
from conclave.mpc.randomness import derive
from conclave.plan.steps import RevealStep
from policy.identity import load_certificate, load_private_key
from policy.manifest import Manifest, Opening, Reason
from worker.conversation import Conversation
from worker.engine import load, open_engine
from worker.errors import (
    DONE,
    PEER_MISSING,
    PERMANENT,
    REJECTED,
    BadDocument,
    PeerMissing,
    Stopped,
    Terminated,
)
from worker.exchange import Agreement, Seen, agree, confirm, differs, finish
from worker.failure import explain, outcome
from worker.log import Log
from worker.manifest import assemble, sign_alone, sign_together, with_usage
from worker.messages import Answered, Finished, StepSeen
from worker.meter import used_so_far
from worker.mounts import KEY_FILE, read_secret
from worker.result import encode_result
from worker.runspec import RunSpec
from worker.settlement import settle
from worker.transport import wait_for_peers
from worker.workdir import FetchedAll, Outcome, WorkDir

# No failure of the protocol, but what it was run to find out: trying again would find the same.
FOUND_OUT_TOGETHER = (Outgrown, RepeatedKeys, TooFewSubjects, TooManyMatches, TooManyPairs)


def compute(spec: RunSpec, work: WorkDir, secrets: Path, log: Log) -> None:
    """Leave `outcome.json`, `manifest.json` and, at the writer of a successful run, the result.

    Raises:  Terminated, after having told the peers.
    """
    if work.is_done():
        log.event("done already")
        return
    run, me, seen = spec.run, spec.own.party, Seen()
    key: Ed25519PrivateKey | None = None
    network: Network | None = None
    try:
        key = load_identity(spec, secrets)
        network = wait_for_peers(run, me, secrets / spec.own.identity / KEY_FILE, work.root, log)
        with contextlib.closing(network):
            ended, manifest = _take_part(spec, work, secrets, key, network, seen, log)
    except Terminated:
        raise
    except Exception as error:
        # No peer to talk to: a bad identity, or nobody came. A failed fetch is the better reason then.
        ended = work.outcome() or explain(error, me)
        manifest = assemble(run, seen, ended)
        manifest = sign_alone(manifest, me, key) if key is not None else manifest
    finally:
        work.remove_data()
    fetched = work.fetched()
    if key is not None and fetched is not None and fetched.attempt is not None:
        if _tells_the_same_again(seen):
            work.write_settlement(settle(fetched.attempt, seen.agreed, key))
        else:
            log.event("attempt not settled", reason="the query picks among rows that are equal to it")
    if key is not None:
        # After all rounds, so that it holds what they took. Published figures of others would tell of their data.
        channels = network.channels.values() if network is not None else ()
        usage = work.usage().then(used_so_far(work.most_bytes, channels=channels))
        manifest = with_usage(manifest, me, usage, key)
        log.event("used", **usage.model_dump())
    work.write_manifest(manifest)
    work.write_outcome(ended)
    log.event("run ended", status=ended.status, code=ended.code, reasons=len(ended.reasons))


def _tells_the_same_again(seen: Seen) -> bool:
    """Whether another attempt could tell nothing else on the same data: else it is paid for like one on other data."""
    return seen.agreed is None or seen.plan is None or not picks_among_equals(seen.plan.query)


def load_identity(spec: RunSpec, secrets: Path) -> Ed25519PrivateKey:
    """Return the party's private key, after it has been found to be the one of its certificate, which is valid now.

    Raises:  BadDocument, BadIdentity.
    """
    key = load_private_key(read_secret(secrets, spec.own.identity, KEY_FILE).encode())
    member = next(member for member in spec.run.members if member.name == spec.own.party)
    certificate = load_certificate(member.certificate)
    where = f"Secret {spec.own.identity!r}, key {KEY_FILE!r}"
    if certificate.public_key != key.public_key():
        fix = "put the key that was made with the certificate into the Secret, or commit the new certificate"
        raise BadDocument("the private key does not belong to the party's certificate", where, fix=fix)
    if certificate.party != member.name:
        raise BadDocument("the party's certificate names another party", f"certificate of {member.name}")
    if not certificate.is_valid_at(datetime.datetime.now(datetime.UTC)):
        fix = "make a new identity and commit its certificate"
        raise BadDocument("the party's certificate is not valid today", f"certificate of {member.name}", fix=fix)
    return key


def _take_part(
    spec: RunSpec, work: WorkDir, secrets: Path, key: Ed25519PrivateKey, network: Network, seen: Seen, log: Log
) -> tuple[Outcome, Manifest]:
    conversation = Conversation(network, log)
    me = spec.own.party
    try:
        try:
            _run(spec, work, secrets, key, conversation, seen, log)
            ended = outcome(me, DONE, ())
            return ended, sign_together(assemble(spec.run, seen, ended), spec.run, key, conversation)
        except (Stopped, PeerMissing, Terminated):
            raise
        except Exception as error:
            if not conversation.is_in_step:
                raise
            failed = explain(error, me)
            conversation.stop(failed.code, failed.reasons)
    except Terminated:
        conversation.tell(PEER_MISSING, Terminated("terminated").reasons(me))
        raise
    except Exception as error:
        ended = explain(error, me)
    manifest = assemble(spec.run, seen, ended)
    if ended.code in PERMANENT and conversation.is_in_step:
        # Everybody knows the same reasons now, so everybody can sign them.
        with contextlib.suppress(Stopped, PeerMissing):
            return ended, sign_together(manifest, spec.run, key, conversation)
    return ended, sign_alone(manifest, me, key)


def _run(
    spec: RunSpec,
    work: WorkDir,
    secrets: Path,
    key: Ed25519PrivateKey,
    conversation: Conversation,
    seen: Seen,
    log: Log,
) -> None:
    fetched = work.outcome() or work.fetched() or _nothing_fetched(spec)
    agreement = agree(spec.run, fetched, key, conversation, seen)
    log.event("accepted", plan=seen.plan_digest, steps=len(agreement.plan.steps))
    if isinstance(fetched, FetchedAll):
        hold_to_the_same(fetched, agreement.same.hex(), conversation)
    # From here on the others may go on without us, and an answer may be told.
    seen.agreed = agreement.same.hex()
    with open_engine(spec, work, secrets) as engine:
        if isinstance(fetched, FetchedAll):
            load(spec, fetched, work, engine)
        confirm(seen.verdicts, conversation)
        execution = _execute(agreement, spec.own.party, key, conversation, engine, seen, log)
    seen.begun.update(step.name for step in agreement.plan.steps)  # and ended, those of others too
    work.remove_data()
    seen.opening = _open_to_recipients(spec, work, agreement, execution, conversation)
    commitment = seen.opening.commitment() if seen.opening is not None else None
    steps = tuple(
        StepSeen(
            name=step.name,
            kind=step.kind,
            seconds=step.seconds,
            rounds=step.rounds,
            # An answer that is sent in the clear is as long as it has rows, and the manifest is for everyone.
            bytes_sent=0 if step.kind == "send" else step.bytes_sent,
        )
        for step in execution.steps
    )
    seen.finished = finish(agreement.plan, Finished(steps=steps, commitment=commitment), conversation)


def _nothing_fetched(spec: RunSpec) -> FetchedAll:
    if spec.own.sources:
        raise BadDocument("the container `fetch` did not run before `compute`", "the Job's initContainers")
    return FetchedAll(datasets=())


def hold_to_the_same(fetched: FetchedAll, agreed: str, conversation: Conversation) -> None:
    """Stop where an earlier attempt at this run may have told an answer of other data, or by another plan.

    That one was paid for, and this one would not be.

    Raises:  Stopped, PeerMissing.
    """
    if any(each != agreed for each in fetched.held_to):
        what = "an earlier attempt at this run may have told its answer, and data or policies have changed since"
        rule = "a run that is repeated counts once in an owner's limits, because it can only tell the same again"
        reason = Reason(
            party=conversation.me,
            code=REJECTED,
            what=what,
            rule=rule,
            fix="raise spec.run in the workflow: a new run, which the owner's limits count anew",
        )
        conversation.stop(REJECTED, [reason])


def noise_key(key: Ed25519PrivateKey, agreement: Agreement) -> bytes:
    """Return what the party's noise is drawn with: the same for each attempt at one run, and nobody else's to know.

    An attempt that ends after the answer was opened is made again. With other noise, both answers together would tell
    more than the run has paid for. On other data the noise is another: with the same, their difference would be exact.
    """
    return derive(key.private_bytes_raw(), b"ccd noise v1 " + agreement.same)


def _execute(
    agreement: Agreement,
    me: str,
    key: Ed25519PrivateKey,
    conversation: Conversation,
    engine: Engine,
    seen: Seen,
    log: Log,
) -> Execution:
    def progress(step: StepReport) -> None:
        seen.begun.add(step.name)
        log.event(
            "step",
            name=step.name,
            kind=step.kind,
            is_done=step.is_done,
            seconds=step.seconds,
            rounds=step.rounds,
            bytes_sent=step.bytes_sent,
        )
        for name, rows in step.put_in:
            log.event("put into MPC", step=name, rows=rows)

    try:
        own = noise_key(key, agreement)
        return execute(agreement.plan, me, conversation.network, engine, agreement.context, progress, own)
    except ProtocolError as error:
        if not isinstance(error, FOUND_OUT_TOGETHER):
            raise conversation.lost(error, in_a_step=True) from None
        # Found out before anything of the answer was opened.
        seen.begun -= {step.name for step in agreement.plan.steps if isinstance(step, RevealStep)}
        failed = explain(error, me)
        conversation.tell(failed.code, failed.reasons)
        raise
    except Exception as error:
        failed = explain(error, me)
        conversation.tell(failed.code, failed.reasons)
        raise


def _open_to_recipients(
    spec: RunSpec, work: WorkDir, agreement: Agreement, execution: Execution, conversation: Conversation
) -> Opening | None:
    """Return what the result's commitment is to, at a recipient; the writer draws the salt and tells the others.

    Everyone signs the commitment. A plain SHA-256 would let those who may not see the answer try out what it can be.
    """
    outputs, me = spec.run.outputs, spec.own.party
    own = Answered(salt=tokens.token_hex(32) if me == outputs.writer else None)
    said = conversation.round(own, public=Answered(), only_to=outputs.recipients)
    if execution.answer is None:
        return None
    salt = said[outputs.writer].salt
    if salt is None:
        conversation.stop(REJECTED, [differs(me, outputs.writer, "no salt for its fellow recipients")])
    content = encode_result(execution.answer, agreement.plan.query, outputs.format)
    if outputs.writer == me:
        work.write_result(outputs.format, content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Opening(sha256=sha256, size_bytes=len(content), rows=execution.answer.num_rows, salt=salt)
