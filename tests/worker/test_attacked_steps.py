"""One party leaves the protocol in the middle of the plan's steps, where no words are due: both others end, soon, and say why."""

import pytest

from conclave.mpc.channel import Kind
from tests.worker.test_under_attack import HONEST, NO, TO, Attack, Attacker, Case, Gone, Word, assert_both_end, attacked
from worker.messages import Go, abort_of, encode

# In the place of a frame of shares, the first that goes to a victim.
FRAMES: dict[str, Attack] = {
    "longer than all": lambda w: w.frame(w.honest, kind=Kind.MPC, length=(1 << 64) - 1),
    "a byte more": lambda w: w.frame(w.honest + b"\0", kind=Kind.MPC),
    "a byte less": lambda w: w.frame(w.honest[:-1], kind=Kind.MPC),
    "replayed": lambda w: w.frame(w.honest, kind=Kind.MPC, step=(w.step - 1) % (1 << 64)),
    "reordered": lambda w: w.frame(w.honest, kind=Kind.MPC, step=w.step + 1),
    "of an unknown kind": lambda w: w.frame(w.honest, kind=77),
    "a word of another round": lambda w: w.frame(encode(Go(verdicts="0" * 64))),
    "no frame": lambda w: b"GET / HTTP/1.1\r\nHost: alpha\r\n\r\n",
    "an abort": lambda w: w.frame(encode(abort_of(30, [NO])), kind=Kind.ABORT),
    "an abort that cannot be read": lambda w: w.frame(b"no", kind=Kind.ABORT),
}
NEVER: dict[str, tuple[str, Attack]] = {
    "late": ("holds", lambda w: b""),
    "half": ("holds", lambda w: w.frame(w.honest, kind=Kind.MPC)[:20]),
    "byte by byte": ("drips", lambda w: w.frame(w.honest, kind=Kind.MPC)[:18]),
    "missing": ("closes", lambda w: b""),
}
IN_STEPS = -1  # no round of words


class InSteps(Attacker):
    """bravo's network: its words are honest, and so are its shares until some would go to a victim."""

    def exchange(self, outgoing, incoming):
        victims = [peer for peer in self._case.to if peer in outgoing]
        if not victims or self._case.others_ended.is_set():
            return super().exchange(outgoing, incoming)
        honest = {peer: payload for peer, payload in outgoing.items() if peer not in victims}
        for peer in victims:
            share = bytes(memoryview(outgoing[peer]).cast("B"))
            word = Word(share, self.channels[peer]._steps_sent, self._federation, self._earlier)
            self._push(peer, self._case.attack(word))
        if self._case.then == "goes on":
            return super().exchange(honest, incoming)
        self._stay_for_a_while()
        self.close()
        raise Gone


SOME = [
    ("longer than all", "alpha"),
    ("replayed", "carol"),
    ("a word of another round", "alpha"),
    ("an abort", "carol"),
]


@pytest.mark.parametrize(("how", "to"), SOME)
def test_a_strange_frame_of_shares_ends_with_30_and_a_reason_at_every_honest_party(federation, monkeypatch, how, to):
    assert_both_end(*attacked(federation, monkeypatch, Case(FRAMES[how], IN_STEPS, TO[to]), attacker=InSteps), 30)


@pytest.mark.parametrize(("how", "to"), [("late", "carol"), ("byte by byte", "alpha"), ("missing", "alpha")])
def test_shares_that_do_not_come_end_with_40_and_a_reason_at_every_honest_party(federation, monkeypatch, how, to):
    then, attack = NEVER[how]
    assert_both_end(*attacked(federation, monkeypatch, Case(attack, IN_STEPS, TO[to], then), attacker=InSteps), 40)


@pytest.mark.deep
@pytest.mark.parametrize("to", [*HONEST, "both"])
@pytest.mark.parametrize("how", FRAMES)
def test_any_strange_frame_of_shares_ends_with_30(federation, monkeypatch, how, to):
    assert_both_end(*attacked(federation, monkeypatch, Case(FRAMES[how], IN_STEPS, TO[to]), attacker=InSteps), 30)


@pytest.mark.deep
@pytest.mark.parametrize("to", HONEST)
@pytest.mark.parametrize("how", NEVER)
def test_any_shares_that_never_come_end_with_40(federation, monkeypatch, how, to):
    then, attack = NEVER[how]
    assert_both_end(*attacked(federation, monkeypatch, Case(attack, IN_STEPS, TO[to], then), attacker=InSteps), 40)
