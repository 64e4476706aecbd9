"""Square roots: normalise by an even power of two, iterate for the inverse root (Newton), scale back; see `divide`."""

import numpy as np

from conclave.mpc.convert import arithmetic_to_planes, bits_to_arithmetic
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.divide import prefix_or
from conclave.mpc.fixed import FRACTION_BITS, lift, multiply_and_truncate, truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, concat_planes
from conclave.mpc.shares import AShare, BShare

# Bits of a radicand's size, in pairs, and of the fraction while iterating; numbers below 4 stay below 2**62.
SIZE_BITS = 62
INNER_BITS = 60
# 2.125 - 1.25c is within 12.5% of 1/sqrt(c) for c in [1/4, 1], and a quarter is a truncation; each step squares the
# error and adds half of it: below 2**-50 after five.
START = 17 << (INNER_BITS - 3)
STEPS = 5
# The root of 2**62 * 2**FRACTION_BITS is 2**47, and the iteration's has INNER_BITS bits; the power makes up for 30.
_CUT = INNER_BITS - (FRACTION_BITS + SIZE_BITS) // 2 + (SIZE_BITS // 2 - 1)


def _square_root_cost(n: int) -> Cost:
    product = lift.cost(n=n) + multiply_and_truncate.cost(n=n)
    parts = [
        arithmetic_to_planes.cost(n=n, bits=SIZE_BITS),
        prefix_or.cost(n=n, planes=SIZE_BITS),
        bits_to_arithmetic.cost(n=2 * n),
        multiply.cost(n=n),
        truncate.cost(n=n).times(2),
        lift.cost(n=n),
        product.times(3 * STEPS),
        product,
        product,
        lift.cost(n=n),
    ]
    return sum(parts, Cost(0, 0))


@costs_as(_square_root_cost)
def square_root(x: AShare, me: Party) -> AShare:
    """Return the root of fixed-point numbers, with a relative error below 2**-48 and at most 2 units off on top.

    Shapes:  n secrets of at least 0 and below 2**62, FRACTION_BITS bits of each after the point.
    Reveals: nothing.
    """
    power, scale = _even_powers(x, me)
    # x * 4**(30 - j), in [2**60, 2**62), is c with 62 bits after the point: c is in [1/4, 1).
    scaled = truncate(multiply(x, power, me), SIZE_BITS - INNER_BITS, me)
    quarter = truncate(scaled, 2, me)
    c, y = lift(scaled, me), (-(scaled + quarter)).add_public(START, me)
    for _ in range(STEPS):
        wide = lift(y, me)
        cy = multiply_and_truncate(c, wide, INNER_BITS, me)
        cyy = multiply_and_truncate(lift(cy, me), wide, INNER_BITS, me)
        correction = lift((-cyy).add_public(3 << INNER_BITS, me), me)
        y = multiply_and_truncate(wide, correction, INNER_BITS + 1, me)
    root = multiply_and_truncate(c, lift(y, me), INNER_BITS, me)
    return multiply_and_truncate(lift(root, me), lift(scale, me), _CUT, me)


def _even_powers(x: AShare, me: Party) -> tuple[AShare, AShare]:
    """Return 4**(30 - j) and 2**j for the pair j of places that the highest one of x is in; zeros for x == 0."""
    planes = arithmetic_to_planes(x, me, SIZE_BITS)
    seen = prefix_or(planes[::-1], me)
    highest = (seen ^ concat_planes([seen[:1] ^ seen[:1], seen[:-1]]))[::-1]
    pairs = highest[0::2] ^ highest[1::2]
    none = np.zeros_like(pairs.own)
    spread = [
        np.stack([row[::-1], none], axis=1).reshape(2 * len(none), none.shape[1]) for row in (pairs.own, pairs.next)
    ]
    words = [Planes(spread[0], spread[1], x.n).words(), pairs.words()]
    own, after = (np.concatenate(rows) for rows in ([w.own for w in words], [w.next for w in words]))
    power, scale = bits_to_arithmetic(BShare(own, after), me).split(2)
    return power, scale
