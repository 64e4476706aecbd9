"""Whatever a peer sends: bytes, messages, or a whole exchange that it twists at will."""

import contextlib
import copy
import functools
import itertools
import json
import random
import socket
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conclave.mpc.channel import HEADER, VERSION, Channel, Kind, Network
from conclave.mpc.errors import ProtocolError
from policy.canonical import canonical_json
from policy.identity import load_private_key
from policy.manifest import ApprovalRef, Reason, Statement
from tests.worker.actors import all_do, fetched, meet
from tests.worker.conftest import PARTIES, make_federation
from worker.errors import PeerMissing, Stopped
from worker.exchange import Seen, agree, confirm
from worker.messages import (
    SMALL_BYTES,
    Abort,
    Answered,
    DatasetOffer,
    Finished,
    Go,
    Hello,
    Malformed,
    Offer,
    Signed,
    StepSeen,
    Verdict,
    decode,
    encode,
)

HEX, SECRET = "0" * 64, "do-not-repeat-me"
OFFERED = DatasetOffer(
    dataset="alpha/flights", policy="kind: Policy", signature="AA==", header=("a", "b"), sha256=HEX, n_rows=3
)
NAMED = ApprovalRef(digest=HEX, signer=HEX, expires="2030-01-01T00:00:00Z")
SAID = Statement(run_id="r", run=HEX, session=HEX, plan=HEX, policies=(), data=(), verdict="accept", approval=NAMED)
MESSAGES = [
    Hello(protocol=1, version="1", run_id="r", run=HEX, image="i", nonce="0" * 32),
    Offer(datasets=(OFFERED,)),
    Verdict(statement=SAID, signature="AA=="),
    Go(verdicts=HEX),
    Answered(salt=HEX),
    Finished(steps=(StepSeen(name="m1", kind="mpc", seconds=0.5, rounds=3, bytes_sent=9),)),
    Signed(signature="AA=="),
    Abort(code=30, reasons=(Reason(party="alpha", code=30, what="no"),)),
]
STRANGE = [
    None,
    True,
    -1,
    0.5,
    1 << 70,
    -(1 << 63),
    "",
    SECRET,
    SECRET * 5000,
    "\x00\u202e\ud7ff",
    [],
    {},
    [[]] * 300,
    {SECRET: SECRET},
    HEX.upper(),
    f"{HEX}\n",
]
HOWS = ["value", "gone", "twice", "more", "cut", "byte", "spaces", "anything"]
Choose = Callable[[Sequence[Any]], Any]


