"""Addition of XOR-shared numbers in log depth: Sklansky's prefix adder."""

import numpy as np

from conclave.mpc.bits import and_planes
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes


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
