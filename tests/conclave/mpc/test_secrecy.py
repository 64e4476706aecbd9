import ast
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

import conclave.mpc
from conclave.mpc import randomness
from conclave.mpc.bits import and_bits, and_words
from conclave.mpc.channel import Network
from conclave.mpc.compare import less_than
from conclave.mpc.convert import arithmetic_to_planes, bit_to_arithmetic, bits_to_arithmetic
from conclave.mpc.divide import divide
from conclave.mpc.errors import AgreementError
from conclave.mpc.fixed import lift, multiply_and_truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes
from conclave.mpc.randomness import Stream, Streams
from conclave.mpc.shares import AShare, BitShare, BShare
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.mpc.sort import partition, sort_permutation
from tests.conclave.mpc.three import NAMES, run_parties, run_three_parties


def everything(x, y, me):
    """Sort, compare, divide and multiply: a run through most of the engine."""
    order = sort_permutation(arithmetic_to_planes(x, me), me)
    a, b = order.apply([x, y], me)
    return multiply(divide(a, b, me), bit_to_arithmetic(less_than(a, b, me), me), me)


def test_what_an_observer_sees_does_not_depend_on_the_data():
    ordered, reverse = np.arange(50), np.arange(50)[::-1] * 977 - 3
    first = run_three_parties(everything, ordered, reverse)
    second = run_three_parties(everything, np.zeros(50, np.int64), ordered)
    assert first.transcripts == second.transcripts
    assert len(first.transcripts[0]) > 200


def test_neighbours_agree_on_streams_and_zero_shares_add_up_to_zero():
    def work(network):
        me = Party.setup(network, NAMES, b"run and plan")
        draws = [me.streams.with_next.use("x").draw(4), me.streams.with_prev.use("x").draw(4)]
        return draws, me.zero_mask(5), me.xor_mask(5), me.streams.with_next.use("p").permutation(9)

    results = run_parties(work)
    a, b, c = (results[name] for name in NAMES)
    for left, right in ((a, b), (b, c), (c, a)):
        np.testing.assert_array_equal(left[0][0], right[0][1])
    assert len({draw.tobytes() for r in (a, b, c) for draw in r[0]}) == 3
    assert not (a[1] + b[1] + c[1]).any()
    assert not (a[2] ^ b[2] ^ c[2]).any()
    assert a[1].any()
    assert a[2].any()


def test_two_runs_never_share_a_stream():
    def work(network):
        return Party.setup(network, NAMES, b"same context").streams.with_next.use("x").draw(2).tobytes()

    runs = [run_parties(work) for _ in range(2)]
    assert len({draw for run in runs for draw in run.values()}) == 6


@pytest.mark.parametrize("odd", [("alpha", "carol", "bravo"), NAMES])
def test_parties_that_mean_another_ring_or_run_stop_before_they_compute(odd):
    def work(network):
        is_odd = network.me == "bravo"
        Party.setup(network, odd if is_odd else NAMES, b"other run" if is_odd and odd == NAMES else b"run")

    with pytest.raises(AgreementError):
        run_parties(work)


def test_uses_of_one_seed_have_different_streams():
    streams = Streams(bytes(32), bytes(32))
    draws = [streams.with_next.use(label).draw(4).tobytes() for label in ("zero", "xor", "deal", "reshare")]
    assert len(set(draws)) == 4


def test_a_stream_does_not_repeat_itself():
    stream = Stream(bytes(32))
    assert stream.draw(1000).tobytes() != stream.draw(1000).tobytes()


@pytest.mark.parametrize("sizes", [[1 << 20], [1, 15, 3, 1 << 18, 77, 0, 5000]])
def test_a_stream_is_aes_in_counter_mode_and_begins_a_new_nonce_before_counters_repeat(sizes, monkeypatch):
    segment = 10_000
    monkeypatch.setattr(randomness, "SEGMENT_BYTES", segment)
    stream = Stream(b"k" * 32)
    drawn = b"".join(stream.draw(size, np.uint8).tobytes() for size in sizes)
    expected = b""
    for number in range(-(-len(drawn) // segment)):
        start = number.to_bytes(12, "big") + (2).to_bytes(4, "big")  # GCM's counter 1 is the tag's
        expected += Cipher(AES(b"k" * 32), modes.CTR(start)).encryptor().update(bytes(segment))
    assert drawn == expected[: len(drawn)]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 1000, (1 << 20) + 1])
def test_a_permutation_is_one(n):
    rows = Stream(b"k" * 32).permutation(n)
    np.testing.assert_array_equal(np.sort(rows), np.arange(n))


def looks_uniform(samples: bytes) -> bool:
    """Chi-square of bytes: 255 degrees of freedom, so 600 has a chance below 1e-13 with 512 bytes or more.

    That is by Chernoff's bound for 256 Poisson variables of mean 2, given their sum. What is not masked reaches
    thousands: a twelfth of 512 bytes that are alike is enough for more than 600.
    """
    assert len(samples) >= 512
    counts = np.bincount(np.frombuffer(samples, np.uint8), minlength=256)
    expected = counts.sum() / 256
    return float(((counts - expected) ** 2 / expected).sum()) < 600


