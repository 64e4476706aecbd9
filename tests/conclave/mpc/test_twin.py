"""The plaintext twin computes what the three parties compute, in as many rounds, primitive by primitive."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.mpc.bits import and_bits, or_bits
from conclave.mpc.compare import all_equal, is_negative, is_zero, less_than
from conclave.mpc.convert import arithmetic_to_bits, bit_to_arithmetic, bits_to_arithmetic, columns_to_planes, select
from conclave.mpc.costs import Cost
from conclave.mpc.divide import divide
from conclave.mpc.errors import ProtocolError
from conclave.mpc.fixed import multiply_fixed, truncate
from conclave.mpc.known import OneKnows
from conclave.mpc.merge import merge_permutation
from conclave.mpc.multiply import multiply
from conclave.mpc.planes import concat_planes
from conclave.mpc.root import square_root
from conclave.mpc.scan import segmented_minimum
from conclave.mpc.shares import AShare, BitShare, open_bits
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.mpc.sort import partition, sort_permutation
from conclave.mpc.twin import Twin
from conclave.mpc.whole import divide_whole
from conclave.mpc.witness import compare_openings
from tests.conclave.mpc.three import NAMES, open_result, run_three_parties

MOST, LEAST = (1 << 63) - 1, -(1 << 63)
NUMBERS = st.one_of(st.integers(-4, 4), st.sampled_from([MOST, LEAST, MOST - 1, LEAST + 1]), st.integers(LEAST, MOST))


def ordered(x, bits, me):
    return sort_permutation(concat_planes(columns_to_planes([x, x], me, bits)), me)


def merged(x, me):
    """In order or not, halves are merged in one way."""
    key = concat_planes(columns_to_planes([x, x], me, 7))
    return merge_permutation(key, [x.n // 2, x.n - x.n // 2], me)[0]


def shuffled_and_sorted(x, me):
    """A shuffle's order is another one each time; a sort's is not."""
    moved = shuffle([x], SecretShuffle.draw(x.n, me), me)
    return ordered(moved[0], 64, me).apply(moved, me)


def compared(x, b, me):
    open_bits(b, me)
    compare_openings(me)
    return x


def taken(x, b, me):
    who = OneKnows(me.index_of("carol"))
    rows = np.arange(x.n)[::-1].copy() if who.is_mine(me) else None
    order = np.concatenate([rows[1:], rows[:1]]) if rows is not None else None
    columns = who.take([x, b], rows, x.n, me)
    bits = who.bits(None if rows is None else rows % 2, x.n, me)
    return [*who.permute(columns, order, me), bits]


# Of three columns: two of numbers of any size, one of bits.
EXACT = {
    "multiply": lambda x, y, b, me: multiply(x, y, me),
    "and, or": lambda x, y, b, me: or_bits(and_bits(b, x.lowest_bit(), me), y.lowest_bit(), me),
    "bit injection": lambda x, y, b, me: bit_to_arithmetic(b, me),
    "select": lambda x, y, b, me: select(b, x, y, me),
    "to bits": lambda x, y, b, me: arithmetic_to_bits(x, me),
    "to bits and back": lambda x, y, b, me: bits_to_arithmetic(arithmetic_to_bits(x, me), me),
    "sign": lambda x, y, b, me: is_negative(x, me),
    "less than": lambda x, y, b, me: less_than(x, y, me),
    "is zero": lambda x, y, b, me: is_zero(x, me),
    "all equal": lambda x, y, b, me: all_equal([(x, y, 64), (x, x, 5)], me),
    "minimum since": lambda x, y, b, me: segmented_minimum([x, y], b, me),
    "sort, and apply": lambda x, y, b, me: ordered(x, 64, me).apply([x, y, b], me),
    "sort by few bits": lambda x, y, b, me: ordered(x, 3, me).apply([x, y, b], me),
    "sort, and undo": lambda x, y, b, me: ordered(x, 7, me).undo([x, b], me),
    "merge, and apply": lambda x, y, b, me: merged(x, me).apply([x, y, b], me),
    "merge, and undo": lambda x, y, b, me: merged(x, me).undo([x, b], me),
    "partition": lambda x, y, b, me: partition(b, [x, y, b], me)[0],
    "shuffle, and sort": lambda x, y, b, me: shuffled_and_sorted(x, me),
    "what one knows": lambda x, y, b, me: taken(x, b, me),
    "openings compared": lambda x, y, b, me: compared(x, b, me),
}
# Of numbers that leave room, and off by no more than so many units.
NEAR = {
    "truncate": (1, lambda x, y, b, me: truncate(x, 7, me)),
    "fixed product": (2, lambda x, y, b, me: multiply_fixed(x, y, me)),
    "quotient": (4, lambda x, y, b, me: divide(x, y, me)),
    "whole quotient": (0, lambda x, y, b, me: divide_whole(x, y, me)[0]),
    "square root": (2, lambda x, y, b, me: square_root(x.add_public(1 << 50, me), me)),
}


def run_twin(work, x, y, b):
    me = Twin(NAMES)
    numbers = [AShare(v.astype(np.uint64), np.zeros(len(v), np.uint64)) for v in (x, y)]
    made = work(*numbers, BitShare(b.astype(np.uint8), np.zeros(len(b), np.uint8)), me)
    cost = Cost(me.network.rounds, me.network.bytes_sent)
    return open_result(made, me), cost


def listed(opened):
    return [part.tolist() for part in (opened if isinstance(opened, list | tuple) else [opened])]


ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), max_size=20)


@pytest.mark.parametrize("name", EXACT)
@given(rows=ROWS)
@example(rows=[])
@example(rows=[(MOST, LEAST, True)])
@example(rows=[(3, 3, False)] * 5)
@example(rows=[(LEAST, MOST, True), (LEAST, LEAST, False), (-1, 1, True)])
@settings(max_examples=1)
def test_the_twin_computes_the_same_in_as_many_rounds(name, rows):
    work = EXACT[name]
    x, y = (np.array([row[k] for row in rows], np.int64) for k in (0, 1))
    b = np.array([row[2] for row in rows], bool)
    run, (opened, cost) = run_three_parties(work, x, y, b), run_twin(work, x, y, b)
    assert listed(opened) == listed(run.opened)
    assert cost.rounds == run.cost.rounds
    assert run.cost.bytes_sent <= cost.bytes_sent <= 1.4 * run.cost.bytes_sent + 64


@pytest.mark.parametrize("name", NEAR)
def test_the_twin_is_as_near_as_the_parties_are(name):
    off, work = NEAR[name]
    x = np.array([0, 1, -1, 5, 1 << 33, -(1 << 40), (1 << 45) + 12345, 77 << 32], np.int64)
    y = np.array([1, 1, 3 << 32, -2 << 32, 1 << 31, 9 << 30, -(1 << 33), 5 << 32], np.int64)
    b = np.zeros(len(x), bool)
    run, (opened, cost) = run_three_parties(work, x, y, b), run_twin(work, x, y, b)
    assert np.abs(opened.astype(np.int64) - run.opened.astype(np.int64)).max() <= 2 * off
    assert cost.rounds == run.cost.rounds


def test_a_twin_hears_from_nobody():
    with pytest.raises(ProtocolError):
        Twin(NAMES).network.exchange_control({}, ["bravo"], 10)
