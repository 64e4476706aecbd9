"""Keys of a run: one for each pair and purpose, none made twice, none ever sent; and no view of a run tells the data."""

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

import conclave.mpc
from conclave.mpc import randomness, seeds
from conclave.mpc.channel import Network
from conclave.mpc.compare import less_than
from conclave.mpc.convert import arithmetic_to_planes, bit_to_arithmetic
from conclave.mpc.divide import divide
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.randomness import Stream, Streams
from conclave.mpc.shares import open_bits
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.mpc.sort import partition, sort_permutation
from conclave.mpc.together import for_each
from conclave.mpc.witness import compare_openings
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.groupby import group_by
from conclave.operators.join import join_unique
from conclave.operators.table import SecretColumn, SecretTable
from tests.conclave.mpc.three import NAMES, deal_input, run_parties

MPC = Path(conclave.mpc.__path__[0])


def much(x, y, me):
    """Much of the engine, some of it side by side; ends in a bit that the three open."""
    order = sort_permutation(arithmetic_to_planes(x, me), me)
    a, b = shuffle(order.apply([x, y], me), SecretShuffle.draw(x.n, me), me)
    quotients = for_each([a, b], lambda column, lane: divide(column, y, lane), me)
    less = less_than(*quotients, me)
    partition(less, [a], me)
    left = SecretTable(x.n, {"k": SecretColumn(x), "v": SecretColumn(multiply(a, bit_to_arithmetic(less, me), me))})
    groups = group_by(left, ["k"], [AggregateSpec("s", "sum", "v"), AggregateSpec("m", "min", "v")], me)
    joined = join_unique(left, groups.rename({"k": "other"}), [("k", "other")], me)
    compare_openings(me)
    return joined.valid_bits(me)


def run(x, y, network_type=Network):
    dealt = [deal_input(value) for value in (x, y)]

    def work(network):
        me = Party.setup(network, NAMES, b"run and plan")
        return open_bits(much(*(shares[me.index] for shares in dealt), me), me), network

    return run_parties(work, NAMES, network_type)


def test_no_key_serves_two_purposes_and_none_is_sent(monkeypatch):
    made, segments, derived = Counter(), Counter(), defaultdict(set)
    derive, begin, init = randomness.derive, Stream._begin_segment, Stream.__init__

    def noting_derive(secret, label):
        derived[derive(secret, label)].add((secret, label))
        return derive(secret, label)

    def noting_init(self, key):
        made[key] += 1
        self.noted = key
        init(self, key)

    def noting_begin(self):
        segments[self.noted, self._segments] += 1
        begin(self)

    for module in (randomness, seeds):
        monkeypatch.setattr(module, "derive", noting_derive)
    monkeypatch.setattr(Stream, "__init__", noting_init)
    monkeypatch.setattr(Stream, "_begin_segment", noting_begin)
    sent = []

    class Listening(Network):
        def exchange_control(self, outgoing, incoming, limit, patience_s=0.0):
            sent.extend(outgoing.values())
            return super().exchange_control(outgoing, incoming, limit, patience_s)

    x = np.arange(40) % 7
    run(x, x + 1, Listening)
    assert len(made) > 40
    # Each by the two that have it in common, or by one alone; a nonce of a key is begun once by each of them.
    assert set(made.values()) <= {1, 2}
    assert set(segments.values()) <= {1, 2}
    assert all(len(origins) == 1 for origins in derived.values())
    assert len(sent) >= 12
    assert not {bytes(payload) for payload in sent} & set(made)


def labels() -> dict[str, set[str]]:
    """Return the names of streams, with the modules that draw from each."""
    found = defaultdict(set)
    for path in MPC.glob("[a-z]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.search(r"(\.use|common)$", ast.unparse(node.func)):
                last = node.args[-1]
                if isinstance(last, ast.Constant) and isinstance(last.value, str):
                    found[last.value].add(path.stem)
    return found


def test_each_purpose_has_a_stream_of_its_own():
    found = labels()
    assert len(found) >= 12
    # What is dealt again after moving is dealt by `move` and by `split`, which are one protocol in two files.
    assert {label: modules for label, modules in found.items() if len(modules) > 1} == {"rejoin": {"move", "split"}}


def test_a_stream_is_no_fork_whatever_it_is_called():
    streams = Streams(b"a" * 32, b"b" * 32)
    forked = streams.fork()
    drawn = {
        streams.with_next.use("fork 1").draw(4).tobytes(),
        forked.with_next.use("fork 1").draw(4).tobytes(),
        forked.with_next.use("x").draw(4).tobytes(),
        streams.with_next.use("x").draw(4).tobytes(),
        Stream(randomness.derive(b"a" * 32, b"fork 1")).draw(4).tobytes(),
    }
    assert len(drawn) == 5


class Listening(Network):
    """Keeps what was received, in order, and from whom."""

    def __init__(self, *args):
        super().__init__(*args)
        self.heard = []

    def exchange(self, outgoing, incoming):
        received = super().exchange(outgoing, incoming)
        self.heard += [(peer, bytes(payload)) for peer, payload in sorted(received.items()) if payload]
        return received


def differ(first: bytes, second: bytes) -> float:
    """Chi-square of whether two samples of bytes are of one distribution: at most 255 degrees of freedom."""
    a, b = (np.bincount(np.frombuffer(sample, np.uint8), minlength=256).astype(float) for sample in (first, second))
    both = a + b
    return float((((a - b) ** 2)[both > 0] / both[both > 0]).sum())


# Of 255 degrees of freedom, 440 and more has a chance below 10**-11; some thousand messages are compared.
MOST = 440.0


@pytest.mark.deep
def test_no_partys_view_tells_one_input_from_another():
    """Every message of a run through much of the engine, and what equally long ones differ by, as one mask for both would show.

    What is opened on the way is random orders, alike by themselves; the answer's bits are opened after the last message
    that counts.
    """
    n = 8_000
    views = []
    for x, y in (
        (np.zeros(n, np.int64), np.ones(n, np.int64)),
        (np.arange(n) * 1_234_577, np.full(n, -(1 << 33))),
    ):
        ended = run(x, y, Listening)
        views.append({name: network.heard[:-1] for name, (_, network) in ended.items()})
    compared = 0
    for name in NAMES:
        first, second = (view[name] for view in views)
        assert [(peer, len(m)) for peer, m in first] == [(peer, len(m)) for peer, m in second]
        last: dict[int, tuple[bytes, bytes]] = {}
        for (peer, a), (_, b) in zip(first, second, strict=True):
            assert differ(a, b) < MOST, (name, peer, len(a))
            if len(a) in last:
                before, also = last[len(a)]
                assert differ(_xor(a, before), _xor(b, also)) < MOST, (name, peer, len(a))
            last[len(a)] = a, b
            compared += 1
    assert compared > 300


def _xor(a: bytes, b: bytes) -> bytes:
    return (np.frombuffer(a, np.uint8) ^ np.frombuffer(b, np.uint8)).tobytes()


def test_the_comparison_of_views_finds_a_bit_that_is_not_masked():
    rng = np.random.default_rng(7)
    noise, other = (rng.integers(0, 256, 64_000, dtype=np.uint8) for _ in range(2))
    assert differ(noise.tobytes(), other.tobytes()) < MOST
    assert differ((noise & 0x7F).tobytes(), other.tobytes()) > MOST