def places(value, path=()):
    """Every place in a JSON document, the whole of it first."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def twisted(honest: bytes, choose: Choose) -> bytes:
    """A message with something else at one place, or with bytes of it lost, changed or put in."""
    at = choose(range(len(honest)))
    match choose(HOWS):
        case "cut":
            return honest[:at]
        case "byte":
            return honest[:at] + choose([b"", b"\0", b"\xff", b'"', b"{", b"1"]) + honest[at + 1 :]
        case "spaces":
            return b" \n" + honest + b"\t"
        case "anything":
            return bytes(choose(range(256)) for _ in range(choose(range(60))))
        case how:
            return json.dumps(_changed(json.loads(honest), how, choose)).encode()


def _changed(document: Any, how: str, choose: Choose) -> Any:
    *way, last = choose([path for path in places(document) if path])
    parent = document
    for key in way:
        parent = parent[key]
    if how == "gone":
        del parent[last]
    elif how == "twice" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[last]))
    elif how == "more" and isinstance(parent, dict):
        parent[choose(["more", "kind", SECRET])] = choose(STRANGE)
    else:
        parent[last] = choose(STRANGE)
    return document


def is_taken(payload: bytes) -> bool:
    """Whether the bytes are a message; if they are none, the error must be short and repeat nothing."""
    try:
        message = decode(payload)
    except Malformed as error:
        said = str(error)
    else:
        assert decode(encode(message)) == message
        return True
    assert len(said) < 200
    assert SECRET not in said.split(" at ")[0]
    return False


@given(payload=st.binary(max_size=2000) | st.text(max_size=500).map(lambda text: json.dumps(text).encode()))
@example(payload=b"[" * SMALL_BYTES)
@example(payload=b'{"kind":' * 5000)
@example(payload=b"9" * SMALL_BYTES)
@example(payload=b'{"kind":"answered","salt":NaN}')
@example(payload=b'{"kind":"answered","salt":"\\ud800"}')
@example(payload=b'\xef\xbb\xbf{"kind":"answered"}')
def test_no_bytes_are_read_as_anything_but_a_message_or_an_error(payload):
    started = time.process_time()
    is_taken(payload)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
@given(data=st.data())
def test_a_twisted_message_is_a_message_or_an_error(message, data):
    is_taken(twisted(encode(message), lambda items: data.draw(st.sampled_from(items))))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_anything_strange_in_any_place_is_a_message_or_an_error(message):
    honest = json.loads(encode(message))
    for path, value in itertools.product([path for path in places(honest) if path], STRANGE):
        changed = copy.deepcopy(honest)
        functools.reduce(lambda at, key: at[key], path[:-1], changed)[path[-1]] = value
        is_taken(json.dumps(changed).encode())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_no_field_may_be_added_or_left_out_unless_it_has_a_default(message):
    honest = json.loads(encode(message))
    assert not is_taken(canonical_json({**honest, "more": 1}))
    for key in honest:
        left = {name: value for name, value in honest.items() if name != key}
        assert not is_taken(canonical_json(left)) or key in {"salt", "commitment"}


FRAMES = st.builds(
    lambda version, kind, step, length, payload: HEADER.pack(version, kind, step, length) + payload,
    st.sampled_from([VERSION, 0, 255]),
    st.sampled_from([*map(int, Kind), 0, 255]),
    st.sampled_from([0, 1, 2, (1 << 64) - 1]),
    st.sampled_from([0, 1, 8, 64 << 10, 1 << 30, (1 << 64) - 1]),
    st.binary(max_size=16),
)


@given(stream=st.lists(FRAMES | st.binary(max_size=40), max_size=4).map(b"".join), kinds=st.lists(st.booleans()))
@settings(max_examples=300)
def test_a_stream_of_anything_ends_in_what_was_expected_or_in_a_protocol_error(stream, kinds):
    ours, theirs = socket.socketpair()
    network = Network("alpha", {"bravo": Channel(ours, "bravo")}, timeout_s=5)
    theirs.sendall(stream)
    theirs.close()
    tracemalloc.start()
    try:
        with contextlib.suppress(ProtocolError):
            for is_mpc in [*kinds, True]:
                if is_mpc:
                    assert len(network.exchange({}, {"bravo": 8})["bravo"]) == 8
                else:
                    assert len(network.exchange_control({}, ["bravo"], 64)["bravo"]) <= 64
    finally:
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        network.close()
    assert memory < 1 << 20


SOME = settings(
    deadline=None,
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(SOME, max_examples=120)
# Which of bravo's words are other than it should say, by round and hearer, and how.
TWISTS = st.dictionaries(
    st.tuples(st.integers(0, 3), st.sampled_from(["alpha", "carol"])),
    st.tuples(st.sampled_from(["twist", "repeat", "nothing"]), st.integers(0, 1 << 32)),
    min_size=1,
    max_size=3,
)


@given(twists=TWISTS)
@SOME
def test_a_twisted_exchange_ends_in_one_agreement_or_in_an_error_at_everyone(twists, tmp_path_factory, monkeypatch):
    an_exchange_ends_well(twists, tmp_path_factory, monkeypatch)


@pytest.mark.deep
@given(twists=TWISTS)
@MANY
def test_any_twisted_exchange_ends_in_one_agreement_or_in_an_error(twists, tmp_path_factory, monkeypatch):
    an_exchange_ends_well(twists, tmp_path_factory, monkeypatch)


def an_exchange_ends_well(twists, tmp_path_factory, monkeypatch) -> None:
    """Who accepts has heard what bravo honestly said, and the same as whoever else accepts."""
    monkeypatch.setenv("POD_IP", "127.0.0.1")
    federation = make_federation(tmp_path_factory.mktemp("twisted"))
    said: list[bytes] = [encode(message) for message in MESSAGES]
    heard: dict[tuple[int, str], tuple[bytes, bytes]] = {}

    def tamper(at, peer, honest):
        said.append(honest)
        sent = honest
        if (at, peer) in twists:
            how, seed = twists[at, peer]
            choose = random.Random(seed).choice
            sent = choose(said) if how == "repeat" else b"" if how == "nothing" else twisted(honest, choose)
        heard[at, peer] = (honest, sent)
        return sent

    seen = {party: Seen() for party in PARTIES}

    def act(conversation):
        party = conversation.me
        key = load_private_key(federation.key_file(party).read_bytes())
        agreement = agree(federation.run, fetched(federation, party), key, conversation, seen[party])
        confirm(seen[party].verdicts, conversation)
        return agreement

    endings = all_do(meet(federation, {"bravo": tamper}), act)
    for party, ending in endings.items():
        assert ending.error is None or isinstance(ending.error, (Stopped, PeerMissing)), (party, ending.error)
    accepted = [party for party in PARTIES if endings[party].error is None]
    assert len({endings[party].value.context for party in accepted}) <= 1
    for party in {"alpha", "carol"}.intersection(accepted):
        for at in range(4):
            honest, sent = heard[at, party]
            assert decode(sent) == decode(honest), (party, at)
