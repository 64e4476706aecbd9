"""Minimum per run of rows: a segmented scan of 2n comparisons in 2 log n levels (Brent, Kung, 1982)."""

from collections.abc import Sequence

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.bits import or_bits
from conclave.mpc.compare import less_than
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, concat_bits


def _levels(n: int) -> list[tuple[Array, int]]:
    """Per level, the places to combine, each with the one `distance` before it: up the tree, then down.

    >>> [(places.tolist(), distance) for places, distance in _levels(6)]
    [([1, 3, 5], 1), ([3], 2), ([5], 2), ([2, 4], 1)]
    """
    distances = [1 << k for k in range(max(n - 1, 0).bit_length())]
    up = [(np.arange(2 * d - 1, n, 2 * d), d) for d in distances]
    down = [(np.arange(3 * d - 1, n, 2 * d), d) for d in reversed(distances)]
    return [(places, distance) for places, distance in up + down if len(places)]


def _scan_cost(n: int, columns: int, bits: int = 64) -> Cost:
    total = Cost(0, 0)
    for places, _ in _levels(n):
        m = len(places)
        total += less_than.cost(n=columns * m, bits=bits) + or_bits.cost(n=columns * m) + or_bits.cost(n=m)
        total += bit_to_arithmetic.cost(n=columns * m) + multiply.cost(n=columns * m)
    return total


@costs_as(_scan_cost)
def segmented_minimum(columns: Sequence[AShare], is_first: BitShare, me: Party, bits: int = 64) -> list[AShare]:
    """Return, for every row, the signed minimum since the start of its run.

    Shapes:  n secrets mod 2**64 in each column, n bits that mark where runs start. With bits < 64 all
             are promised to be signed numbers of that many bits, see `less_than`.
    Reveals: nothing.
    """
    if not columns:
        return []
    rows = [(c.own.copy(), c.next.copy()) for c in columns]
    starts = (is_first.own.copy(), is_first.next.copy())
    for places, distance in _levels(is_first.n):
        before = places - distance
        here = concat_arithmetic([AShare(own[places], after[places]) for own, after in rows])
        earlier = concat_arithmetic([AShare(own[before], after[before]) for own, after in rows])
        start_here = BitShare(starts[0][places], starts[1][places])
        start_before = BitShare(starts[0][before], starts[1][before])
        # A run that starts here does not look back.
        keep = or_bits(less_than(here, earlier, me, bits), concat_bits([start_here] * len(rows)), me)
        kept = earlier + multiply(here - earlier, bit_to_arithmetic(keep, me), me)
        for (own, after), column in zip(rows, kept.split(len(rows)), strict=True):
            own[places], after[places] = column.own, column.next
        either = or_bits(start_here, start_before, me)
        starts[0][places], starts[1][places] = either.own, either.next
    return [AShare(own, after) for own, after in rows]
