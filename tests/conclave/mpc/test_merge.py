"""The merge of sorted runs, against numpy: any runs, any width, any order of equal rows but a lost or doubled one."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conclave.mpc.convert import arithmetic_to_planes
from conclave.mpc.errors import ShapeError
from conclave.mpc.merge import bitonic_merge, is_greater, merge_permutation, pays
from conclave.mpc.planes import concat_planes, concat_rows, public_numbers
from conclave.plan.runs import may_pay
from tests.conclave.mpc.strategies import EXTREMES, int64_vectors
from tests.conclave.mpc.three import run_three_parties

N = 37
NUMBERS = st.one_of(st.sampled_from(EXTREMES), st.integers(-3, 3))
RUNS = st.lists(st.lists(NUMBERS, max_size=40), max_size=5)


def below_each_other(runs):
    """Runs, each in order, as one column."""
    return np.concatenate(
        [np.zeros(0, np.uint64), *(np.sort(np.array(run, np.int64).astype(np.uint64)) for run in runs)]
    )


def merged(keys, numbers, me, runs, bits=64):
    """Keys and row numbers in the merged order, the key as the merge brings it along, and the rows brought back."""
    order, planes = merge_permutation(arithmetic_to_planes(keys, me, bits), runs, me)
    moved = order.apply([keys, numbers], me)
    return [*moved, planes.words(), *order.undo(moved, me)]


@given(runs=RUNS)
@example(runs=[])
@example(runs=[[], []])
@example(runs=[[5]])
@example(runs=[[5], [-5]])
@example(runs=[[7] * 70, [7] * 3, [7]])
@example(runs=[list(range(65)), list(range(-64, 1))])
@example(runs=[list(range(130)), [], list(range(50, 120)), [EXTREMES[4]] * 3, [EXTREMES[6]] * 5])
def test_merged_rows_are_sorted_rows(runs):
    keys, lengths = below_each_other(runs), [len(run) for run in runs]
    numbers = np.arange(len(keys))
    got, rows, key, *back = run_three_parties(merged, keys.view(np.int64), numbers, runs=lengths).opened
    np.testing.assert_array_equal(got, np.sort(keys))
    np.testing.assert_array_equal(key, np.sort(keys))
    np.testing.assert_array_equal(np.sort(rows), numbers)
    np.testing.assert_array_equal(keys[rows.astype(int)], got)
    np.testing.assert_array_equal(back[0], keys)
    np.testing.assert_array_equal(back[1], numbers)


@given(runs=RUNS)
@example(runs=[[3] * 20, [3] * 45, [2, 3]])
def test_a_key_that_ends_in_row_numbers_is_merged_stably_in_the_order_of_a_sort(runs):
    keys, lengths = below_each_other(runs), [len(run) for run in runs]

    def work(x, me):
        numbers = public_numbers(np.arange(len(keys), dtype=np.uint64), 8, me)
        key = concat_planes([numbers, arithmetic_to_planes(x, me, 64)])
        return merge_permutation(key, lengths, me)[0].apply([x], me), merge_permutation(key, lengths, me)[0].rows

    (got,), rows = run_three_parties(work, keys.view(np.int64)).opened
    np.testing.assert_array_equal(got, np.sort(keys))
    np.testing.assert_array_equal(rows, np.argsort(keys, kind="stable"))


def test_rows_that_fall_are_merged_by_the_opposite_bits():
    runs = [[9, 4, 4, -(1 << 63)], [(1 << 63) - 1, 4, 0], [-1]]
    keys = np.array([key for run in runs for key in run], np.int64)

    def work(x, me):
        planes = arithmetic_to_planes(x, me, 64)
        key = concat_planes([planes[:-1].invert(me), planes[-1:]])  # signed numbers, the greatest first
        return merge_permutation(key, [4, 3, 1], me)[0].apply([x], me)

    (got,) = run_three_parties(work, keys).opened
    assert got.astype(np.int64).tolist() == sorted(keys.tolist(), reverse=True)


@pytest.mark.parametrize("bits", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("runs", [[20, 17], [64, 64], [1, 130], [3, 0, 90, 12, 12]])
def test_a_merge_costs_what_it_declares(runs, bits):
    rng, n = np.random.default_rng(bits), sum(runs)
    keys = below_each_other([rng.integers(0, 1 << min(bits, 62), run) for run in runs])

    def work(x, me):
        planes = arithmetic_to_planes(x, me, bits)
        before = me.network.rounds, me.network.bytes_sent
        order, _ = merge_permutation(planes, runs, me)
        spent = me.network.rounds - before[0], me.network.bytes_sent - before[1]
        return order.rows, spent

    rows, spent = run_three_parties(work, keys.view(np.int64)).opened
    assert np.array_equal(np.sort(rows), np.arange(n))
    np.testing.assert_array_equal(keys[rows], np.sort(keys))
    cost = merge_permutation.cost(runs=runs, bits=bits)
    assert spent == [cost.rounds, cost.bytes_sent]
    if len(runs) == 2:
        assert cost == bitonic_merge.cost(n=n, planes=bits, numbers=(n - 1).bit_length())


def test_what_an_observer_sees_of_a_merge_is_the_same_for_all_data_in_order_or_not():
    runs = [30, 70, 5]
    inputs = [np.zeros(105, np.int64), np.arange(105), np.arange(105)[::-1] * 977 - 3]
    first, second, third = (run_three_parties(merged, keys, keys, runs=runs).transcripts for keys in inputs)
    assert first == second == third
    assert len(first[0]) > 60


@given(keys=int64_vectors(N))
def test_of_runs_that_are_in_no_order_no_row_is_lost(keys):
    got, rows, _, *back = run_three_parties(merged, keys, np.arange(N), runs=[20, 17]).opened
    np.testing.assert_array_equal(np.sort(rows), np.arange(N))
    np.testing.assert_array_equal(got, keys.astype(np.uint64)[rows.astype(int)])
    np.testing.assert_array_equal(back[0], keys.astype(np.uint64))


@given(x=int64_vectors(N), y=int64_vectors(N))
@pytest.mark.parametrize("bits", [1, 2, 5, 64])
def test_greater_agrees_with_numpy_where_numbers_differ_at_its_declared_cost(x, y, bits):
    y[::5] = x[::5] ^ 1
    mask = np.uint64((1 << bits) - 1)

    def work(a, b, me):
        planes = [arithmetic_to_planes(each, me, bits) for each in (a, b)]
        before = me.network.rounds, me.network.bytes_sent
        found = is_greater(*planes, me)
        return found.bit(0), (me.network.rounds - before[0], me.network.bytes_sent - before[1])

    got, spent = run_three_parties(work, x, y).opened
    a, b = x.astype(np.uint64) & mask, y.astype(np.uint64) & mask
    np.testing.assert_array_equal(got.astype(bool)[a != b], (a > b)[a != b])
    cost = is_greater.cost(n=N, planes=bits)
    assert spent == [cost.rounds, cost.bytes_sent]


@given(
    lengths=st.lists(st.integers(0, 140), min_size=1, max_size=4), start=st.integers(0, 100), count=st.integers(0, 200)
)
@example(lengths=[64, 64], start=64, count=64)
@example(lengths=[1, 63, 65], start=63, count=2)
def test_rows_of_planes_are_cut_put_below_each_other_and_turned_round_as_arrays_are(lengths, start, count):
    parts = [np.arange(length, dtype=np.uint64) * 97 % 128 for length in lengths]
    whole = np.concatenate(parts)
    cut = slice(min(start, len(whole)), min(start + count, len(whole)))

    def work(me):
        planes = [public_numbers(part, 7, me) for part in parts]
        # What lies beyond the last row means nothing, and must not come to mean something.
        for each in planes:
            if each.n % 64:
                each.own[:, -1] |= ~np.uint64((1 << each.n % 64) - 1)
        joined = concat_rows(planes)
        return joined.words(), joined.rows(cut.start, cut.stop).words(), joined.upside_down().words()

    joined, some, turned = run_three_parties(work).opened
    np.testing.assert_array_equal(joined, whole)
    np.testing.assert_array_equal(some, whole[cut])
    np.testing.assert_array_equal(turned, whole[::-1])


def test_runs_that_are_not_the_rows_are_refused():
    def work(x, me):
        with pytest.raises(ShapeError):
            merge_permutation(arithmetic_to_planes(x, me, 3), [N, 1], me)
        return x

    run_three_parties(work, np.arange(N))


def test_plans_let_owners_order_rows_where_a_merge_can_pay_and_nowhere_that_it_pays_at_usual_sizes_is_left_out():
    sizes = [1 << k for k in range(4, 21)]
    for n_runs in (2, 3, 4, 5, 8, 9, 16):
        widths = {bits: [pays([n] * n_runs, bits) for n in sizes] for bits in (8, 16, 32, 48, 64, 96, 128)}
        assert all(any(found) for bits, found in widths.items() if may_pay(n_runs, bits)), n_runs
        assert not any(all(found) for bits, found in widths.items() if not may_pay(n_runs, bits)), n_runs
    assert all(pays([n, n], 64) for n in sizes)
    assert pays([1 << 18, 1 << 18], 32)
    assert not pays([1 << 12] * 4, 32)
