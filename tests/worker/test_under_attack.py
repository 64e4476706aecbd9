"""One party speaks as no worker does; the two others are workers, over real TLS. Whatever it says, and to whom: both end,
soon, with the code that the architecture names and a reason, and neither is left with an answer.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from conclave.mpc.channel import ABORT_LIMIT_BYTES, HEADER, VERSION, Kind, Network
from policy.canonical import canonical_json
from policy.identity import load_private_key, new_identity
from policy.manifest import VERDICT_PURPOSE, Reason
from policy.parse import parse_policy
from policy.signature import sign
from tests.worker.actors import fetched
from tests.worker.conftest import PARTIES, Federation, Written, in_parallel
from tests.worker.stores import POLICY, ROWS, csv_of
from tests.worker.test_exchange import exchange
from tests.worker.test_replay import Recorder
from worker import compute as computing
from worker.messages import LARGE_BYTES, Go, abort_of, encode
from worker.transport import wait_for_peers
from worker.workdir import WorkDir

HELLO, OFFER, VERDICT, GO, _ANSWERED, FINISHED = range(6)
HONEST = ("alpha", "carol")  # bravo attacks: it shares data as alpha does, and carol is to have the answer
TO = {"alpha": ("alpha",), "carol": ("carol",), "both": HONEST}
RECEIVE_S = 3.0  # where bravo keeps others waiting
BOUND_S = 200.0  # far above what each end takes, and far below for ever
NO = Reason(party="alpha", code=30, what="no")


@dataclass
class Word:
    """What bravo should say to one peer now, and what an attack may use besides."""

    honest: bytes
    step: int  # how many frames it has sent to this peer
    federation: Federation
    earlier: dict[str, dict[int, bytes]]  # of an attempt before, by party and round

    def frame(self, payload: bytes = b"{}", kind: int = Kind.CONTROL, version: int = VERSION, **header: int) -> bytes:
        """Bytes below the protocol, as they go into the connection."""
        step, length = header.get("step", self.step), header.get("length", len(payload))
        return HEADER.pack(version, kind, step, length) + payload

    def changed(self, change: Callable[[dict], object], signer: bytes | None = None) -> bytes:
        """The honest word with other content, signed again if it is a verdict."""
        message = json.loads(self.honest)
        change(message)
        if "statement" in message:
            key = load_private_key(signer or self.federation.keys["bravo"])
            message["signature"] = sign(key, VERDICT_PURPOSE, message["statement"])
        return canonical_json(message)

    def offering(self, change: Callable[[str], str]) -> bytes:
        """The honest offer with another policy, which bravo has signed as well."""
        message = json.loads(self.honest)
        offer = message["datasets"][0]
        offer["policy"] = change(offer["policy"])
        key = load_private_key(self.federation.keys["bravo"])
        offer["signature"] = sign(key, "policy", parse_policy(offer["policy"], "policy"))
        return canonical_json(message)


Attack = Callable[[Word], bytes]
# In the place of a frame, or of a message within one. Each ends with 30 at both.
FRAMES: dict[str, Attack] = {
    "oversized by a byte": lambda w: w.frame(b"", length=LARGE_BYTES + 1),
    "oversized beyond all": lambda w: w.frame(b"", length=(1 << 64) - 1),
    "of another version": lambda w: w.frame(version=9),
    "of an unknown kind": lambda w: w.frame(kind=77),
    "of MPC": lambda w: w.frame(kind=Kind.MPC),
    "replayed": lambda w: w.frame(w.honest, step=(w.step - 1) % (1 << 64)),
    "reordered": lambda w: w.frame(w.honest, step=w.step + 1),
    "no frame": lambda w: b"GET / HTTP/1.1\r\nHost: alpha\r\n\r\n",
    "an oversized abort": lambda w: w.frame(b"", kind=Kind.ABORT, length=ABORT_LIMIT_BYTES + 1),
    "an abort that cannot be read": lambda w: w.frame(b"no", kind=Kind.ABORT),
    "an abort with 0": lambda w: w.frame(b'{"code":0,"kind":"abort","reasons":[]}', kind=Kind.ABORT),
    "an abort of a word": lambda w: w.frame(encode(Go(verdicts="0" * 64)), kind=Kind.ABORT),
    "an abort, out of turn": lambda w: w.frame(encode(abort_of(30, [NO])), kind=Kind.ABORT),
}
MESSAGES: dict[str, Attack] = {
    "empty": lambda w: b"",
    "no JSON": lambda w: b"\xff\xfe{",
    "cut": lambda w: w.honest[: len(w.honest) // 2],
    "deep": lambda w: b"[" * 30_000,
    "of no kind": lambda w: b'{"kind":"please"}',
    "with a field more": lambda w: w.changed(lambda m: m.update(more=1)),
    "an abort": lambda w: encode(abort_of(30, [NO])),
}
# Well formed, and signed where it has to be; at one round, to whom it may be said (contradictory: to one alone).
LIES: dict[str, tuple[int, Attack]] = {
    "replayed hello": (HELLO, lambda w: w.earlier["bravo"][HELLO]),
    "replayed verdict": (VERDICT, lambda w: w.earlier["bravo"][VERDICT]),
    "replayed go": (GO, lambda w: w.earlier["bravo"][GO]),
    "reordered: the offer first": (HELLO, lambda w: w.earlier["bravo"][OFFER]),
    "reordered: go before the verdict": (VERDICT, lambda w: w.earlier["bravo"][GO]),
    "another's acceptance": (VERDICT, lambda w: w.earlier["alpha"][VERDICT]),
    "another run": (HELLO, lambda w: w.changed(lambda m: m.update(runId="other-0000000000"))),
    "another image": (HELLO, lambda w: w.changed(lambda m: m.update(image="other"))),
    "another's dataset": (OFFER, lambda w: w.changed(lambda m: m["datasets"][0].update(dataset="alpha/flights"))),
    "another number of rows": (OFFER, lambda w: w.changed(lambda m: m["datasets"][0].update(nRows=99))),
    "another policy": (OFFER, lambda w: w.changed(lambda m: m["datasets"][0].update(policy=m["datasets"][0]["policy"] + "\n# more\n"))),
    "a laxer policy, signed": (OFFER, lambda w: w.offering(lambda text: text.replace("[sum, count, mean]", "[open]"))),
    "a stricter policy, signed": (OFFER, lambda w: w.offering(lambda text: text.replace("[sum, count, mean]", "[count]"))),
    "a policy that asks for more, signed": (OFFER, lambda w: w.offering(lambda text: text.replace("integer}", "integer, bounds: [0, 9]}"))),
    "a policy that is not signed": (OFFER, lambda w: w.changed(lambda m: m["datasets"][0].update(policy=m["datasets"][0]["policy"].replace("[carol]", '["*"]')))),
    "a forged signature": (VERDICT, lambda w: w.changed(lambda m: None, signer=new_identity("bravo", 1)[0])),
    "another plan digest": (VERDICT, lambda w: w.changed(lambda m: m["statement"].update(plan="f" * 64))),
    "a verdict on other policies": (VERDICT, lambda w: w.changed(lambda m: m["statement"].update(policies=[]))),
    "another verdict": (VERDICT, lambda w: w.changed(lambda m: m["statement"].update(verdict="reject", reasons=[json.loads(canonical_json(NO))]))),
    "a reason to accept": (VERDICT, lambda w: w.changed(lambda m: m["statement"].update(reasons=[json.loads(canonical_json(NO))]))),
    "a header as long as may be": (OFFER, lambda w: w.changed(lambda m: m["datasets"][0].update(header=["h" * 500] * 1900))),
    "a type of endless digits": (OFFER, lambda w: w.changed(lambda m: m["datasets"][0].update(policy=m["datasets"][0]["policy"].replace("varchar(2)", f"'decimal({'9' * 5000},2)'")))),
    "a refusal in another's name": (VERDICT, lambda w: w.changed(lambda m: m["statement"].update(verdict="reject", reasons=[json.loads(canonical_json(reason)) for reason in (NO, NO.model_copy(update={"party": "carol", "code": 0}))]))),
    "more bytes than numbers are exact": (FINISHED, lambda w: w.changed(lambda m: m["steps"][0].update(bytesSent=2**53 - 1))),
    "a step of no plan": (FINISHED, lambda w: w.changed(lambda m: m["steps"].append({**m["steps"][0], "name": "s99"}))),
    "a step of another kind": (FINISHED, lambda w: w.changed(lambda m: m["steps"][0].update(kind="reveal"))),
    "a step less": (FINISHED, lambda w: w.changed(lambda m: m["steps"].pop())),
    "an answer that is not its own": (FINISHED, lambda w: w.changed(lambda m: m.update(commitment="f" * 64))),
    "other verdicts heard": (GO, lambda w: w.changed(lambda m: m.update(verdicts="f" * 64))),
}  # fmt: skip


class Gone(Exception):
    """The attacker's end."""