@pytest.mark.deep
def test_what_a_party_receives_is_uniform_whatever_the_parts_it_is_made_of():
    """All parts of all inputs are zero here, so that only the masks can make what comes out random."""

    def work(x, me):
        zero, words, bits = x * 0, BShare(x.own * 0, x.next * 0), BitShare(*[np.zeros(x.n, np.uint8)] * 2)
        by = SecretShuffle.draw(x.n, me)
        products = [multiply(zero, zero, me), multiply(zero, zero, me), and_words(words, words, me)]
        lifted = lift(zero, me)
        wide = [AShare(*(np.concatenate(row) for row in (lifted.own, lifted.next)))]
        several = [multiply_and_truncate(lifted, lifted, 32, me), bits_to_arithmetic(words, me)]
        return [*products, *several, *shuffle([zero, words], by, me)], wide, and_bits(bits, bits, me)

    for fresh, wide, product in run_three_parties(work, np.zeros(16_000, np.int64)).shares:
        for share in fresh:
            assert looks_uniform(share.own.tobytes())
            assert looks_uniform(share.next.tobytes())
            assert looks_uniform((share.own + share.next).tobytes())
        assert len({share.own.tobytes() for share in fresh}) == len(fresh)  # no mask served twice
        # A dealt secret is masked at both who hold a part of it; the third part is a public zero.
        assert any(looks_uniform(row.tobytes()) for share in wide for row in (share.own, share.next))
        assert looks_uniform(np.packbits(product.own).tobytes())
        assert looks_uniform(np.packbits(product.own ^ product.next).tobytes())


class ListeningNetwork(Network):
    """Keeps what was received, round by round."""

    def __init__(self, *args):
        super().__init__(*args)
        self.heard = []

    def exchange(self, outgoing, incoming):
        received = super().exchange(outgoing, incoming)
        self.heard.append([bytes(payload) for payload in received.values()])
        return received


@pytest.mark.deep
def test_in_every_hop_of_a_shuffle_the_third_party_receives_noise():
    n = 16_000

    def work(network):
        me = Party.setup(network, NAMES, b"")
        zero = AShare(*[np.zeros(n, np.uint64)] * 2)
        for _ in range(3):
            shuffle([zero], SecretShuffle.draw(n, me), me)
        return network.heard

    for heard in run_parties(work, NAMES, ListeningNetwork).values():
        pairs = [messages for messages in heard if len(messages) == 2]
        assert len(pairs) == 3  # once in each of the three shuffles this party is left out
        for messages in pairs:
            first, second = (np.frombuffer(message, np.uint64)[:n] for message in messages)
            # Their sum too: with one mask for both, it would show the permuted sum of parts the party knows.
            for noise in (first, second, first + second):
                assert looks_uniform(noise.tobytes())


def test_in_a_sort_the_dealer_receives_nothing_and_the_others_noise_and_permutations():
    n = 16_000

    def work(network):
        me = Party.setup(network, NAMES, b"")
        zeros = [np.zeros((5, n // 64), np.uint64) for _ in range(2)]
        network.heard.clear()
        order = sort_permutation(Planes(*zeros, n), me)
        order.undo(order.apply([AShare(*[np.zeros(n, np.uint64)] * 2)], me), me)
        partition(BitShare(*[np.zeros(n, np.uint8)] * 2), [order.rows], me)
        return network.heard

    heard = run_parties(work, NAMES, ListeningNetwork)
    assert not any(message for messages in heard[NAMES[0]] for message in messages)  # empty ones keep it in step
    opened = 0
    for name in NAMES[1:]:
        for message in [message for messages in heard[name] for message in messages]:
            places = np.frombuffer(message, np.uint32) if len(message) == 4 * n else np.zeros(0)
            if np.array_equal(np.sort(places), np.arange(n)):
                opened += 1
            else:
                assert looks_uniform(message)
    assert opened == 6  # to party 1: three passes, apply, undo, partition; party 2 computes them


def test_in_a_comparison_the_dealer_receives_nothing_and_the_others_noise():
    n = 4096

    def work(network):
        me = Party.setup(network, NAMES, b"")
        network.heard.clear()
        zeros = AShare(*[np.zeros(n, np.uint64)] * 2)
        return network, less_than(zeros, zeros, me)

    runs = run_parties(work, NAMES, ListeningNetwork)
    assert not any(message for messages in runs[NAMES[0]][0].heard for message in messages)
    for name in NAMES[1:]:
        heard = [message for messages in runs[name][0].heard for message in messages if message]
        assert len(heard) == {NAMES[1]: 12, NAMES[2]: 6}[name]
        for message in heard:
            # No plane is left without a mask, and no mask serves twice.
            assert looks_uniform(message)
            words = np.frombuffer(message, np.uint64)
            assert len(np.unique(words)) == len(words)
    for _, shared in runs.values():
        assert looks_uniform(np.packbits(shared.own).tobytes())
        assert looks_uniform(np.packbits(shared.next).tobytes())
    assert not any(runs[NAMES[0]][1].own ^ runs[NAMES[0]][1].next ^ runs[NAMES[1]][1].next)


@pytest.mark.deep
def test_permutations_are_uniform():
    stream = Stream(b"u" * 32)
    seen = np.zeros(24)
    for _ in range(12_000):
        a, b, c, _ = stream.permutation(4)
        seen[a * 6 + (b - (b > a)) * 2 + (c > next(x for x in range(4) if x not in (a, b)))] += 1
    assert (
        (seen - 500) ** 2 / 500
    ).sum() < 70  # 23 degrees of freedom: one key in a million passes it; this one does not


def modules() -> list[Path]:
    return sorted(Path(conclave.mpc.__path__[0]).glob("[a-z]*.py"))


def test_the_charter_lists_every_file_and_no_other_in_an_order_that_imports_allow():
    listed = re.findall(r"^- (\w+): ", conclave.mpc.__doc__, re.MULTILINE)
    assert sorted(listed) == sorted(module.name for module in pkgutil.iter_modules(conclave.mpc.__path__))
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("conclave.mpc."):
                assert listed.index(node.module.split(".")[2]) < listed.index(path.stem), path


def test_no_module_writes_to_a_log():
    for path in modules():
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"print", "logging", "eval", "pickle"}, path
