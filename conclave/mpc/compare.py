"""Comparisons in log depth, one bit per AND: equality, sign, less-than."""

from collections.abc import Sequence

import numpy as np

from conclave.mpc.bits import and_planes
from conclave.mpc.carry import less_of_sums, sign_of_sum
from conclave.mpc.convert import plane_bytes
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.deal import deal, known_to_both, view_of
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, concat_planes, words_to_planes
from conclave.mpc.shares import AShare, BitShare


def _all_ones_cost(n: int, planes: int) -> Cost:
    total = Cost(0, 0)
    while planes > 1:
        total += and_planes.cost(n=n, planes=planes // 2)
        planes = (planes + 1) // 2
    return total


@costs_as(_all_ones_cost)
def all_ones(x: Planes, me: Party) -> BitShare:
    """Return the AND of all planes, by halves.

    Shapes:  `planes` planes of n bits, at least one; n bits.
    Reveals: nothing.
    """
    while x.count > 1:
        half = x.count // 2
        both = and_planes(x[:half], x[half : 2 * half], me)
        x = concat_planes([both, x[2 * half :]])
    return x.bit(0)


def _equal_cost(n: int, bits: int = 64) -> Cost:
    return Cost(1, plane_bytes(n, bits)) + all_ones.cost(n=n, planes=bits)


def _all_equal_cost(n: int, bits: int) -> Cost:
    return _equal_cost(n, bits)


@costs_as(_all_equal_cost)
def all_equal(pairs: Sequence[tuple[AShare, AShare, int]], me: Party) -> BitShare:
    """Return whether x == y in the lowest `width` bits, for all of the pairs (x, y, width) at once.

    x - y = u + v is zero just if u and -v have the same bits; each view is known in the clear to somebody.

    Shapes:  n secrets mod 2**64 everywhere; cost is for bits = the sum of the widths, at least one.
    Reveals: nothing.
    Raises:  ShapeError if nothing is compared, or operands differ in length.
    """
    if not pairs:
        raise ShapeError("equality of no columns")
    n = pairs[0][0].n
    columns = []
    for x, y, width in pairs:
        view = view_of(x - y, me)
        columns.append(words_to_planes(view if me.index == 0 else np.negative(view), width))
    planes = np.concatenate(columns)
    u, v = Planes(*deal(planes, me, np.bitwise_xor), n), Planes(*known_to_both(planes, me), n)
    return all_ones((u ^ v).invert(me), me)


@costs_as(_equal_cost)
def equal(x: AShare, y: AShare, me: Party, bits: int = 64) -> BitShare:
    """Return whether x == y, looking at the lowest `bits` bits only.

    Shapes:  n secrets mod 2**64; n bits.
    Reveals: nothing.
    """
    return all_equal([(x, y, bits)], me)


@costs_as(_equal_cost)
def is_zero(x: AShare, me: Party, bits: int = 64) -> BitShare:
    """Return whether x == 0, looking at the lowest `bits` bits only.

    Shapes:  n secrets mod 2**64; n bits.
    Reveals: nothing.
    """
    return all_equal([(x, x * 0, bits)], me)


@costs_as(sign_of_sum.cost)
def is_negative(x: AShare, me: Party) -> BitShare:
    """Return the sign bit of signed 64-bit numbers.

    Shapes:  n secrets mod 2**64; n bits.
    Reveals: nothing.
    """
    return sign_of_sum(view_of(x, me), me)


def _less_than_cost(n: int, bits: int = 64) -> Cost:
    return sign_of_sum.cost(n=n) if bits < 64 else less_of_sums.cost(n=n)


@costs_as(_less_than_cost)
def less_than(x: AShare, y: AShare, me: Party, bits: int = 64) -> BitShare:
    """Return whether x < y as signed numbers.

    Shapes:  n secrets mod 2**64; n bits. With bits < 64 the caller promises that both are signed numbers of
             that many bits, so that x - y cannot overflow: a third of the bytes.
    Reveals: nothing.
    Raises:  ShapeError if x and y differ in length or ring.
    """
    if bits < 64:
        return is_negative(x - y, me)
    if x.n != y.n or x.dtype != y.dtype:
        raise ShapeError(f"less-than needs equal operands, got {x.n} of {x.dtype} and {y.n} of {y.dtype}")
    return less_of_sums(x.n, lambda rows: (view_of(x[rows], me), view_of(y[rows], me)), me)