class Attacker(Network):
    """bravo's network: it keeps to the protocol until round `at`, and says something else there to its victims."""

    def __init__(self, honest: Network, case: "Case", federation: Federation, earlier) -> None:
        super().__init__(honest.me, honest.channels, honest.timeout_s)
        self._case, self._federation, self._earlier = case, federation, earlier
        self._round = 0

    def exchange_control(self, outgoing, incoming, limit, patience_s=0.0):
        # And no number of rows, or share, within a step.
        is_word = any(payload.startswith(b'{"') for payload in outgoing.values())
        at, self._round = self._round, self._round + is_word
        if at != self._case.at or not is_word:
            return super().exchange_control(outgoing, incoming, limit, patience_s)
        words = dict(outgoing)
        for peer in self._case.to:
            channel = self.channels[peer]
            word = Word(outgoing[peer], channel._steps_sent, self._federation, self._earlier)
            words[peer] = self._case.attack(word)
            if self._case.is_frame:
                self._push(peer, words.pop(peer))
        if self._case.then == "goes on":
            return super().exchange_control(words, incoming, limit, patience_s)
        for peer, payload in words.items():
            super().exchange_control({peer: payload}, (), 0)
        self._stay_for_a_while()
        self.close()
        raise Gone

    def _stay_for_a_while(self) -> None:
        if self._case.then == "holds":
            self._case.others_ended.wait(BOUND_S)
        while self._case.then == "drips" and not self._case.others_ended.wait(0.1):
            for peer in self._case.to:
                with contextlib.suppress(OSError):  # it may have closed the connection
                    self._push(peer, b" ")

    def _push(self, peer: str, frames: bytes) -> None:
        if frames:
            channel = self.channels[peer]
            channel._outgoing = [memoryview(frames)]
            while channel.is_sending:
                channel._pump_out()


