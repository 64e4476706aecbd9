"""One of the three lies in one frame: about lengths, order, kind or version, or in what it says. All three end cleanly."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.mpc.channel import HEADER, VERSION, Channel, Kind, Network
from conclave.mpc.errors import DeadlineExceeded, FrameError, PeerAborted, ProtocolError
from conclave.mpc.known import AllKnow, OneKnows
from conclave.mpc.party import Party
from conclave.mpc.shares import open_bits
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.compact import compact
from conclave.operators.groupby import group_by
from conclave.operators.hybrid import seen_join
from conclave.operators.reveal import reveal_to
from conclave.operators.table import SecretColumn, SecretTable
from tests.conclave.mpc.test_streams import much
from tests.conclave.mpc.three import NAMES, TIMEOUT_S, connect, deal_input, run_networks

LIAR, VICTIM = "bravo", "carol"  # who have most to say to each other
SHORT_S, PATIENT_S = 3.0, 60.0  # where a deadline is, or may be, what finds the lie out
# What stands in a frame's place: version, kind, how far its step is off, and its length and bytes.
LIES = {
    "another version": lambda head, body: (head[0] + 1, *head[1:], body),
    "another kind": lambda head, body: (head[0], int(Kind.CONTROL if head[1] == Kind.MPC else Kind.MPC), *head[2:], body),
    "a kind that is none": lambda head, body: (head[0], 77, *head[2:], body),
    "a later step": lambda head, body: (*head[:2], head[2] + 1, head[3], body),
    "an earlier step": lambda head, body: (*head[:2], (head[2] - 1) % (1 << 64), head[3], body),
    "a byte more": lambda head, body: (*head[:3], head[3] + 1, body + b"\0"),
    "a byte less": lambda head, body: (*head[:3], max(head[3] - 1, 0), body[:-1]) if body else (*head[:3], 1, b"\0"),
    "more than there is memory": lambda head, body: (*head[:3], 1 << 62, body),
    "as long as a number can say": lambda head, body: (*head[:3], (1 << 64) - 1, body),
    "an end with much to say": lambda head, body: (head[0], int(Kind.ABORT), head[2], 1 << 20, body),
    "an end": lambda head, body: (head[0], int(Kind.ABORT), head[2], 2, b"no"),
    "less than it announces": lambda head, body: (*head[:3], head[3], body[: len(body) // 2]) if body else None,
    "nothing": lambda head, body: None,
}  # fmt: skip
QUIET = {"nothing", "less than it announces"}  # found out by a deadline, or by what comes next


class Lying(Channel):
    """Tells one lie, in place of the frame number `at` that is not empty."""

    def __init__(self, sock, peer_name, at, lie):
        super().__init__(sock, peer_name)
        self.at, self.lie, self.has_lied = at, lie, False

    def begin_send(self, kind, payload):
        step, body = self._steps_sent, bytes(memoryview(payload).cast("B"))
        super().begin_send(kind, payload)
        if step < self.at or self.has_lied:
            return
        self.has_lied = True
        told = self.lie((VERSION, int(kind), step, len(body)), body)
        self._outgoing = [] if told is None else [memoryview(HEADER.pack(*told[:4]) + told[4])]


def ends(at, lie, work, timeout_s=TIMEOUT_S, who=(LIAR, VICTIM)):
    """What each of the three returned or raised, after one of them told another `lie`, and whether it was told at all."""
    networks, (teller, victim) = connect(NAMES, Network, timeout_s), who
    honest = networks[teller].channels[victim]
    liar = Lying(honest._sock, victim, at, lie)
    networks[teller].channels[victim] = liar
    try:
        ended = run_networks(networks, work)
    finally:
        for network in networks.values():
            network.close()
    if timeout_s == TIMEOUT_S:  # which nobody waits for
        assert not any(isinstance(each, DeadlineExceeded) for each in ended.values()), ended
    return ended, liar.has_lied


X, Y = deal_input(np.arange(30) % 5), deal_input(np.arange(30) + 1)


def honestly(network):
    me = Party.setup(network, NAMES, b"liar")
    opened = open_bits(much(X[me.index], Y[me.index], me), me)
    # As a worker that has its result waits for the others' word, so that a lie in the last frame is everybody's.
    others = [name for name in NAMES if name != network.me]
    network.exchange_control(dict.fromkeys(others, b"done"), others, 4)
    return opened


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("at", [0, 1, 7])  # in the agreement on keys, and after it
def test_a_lie_about_a_frame_ends_in_a_clean_error_at_all_three(lie, at):
    ended, has_lied = ends(at, LIES[lie], honestly, SHORT_S if lie in QUIET else TIMEOUT_S)
    assert all(isinstance(ended[name], ProtocolError) for name in NAMES), ended
    if lie not in QUIET:
        assert has_lied, ended
        assert type(ended[VICTIM]) is (PeerAborted if lie == "an end" else FrameError), ended


@pytest.mark.deep
@pytest.mark.parametrize("lie", sorted(LIES.keys() - QUIET))
@pytest.mark.parametrize("who", sorted(permutations(NAMES, 2)), ids="-to-".join)
def test_whoever_lies_to_whomever_all_three_end_cleanly(who, lie):
    """Each of the three has a part of its own in the protocols: one deals, and has five frames for another in all."""
    ended, has_lied = ends(4, LIES[lie], honestly, who=who)
    assert has_lied
    assert all(isinstance(ended[name], ProtocolError) for name in NAMES), ended
    assert type(ended[who[1]]) is (PeerAborted if lie == "an end" else FrameError), ended


@pytest.mark.deep
@given(at=st.integers(0, 200), lie=st.sampled_from(sorted(LIES.keys() - QUIET)))
@settings(max_examples=12, deadline=None)
def test_a_lie_anywhere_ends_in_a_clean_error_at_all_three(at, lie):
    ended, has_lied = ends(at, LIES[lie], honestly)
    assert has_lied, ended
    assert all(isinstance(ended[name], ProtocolError) for name in NAMES), ended


FALSE = {
    "ones": lambda body: b"\xff" * len(body),
    "zeros": lambda body: bytes(len(body)),
    "other bits": lambda body: bytes(255 - byte for byte in body),
    "one bit": lambda body: bytes([body[0] ^ 1]) + body[1:] if body else body,
}


def everything(network):
    """Operators that take places and orders from the wire, and open what was computed."""
    me = Party.setup(network, NAMES, b"liar")
    x, y = X[me.index], Y[me.index]
    table = SecretTable(x.n, {"k": SecretColumn(x, width=8), "v": SecretColumn(y)}, much(x, y, me))
    other = SecretTable(x.n, {"o": SecretColumn(y, width=8)})
    total = AggregateSpec("s", "sum", "v")
    seen = group_by(table, ["k"], [total], me, who=OneKnows(1))
    pairs = seen_join(table, other, [("k", "o")], "inner", None, AllKnow(), me)
    few = compact(group_by(table, ["k"], [total], me), me)
    return [reveal_to(each, ["bravo"], me) for each in (seen, pairs, few)]


@pytest.mark.deep
@given(at=st.integers(2, 260), how=st.sampled_from(sorted(FALSE)))
@settings(max_examples=15, deadline=None)
def test_false_words_in_frames_as_announced_end_in_an_answer_or_in_a_clean_error(at, how):
    """It is semi-honest: a false word may make a false answer. It makes no crash, no hang, and no other error."""

    def lie(head, body):
        return (*head, FALSE[how](body))

    ended, _ = ends(at, lie, everything, PATIENT_S)
    assert all(isinstance(ended[name], ProtocolError | list) for name in NAMES), ended
