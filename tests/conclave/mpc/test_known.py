"""What one party knows, whichever of the three it is, and what the two others see of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.mpc.known import (
    AllKnow,
    OneKnows,
    _agree,
    deal_bits,
    open_to_one,
    permute_known,
    take_known,
    undo_known,
)
from tests.conclave.mpc.strategies import bool_vectors, int64_vectors
from tests.conclave.mpc.test_secrecy import looks_uniform
from tests.conclave.mpc.three import deal_words, run_three_parties

N = 23
KNOWERS = pytest.mark.parametrize("knower", [0, 1, 2])


@KNOWERS
@given(x=int64_vectors(N), words=int64_vectors(N), bits=bool_vectors(N), seed=st.integers(0, 1 << 30))
@settings(max_examples=4)
def test_columns_go_where_the_knower_says_and_back(knower, x, words, bits, seed):
    order = np.random.default_rng(seed).permutation(N)

    def work(a, b, c, me):
        by = _agree(order if me.index == knower else None, N, knower, me)
        moved = permute_known([a, b, c], by, knower, me)
        return moved, undo_known(moved, by, knower, me)

    moved, back = run_three_parties(work, x, deal_words(words), bits).opened
    for got, same, expected in zip(moved, back, (x, words, bits), strict=True):
        np.testing.assert_array_equal(got.astype(np.int64), expected[order])
        np.testing.assert_array_equal(same.astype(np.int64), expected)


@pytest.mark.parametrize("who", [OneKnows(0), OneKnows(1), OneKnows(2), AllKnow()], ids=str)
@given(x=int64_vectors(N), bits=bool_vectors(N), rows=st.lists(st.integers(0, N - 1), max_size=40))
@settings(max_examples=6)
def test_rows_are_taken_as_often_as_the_knower_says(who, x, bits, rows):
    def work(a, b, me):
        return who.take([a, b], np.array(rows, np.int64) if who.is_mine(me) else None, len(rows), me)

    taken, flags = run_three_parties(work, x, bits).opened
    np.testing.assert_array_equal(taken.astype(np.int64), x[rows])
    np.testing.assert_array_equal(flags.astype(bool), bits[rows])


@KNOWERS
def test_of_no_rows_there_are_only_zeros(knower):
    def work(a, me):
        return take_known([a], np.zeros(3, np.int64) if me.index == knower else None, 3, knower, me)

    assert run_three_parties(work, np.zeros(0, np.int64)).opened[0].tolist() == [0, 0, 0]


@KNOWERS
def test_only_the_knower_is_shown_what_is_opened_and_what_it_says_is_heard(knower):
    numbers, bits = np.arange(N) * 977 - 5, np.arange(N) % 3 == 0
    shown = {}

    def work(a, b, me):
        shown[me.index] = open_to_one([a], [b], knower, me)
        who = OneKnows(knower)
        return who.number(41 + knower if who.is_mine(me) else None, me), who.bits(
            bits if who.is_mine(me) else None, N, me
        )

    run = run_three_parties(work, numbers, bits)
    number, dealt = run.opened
    assert number == 41 + knower
    np.testing.assert_array_equal(dealt.astype(bool), bits)
    opened = shown.pop(knower)
    np.testing.assert_array_equal(opened[0].astype(np.int64), numbers)
    np.testing.assert_array_equal(opened[1].astype(bool), bits)
    assert list(shown.values()) == [None, None]


@KNOWERS
def test_what_one_knows_costs_what_it_declares(knower):
    x, bits, rows = np.arange(N), np.ones(N, bool), np.arange(9)

    def mine(values, me):
        return values if me.index == knower else None

    def take(a, b, me):
        return take_known([a, b], mine(rows, me), 9, knower, me)

    # The party before the knower and the knower send most; index 0 is who declares.
    taken = run_three_parties(take, x, bits).cost
    assert taken == take_known.cost(n=N, count=9, words=1, bits=1)
    shown = run_three_parties(lambda a, b, me: open_to_one([a], [b], knower, me) and None, x, bits).cost
    assert shown == open_to_one.cost(n=N, words=1, bits=1)
    dealt = run_three_parties(lambda a, me: deal_bits(mine(bits, me), N, knower, me), x).cost
    assert dealt == deal_bits.cost(n=N)


@pytest.mark.deep
@KNOWERS
def test_the_others_receive_noise_and_an_order_that_is_uniform_by_itself(knower):
    """All parts are zero, so only masks can make what comes out random; of the order each sees a uniform one."""
    seen = []

    def work(x, me):
        by = _agree(np.arange(4) if me.index == knower else None, 4, knower, me)
        if me.index == (knower + 2) % 3:
            seen.append(tuple(by.with_prev.tolist()))
        elif me.index == (knower + 1) % 3:
            assert by.with_prev is None
        zero = x * 0
        order = _agree(np.arange(x.n) if me.index == knower else None, x.n, knower, me)
        return permute_known([zero], order, knower, me)

    for _ in range(60):
        run = run_three_parties(work, np.zeros(400, np.int64))
    assert len(set(seen)) > 12, "a fixed order is cut in two parts that are never the same"
    for index, (share,) in enumerate(run.shares):
        if index != knower:
            assert looks_uniform((share.own + share.next).tobytes())