@dataclass
class Case:
    attack: Attack
    at: int
    to: tuple[str, ...] = HONEST
    # Or "holds": says nothing more and keeps its connections; "drips": a byte now and then; "closes".
    then: str = "goes on"
    is_frame: bool = False
    others_ended: threading.Event = field(default_factory=threading.Event)


def attacked(
    federation: Federation, monkeypatch, case: Case, earlier=None, attacker: type[Attacker] = Attacker
) -> tuple[dict[str, WorkDir], float]:
    """Let bravo attack; return the honest parties' directories, and how long the slower of them took."""
    if case.then in ("holds", "drips"):
        federation = federation.with_run(deadlines=federation.run.deadlines.model_copy(update={"receive_s": RECEIVE_S}))
    left = set(HONEST)
    met = threading.Barrier(len(PARTIES))
    took = []

    def meet(run, me, key, scratch, log):
        network = wait_for_peers(run, me, key, scratch, log)
        met.wait(BOUND_S)
        return network if me != "bravo" else attacker(network, case, federation, earlier or {})

    monkeypatch.setattr(computing, "wait_for_peers", meet)
    works = {party: WorkDir(federation.work(party)) for party in PARTIES}

    def act(party: str) -> None:
        if party in ROWS:
            works[party].data_file(f"{party}/flights", "csv").write_text(csv_of(ROWS[party]))
        works[party].write_fetched(fetched(federation, party))
        started = time.monotonic()
        computing.compute(federation.spec(party), works[party], federation.secrets(party), Written().log)
        took.append(time.monotonic() - started)
        left.discard(party)
        if not left:
            case.others_ended.set()

    endings = in_parallel({party: lambda p=party: act(p) for party in PARTIES})
    for party in HONEST:
        assert endings[party].error is None, (party, endings[party].error)
    return {party: works[party] for party in HONEST}, max(took)


def assert_both_end(works: dict[str, WorkDir], took_s: float, code: int) -> None:
    assert took_s < BOUND_S
    for party, work in works.items():
        ended, manifest = work.outcome(), work.manifest()
        assert ended is not None
        assert ended.code == code, (party, ended)
        assert ended.reasons
        assert all(reason.what and reason.party in PARTIES for reason in ended.reasons)
        assert manifest is not None
        assert (manifest.code, manifest.reasons) == (ended.code, ended.reasons)
        assert manifest.signatures.keys() >= {party}
        assert not work.result("csv").exists() or not manifest.outputs


