"""The sign of u + v mod 2**64, where party 0 knows u, and parties 1 and 2 both know v: one carry, in log depth.

Blocks of two bits are entered by their "generate" and "propagate" at once: with v known to both holders of the
dealt parts of u, both are linear in u_high, u_low and u_high & u_low, which the dealer can all deal. What
follows is a tree over 32 blocks; the lowest needs no "propagate".
"""

import numpy as np

from conclave.mpc import kernels
from conclave.mpc.arrays import Array
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.deal import deal, known_to_both
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, words_to_planes
from conclave.mpc.shares import BitShare
from conclave.mpc.split import DEALER, LEFT, RIGHT, common

# Bit 0 is a block of its own, bits 1 and 2 the next one, and so on to 61 and 62; bit 63 is the sign.
LOW, HIGH = slice(1, 63, 2), slice(2, 63, 2)
BLOCKS = 32


def _sign_cost(n: int) -> Cost:
    plane_bytes, pairs = 8 * ((n + 63) // 64), [BLOCKS >> level for level in range(1, BLOCKS.bit_length())]
    combined = sum(2 * count - 1 for count in pairs)
    return Cost(2 + len(pairs), plane_bytes * (64 + BLOCKS - 1 + combined))


@costs_as(_sign_cost)
def sign_of_sum(view: Array, me: Party) -> BitShare:
    """Return the highest bit of u + v mod 2**64.

    Shapes:  n words: u at party 0, the same v at the two others; n bits.
    Reveals: nothing: what is dealt and what is combined is masked, as in `deal`, `split.rejoin` and `and_planes`.
    """
    planes, n = words_to_planes(view, 64), len(view)
    dealt = np.concatenate([planes, planes[LOW] & planes[HIGH]])
    own, after = deal(dealt, me, np.bitwise_xor)
    top = Planes(own[63:64], after[63:64], n) ^ Planes(*known_to_both(planes[63:], me), n)
    if me.index == DEALER:
        blocks = (_mask(RIGHT, me, planes.shape[1]), _mask(LEFT, me, planes.shape[1]))
        me.round({}, {})
    else:
        is_left = me.index == LEFT
        mask = _mask(DEALER, me, planes.shape[1])
        rest = mask.copy()
        kernels.enter_blocks(own if is_left else after, planes, int(is_left), rest)
        other = LEFT + RIGHT - me.index
        theirs = np.frombuffer(me.round({other: rest}, {other: rest.nbytes})[other], np.uint64)
        rest ^= theirs.reshape(rest.shape)
        blocks = (mask, rest) if is_left else (rest, mask)
    return (top ^ _carry(*blocks, n, me)).bit(0)


def _carry(own: Array, after: Array, n: int, me: Party) -> Planes:
    """Return the carry out of the highest block: rows are 32 times "generate", then 31 times "propagate"."""
    generate, propagate = (own[:BLOCKS], after[:BLOCKS]), (own[BLOCKS:], after[BLOCKS:])
    while len(generate[0]) > 1:
        pairs = len(generate[0]) // 2
        z = me.xor_mask((2 * pairs - 1, own.shape[1]))
        kernels.combine_blocks(*generate, *propagate, z)
        after_z = me.send_prev_receive_next(z)
        generate = (generate[0][1::2] ^ z[:pairs], generate[1][1::2] ^ after_z[:pairs])
        propagate = (z[pairs:], after_z[pairs:])
    return Planes(*generate, n)


def _mask(peer: int, me: Party, width: int) -> Array:
    return common(peer, me, "blocks").draw((2 * BLOCKS - 1, width))
