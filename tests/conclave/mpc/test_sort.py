import numpy as np
import pytest
from hypothesis import given

from conclave.mpc.convert import arithmetic_to_planes
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes
from conclave.mpc.scan import segmented_minimum
from conclave.mpc.shares import BShare, open_arithmetic, open_bits, open_words
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.mpc.sort import partition, sort_permutation
from tests.conclave.mpc.strategies import bool_vectors, int64_vectors
from tests.conclave.mpc.three import NAMES, deal_words, run_parties, run_three_parties

N = 37


@given(x=int64_vectors(N), y=int64_vectors(N), bits=bool_vectors(N))
def test_shuffle_moves_all_kinds_of_columns_alike(x, y, bits):
    def work(a, b, c, me):
        return shuffle([a, b, c], SecretShuffle.draw(N, me), me)

    shuffled = run_three_parties(work, x, deal_words(y), bits).opened
    rows = sorted(zip(x.tolist(), y.tolist(), bits.tolist(), strict=True))
    assert sorted(zip(*(s.astype(np.int64).tolist() for s in shuffled), strict=True)) == rows


def test_a_shuffle_costs_what_it_declares():
    x, bits = np.arange(N), np.ones(N, bool)
    run = run_three_parties(lambda a, b, me: shuffle([a, a, b], SecretShuffle.draw(N, me), me), x, bits)
    assert run.cost == shuffle.cost(n=N, words=2, bits=1)


def sort_with_payload(keys, payload, me, bits):
    order = sort_permutation(arithmetic_to_planes(keys, me, bits), me)
    moved = order.apply([keys, payload], me)
    return moved, order.undo(moved, me)


@given(keys=int64_vectors(N))
def test_sort_is_stable_and_undo_restores_the_rows(keys):
    keys[::4] = keys[0]
    numbers = np.arange(N)
    (sorted_keys, payload), back = run_three_parties(sort_with_payload, keys, numbers, bits=64).opened
    order = np.argsort(keys.astype(np.uint64), kind="stable")
    np.testing.assert_array_equal(payload.astype(np.int64), order)
    np.testing.assert_array_equal(sorted_keys.astype(np.int64), keys[order])
    np.testing.assert_array_equal(back[0].astype(np.int64), keys)
    np.testing.assert_array_equal(back[1].astype(np.int64), numbers)


@pytest.mark.parametrize("bits", [1, 2, 5, 9, 33, 64])
def test_sort_by_some_bits_costs_what_it_declares(bits):
    keys = np.random.default_rng(bits).integers(0, 1 << 62, N)

    def work(a, me):
        planes = arithmetic_to_planes(a, me, bits)
        before = me.network.rounds, me.network.bytes_sent
        rows = sort_permutation(planes, me).rows
        spent = me.network.rounds - before[0], me.network.bytes_sent - before[1]
        return rows.own + rows.next + me.send_next_receive_prev(rows.own), spent if me.index == 0 else None

    rows, spent = run_three_parties(work, keys).opened
    np.testing.assert_array_equal(rows, np.argsort(keys.astype(np.uint64) & np.uint64((1 << bits) - 1), kind="stable"))
    cost = sort_permutation.cost(n=N, bits=bits)
    assert spent == [cost.rounds, cost.bytes_sent]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_sorting_few_rows_works(n):
    keys = np.array([9, -4])[:n]
    moved, back = run_three_parties(sort_with_payload, keys, keys, bits=64).opened
    np.testing.assert_array_equal(moved[0], np.sort(keys.astype(np.uint64)))
    np.testing.assert_array_equal(back[0].astype(np.int64), keys)
    flags = np.ones(n, bool)
    assert run_three_parties(lambda f, me: partition(f, [], me)[0], flags).cost == partition.cost(n=n)


def test_composite_keys_longer_than_a_word_sort_most_significant_last():
    rng = np.random.default_rng(4)
    high, low = rng.integers(0, 3, N), rng.integers(0, 1 << 62, N)

    def work(a, b, me):
        key = [arithmetic_to_planes(b, me, 64), arithmetic_to_planes(a, me, 2)]
        joined = type(key[0])(*(np.concatenate([getattr(k, row) for k in key]) for row in ("own", "next")), N)
        return sort_permutation(joined, me).apply([a, b], me)

    got = run_three_parties(work, high, low).opened
    order = np.lexsort([low, high])
    np.testing.assert_array_equal(got[0].astype(np.int64), high[order])
    np.testing.assert_array_equal(got[1].astype(np.int64), low[order])


@given(flags=bool_vectors(N))
def test_partition_brings_zeros_to_the_front_in_their_order(flags):
    run = run_three_parties(lambda f, x, me: partition(f, [x], me)[0], flags, np.arange(N))
    expected = np.concatenate([np.flatnonzero(~flags), np.flatnonzero(flags)])
    np.testing.assert_array_equal(run.opened[0], expected)


@given(x=int64_vectors(N), y=int64_vectors(N), starts=bool_vectors(N))
def test_segmented_minimum_agrees_with_a_loop_at_its_declared_cost(x, y, starts):
    starts[0] = True
    for n in (0, 1, 2, 6, N):
        run = run_three_parties(lambda a, b, f, me: segmented_minimum([a, b], f, me), x[:n], y[:n], starts[:n])
        for got, column in zip(run.opened, (x, y), strict=True):
            begin = np.maximum.accumulate(np.where(starts[:n], np.arange(n), 0))
            expected = [column[b : k + 1].min() for k, b in enumerate(begin)]
            assert got.astype(np.int64).tolist() == expected
        assert run.cost == segmented_minimum.cost(n=n, columns=2)


def test_minimum_of_narrow_numbers_is_cheaper_and_partition_and_openings_cost_what_they_declare():
    x, flags = np.arange(N) - 9, np.arange(N) % 3 == 0
    flags[0] = True
    run = run_three_parties(lambda a, f, me: segmented_minimum([a], f, me, 63), x, flags)
    np.testing.assert_array_equal(run.opened[0].astype(np.int64), x[np.arange(N) // 3 * 3])
    assert run.cost == segmented_minimum.cost(n=N, columns=1, bits=63)
    assert run_three_parties(lambda f, me: partition(f, [], me)[0], flags).cost == partition.cost(n=N)
    for opening, value in ((open_arithmetic, x), (open_bits, flags), (open_words, deal_words(x))):
        run = run_three_parties(opening, value)
        assert run.cost == opening.cost(n=N)
        np.testing.assert_array_equal(run.opened.astype(np.int64), x if opening is not open_bits else flags)


def test_single_bits_in_wide_words_are_moved_as_bits():
    """What stands above a word's only bit in use is noise, and must not be taken for the bit when bits are packed."""
    flags = np.arange(40, dtype=np.uint64) % 2

    def work(network):
        me = Party.setup(network, NAMES, b"")
        noise = np.uint64(6)
        own = (flags if me.index == 0 else np.zeros(40, np.uint64)) | noise
        after = (flags if me.index == 2 else np.zeros(40, np.uint64)) | noise
        column = BShare(own, after, bits=1)
        key = Planes(*[np.zeros((3, 1), np.uint64)] * 2, 40)
        order = sort_permutation(key, me)
        (moved,) = order.apply([column], me)
        return open_words(moved, me) & 1

    for opened in run_parties(work, NAMES).values():
        np.testing.assert_array_equal(opened, flags)