@pytest.fixture
def earlier(federation) -> dict[str, dict[int, bytes]]:
    """What was said in an attempt before, which came to an agreement."""
    recorders = {party: Recorder() for party in ("alpha", "bravo")}
    endings, _ = exchange(federation, recorders)
    assert all(ending.error is None for ending in endings.values())
    return {party: recorder.said for party, recorder in recorders.items()}


BELOW = {**FRAMES, **MESSAGES}
# One of each class in every run of the tests, and all of them to everybody in the deep ones.
SOME_BELOW = [
    ("oversized by a byte", "alpha"),
    ("replayed", "both"),
    ("reordered", "carol"),
    ("an abort that cannot be read", "alpha"),
    ("an abort, out of turn", "carol"),
    ("cut", "alpha"),
    ("an abort", "carol"),
]
SOME_LIES = [
    ("replayed verdict", "alpha"),
    ("reordered: go before the verdict", "carol"),
    ("another's acceptance", "both"),
    ("a laxer policy, signed", "alpha"),
    ("a policy that asks for more, signed", "carol"),
    ("another number of rows", "carol"),
    ("a forged signature", "alpha"),
    ("another plan digest", "carol"),
    ("another verdict", "alpha"),
]


@pytest.mark.parametrize(("how", "to"), SOME_BELOW)
def test_a_malformed_word_ends_with_30_and_a_reason_at_every_honest_party(federation, monkeypatch, how, to):
    case = Case(BELOW[how], VERDICT, TO[to], is_frame=how in FRAMES)
    assert_both_end(*attacked(federation, monkeypatch, case), 30)


@pytest.mark.parametrize(("how", "to"), SOME_LIES)
def test_a_lie_ends_with_30_and_a_reason_at_every_honest_party(federation, monkeypatch, earlier, how, to):
    at, attack = LIES[how]
    assert_both_end(*attacked(federation, monkeypatch, Case(attack, at, TO[to]), earlier), 30)


def test_what_quotes_a_liar_is_short_enough_to_be_said_and_names_the_liar(federation, monkeypatch):
    at, attack = LIES["a header as long as may be"]
    works, took_s = attacked(federation, monkeypatch, Case(attack, at))
    assert_both_end(works, took_s, 30)
    for work in works.values():
        said = [(reason.party, reason.what) for reason in work.outcome().reasons]
        assert any(what.startswith("bravo/flights: the file's header [hhh") for _, what in said)
        assert all(what.startswith("bravo") for party, what in said if party != "bravo")


def test_a_refusal_is_its_senders_whatever_name_it_gives(federation, monkeypatch):
    at, attack = LIES["a refusal in another's name"]
    works, took_s = attacked(federation, monkeypatch, Case(attack, at))
    assert_both_end(works, took_s, 30)
    assert {(r.party, r.code) for work in works.values() for r in work.outcome().reasons} == {("bravo", 30)}


@pytest.mark.parametrize(
    "how", ["more bytes than numbers are exact", "a step of another kind", "an answer that is not its own"]
)
def test_what_cannot_have_been_done_is_in_nobodys_manifest(federation, monkeypatch, how):
    """Said when the answer is out: it must neither be signed by others nor keep them from a manifest of their own."""
    at, attack = LIES[how]
    works, took_s = attacked(federation, monkeypatch, Case(attack, at))
    assert_both_end(works, took_s, 30)
    for work in works.values():
        assert "bravo" in work.outcome().reasons[0].what
        assert work.manifest().steps == ()


