"""Addition of XOR-shared numbers in log depth: Sklansky's prefix adder, and its top carry as a tree."""

import numpy as np

from conclave.mpc.bits import and_planes
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, concat_planes


def sklansky_levels(bits: int) -> list[tuple[list[int], list[int]]]:
    """Per level, the places to combine, and the place (the top of the block below) to combine each with.

    >>> sklansky_levels(4)
    [([1, 3], [0, 2]), ([2, 3], [1, 1])]
    """
    levels = []
    distance = 1
    while distance < bits:
        upper = [i for i in range(bits) if i // distance % 2]
        levels.append((upper, [i // distance * distance - 1 for i in upper]))
        distance *= 2
    return levels


def _add_cost(n: int, bits: int) -> Cost:
    total = and_planes.cost(n=n, planes=bits - 1)
    for level, (upper, _) in enumerate(sklansky_levels(bits - 1)):
        carried = sum(i >= 2 << level for i in upper)
        total += and_planes.cost(n=n, planes=len(upper) + carried)
    return total


@costs_as(_add_cost)
def add_planes(x: Planes, y: Planes, me: Party) -> Planes:
    """Add numbers mod 2**bits.

    Shapes:  x, y: `bits` planes of n, lowest first; so is the sum.
    Reveals: nothing; see `and_planes`.
    """
    sums = x ^ y
    generate = and_planes(x[:-1], y[:-1], me)
    g_own, g_next = generate.own.copy(), generate.next.copy()
    p_own, p_next = sums.own[:-1].copy(), sums.next[:-1].copy()
    for level, (upper, lower) in enumerate(sklansky_levels(x.count - 1)):
        # The lowest block's "propagate" is never asked for again: nothing lies below it.
        carried = [(i, j) for i, j in zip(upper, lower, strict=True) if i >= 2 << level]
        above, below = [i for i, _ in carried], [j for _, j in carried]
        left = Planes(p_own[upper + above], p_next[upper + above], x.n)
        right = Planes(
            np.concatenate([g_own[lower], p_own[below]]), np.concatenate([g_next[lower], p_next[below]]), x.n
        )
        both = and_planes(left, right, me)
        g_own[upper] ^= both.own[: len(upper)]
        g_next[upper] ^= both.next[: len(upper)]
        p_own[above], p_next[above] = both.own[len(upper) :], both.next[len(upper) :]
    own, after = sums.own.copy(), sums.next.copy()
    own[1:] ^= g_own
    after[1:] ^= g_next
    return Planes(own, after, x.n)


def _top_cost(n: int, bits: int) -> Cost:
    total, left = and_planes.cost(n=n, planes=bits - 1), bits - 1
    while left > 1:
        # The lowest pair needs its "generate" only.
        total += and_planes.cost(n=n, planes=2 * (left // 2) - 1)
        left = (left + 1) // 2
    return total


@costs_as(_top_cost)
def top_bit_of_sum(x: Planes, y: Planes, me: Party) -> Planes:
    """Return only the highest bit of x + y mod 2**bits, which needs the carry into it and no other.

    Shapes:  x, y: `bits` planes of n, at least two; returns one plane.
    Reveals: nothing; see `and_planes`.
    """
    sums = x ^ y
    generate, propagate = and_planes(x[:-1], y[:-1], me), sums[:-1]
    while generate.count > 1:
        pairs = generate.count // 2
        g_low, g_high = generate[0 : 2 * pairs : 2], generate[1 : 2 * pairs : 2]
        p_low, p_high = propagate[0 : 2 * pairs : 2], propagate[1 : 2 * pairs : 2]
        both = and_planes(concat_planes([p_high, p_high[1:]]), concat_planes([g_low, p_low[1:]]), me)
        # An odd plane at the top waits for the next level. The lowest "propagate" is never used; g stands in
        # for it.
        generate = concat_planes([g_high ^ both[:pairs], generate[2 * pairs :]])
        propagate = concat_planes([g_low[:1], both[pairs:], propagate[2 * pairs :]])
    return sums[-1:] ^ generate