@pytest.mark.parametrize(
    ("at", "change", "what"),
    [
        (_ANSWERED, {"salt": None}, "no salt for its fellow recipients"),
        (_ANSWERED, {"salt": "f" * 64}, "another result than the other recipients"),
        (FINISHED, {"commitment": "f" * 64}, "another result than the other recipients"),
        (FINISHED, {"commitment": None}, "no answer, and is a recipient"),
    ],
)
def test_a_recipient_that_says_another_answer_ends_the_run_for_all(federation, monkeypatch, at, change, what):
    outputs = federation.run.outputs.model_copy(update={"recipients": ("alpha", "bravo"), "writer": "bravo"})
    federation = federation.with_run(outputs=outputs)
    monkeypatch.setattr("tests.worker.actors.POLICY", POLICY.replace("[carol]", "[alpha, bravo]"))
    attack = Case(lambda w: w.changed(lambda m: m.update(change)), at)
    works, took_s = attacked(federation, monkeypatch, attack)
    assert_both_end(works, took_s, 30)
    assert any(what in reason.what for work in works.values() for reason in work.outcome().reasons)
    assert not any(work.manifest().outputs for work in works.values())


@pytest.mark.parametrize(("how", "is_out"), [("another verdict", False), ("a step of another kind", True)])
def test_the_record_of_a_refusal_says_what_was_told_before_it(federation, monkeypatch, how, is_out):
    """Refused after the steps, carol holds the answer nevertheless."""
    at, attack = LIES[how]
    works, _ = attacked(federation, monkeypatch, Case(attack, at))
    for work in works.values():
        learned = {(each.kind, each.step) for each in work.manifest().learned}
        sizes = {("row_count", "offer")}
        assert learned == (sizes | {("row_count", "s1"), ("row_count", "s2"), ("answer", "r1")} if is_out else sizes)


NEVER: dict[str, tuple[str, Attack]] = {
    "late": ("holds", lambda w: b""),
    "half": ("holds", lambda w: w.frame(w.honest)[:40]),
    "byte by byte": ("drips", lambda w: w.frame(b"", length=1000)),
    "missing": ("closes", lambda w: b""),
}


@pytest.mark.parametrize(
    ("how", "to"), [("late", "alpha"), ("half", "carol"), ("byte by byte", "alpha"), ("missing", "alpha")]
)
def test_a_word_that_does_not_come_ends_with_40_and_a_reason_at_every_honest_party(federation, monkeypatch, how, to):
    then, attack = NEVER[how]
    assert_both_end(*attacked(federation, monkeypatch, Case(attack, HELLO, TO[to], then, is_frame=True)), 40)


@pytest.mark.deep
@pytest.mark.parametrize("at", [HELLO, OFFER, GO, _ANSWERED, FINISHED])
@pytest.mark.parametrize("how", BELOW)
def test_any_malformed_word_in_any_round_ends_with_30(federation, monkeypatch, how, at):
    to = TO["alpha" if at in (GO, _ANSWERED) else "carol"]
    assert_both_end(*attacked(federation, monkeypatch, Case(BELOW[how], at, to, is_frame=how in FRAMES)), 30)


@pytest.mark.deep
@pytest.mark.parametrize("to", HONEST)
@pytest.mark.parametrize("how", LIES)
def test_any_lie_to_anybody_ends_with_30(federation, monkeypatch, earlier, how, to):
    at, attack = LIES[how]
    assert_both_end(*attacked(federation, monkeypatch, Case(attack, at, TO[to]), earlier), 30)


@pytest.mark.deep
@pytest.mark.parametrize("to", HONEST)
@pytest.mark.parametrize("how", ["cut", "an abort", "oversized by a byte", "an abort, out of turn"])
@pytest.mark.parametrize("then", ["holds", "closes"])
def test_a_liar_that_says_no_more_leaves_both_with_one_code(federation, monkeypatch, how, to, then):
    """What it said last may be lost with its connection: then it is a lost peer to both, and not to one alone."""
    case = Case(BELOW[how], GO, TO[to], then, is_frame=how in FRAMES)
    works, took_s = attacked(federation, monkeypatch, case)
    codes = {work.outcome().code for work in works.values()}
    assert codes == {30} if then == "holds" else codes in ({30}, {40}), {
        party: (work.outcome().code, [str(r) for r in work.outcome().reasons]) for party, work in works.items()
    }
    assert_both_end(works, took_s, codes.pop())


@pytest.mark.deep
@pytest.mark.parametrize(
    ("how", "at"), [*((how, at) for how in NEVER for at in (GO, _ANSWERED)), ("missing", FINISHED)]
)
def test_a_word_that_never_comes_ends_with_40_in_any_round(federation, monkeypatch, how, at):
    then, attack = NEVER[how]
    assert_both_end(*attacked(federation, monkeypatch, Case(attack, at, TO["carol"], then, is_frame=True)), 40)
