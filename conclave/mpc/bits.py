"""AND and what follows from it, on words, bits and bit planes: one round, one bit per AND and party."""

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.costs import costs
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes
from conclave.mpc.shares import BitShare, BShare, Share, pack_bits, unpack_bits


@costs(rounds=1, bytes_sent=lambda n: 8 * n)
def and_words(x: BShare, y: BShare, me: Party) -> BShare:
    """AND of words.

    Shapes:  n words each.
    Reveals: nothing; see `multiply`.
    Raises:  ShapeError if x and y differ.
    """
    _need_equal(x, y)
    z = _visible_terms(x.own, x.next, y.own, y.next) ^ me.xor_mask(x.n, x.dtype)
    return BShare(z, me.send_prev_receive_next(z), min(x.bits, y.bits))


@costs(rounds=1, bytes_sent=lambda n: (n + 7) // 8)
def and_bits(x: BitShare, y: BitShare, me: Party) -> BitShare:
    """AND of bits, packed on the wire.

    Shapes:  n bits each.
    Reveals: nothing; see `multiply`.
    Raises:  ShapeError if x and y differ in length.
    """
    _need_equal(x, y)
    packed = pack_bits(_visible_terms(x.own, x.next, y.own, y.next))
    packed ^= me.xor_mask(packed.shape, np.uint8)
    return BitShare(unpack_bits(packed, x.n), unpack_bits(me.send_prev_receive_next(packed), x.n))


@costs(rounds=1, bytes_sent=lambda n, planes: 8 * planes * ((n + 63) // 64))
def and_planes(x: Planes, y: Planes, me: Party) -> Planes:
    """AND of equally many bit planes.

    Shapes:  x, y hold `planes` planes of n bits.
    Reveals: nothing; see `multiply`.
    Raises:  ShapeError if x and y differ.
    """
    if x.own.shape != y.own.shape:
        raise ShapeError(f"AND needs equal planes, got {x.own.shape} and {y.own.shape}")
    z = _visible_terms(x.own, x.next, y.own, y.next) ^ me.xor_mask(x.own.shape)
    return Planes(z, me.send_prev_receive_next(z), x.n)


@costs(rounds=1, bytes_sent=lambda n: (n + 7) // 8)
def or_bits(x: BitShare, y: BitShare, me: Party) -> BitShare:
    """OR of bits: x ^ y ^ xy.

    Shapes:  n bits each.
    Reveals: nothing; see `and_bits`.
    """
    return x ^ y ^ and_bits(x, y, me)


@costs(rounds=1, bytes_sent=lambda n: (n + 7) // 8)
def select_bits(chosen: BitShare, yes: BitShare, no: BitShare, me: Party) -> BitShare:
    """Take `yes` where `chosen` is 1, else `no`.

    Shapes:  n bits each.
    Reveals: nothing; see `and_bits`.
    """
    return no ^ and_bits(chosen, yes ^ no, me)


def _visible_terms(x_own: Array, x_next: Array, y_own: Array, y_next: Array) -> Array:
    """XOR the 3 of the 9 cross terms that this party can see."""
    return np.asarray((x_own & (y_own ^ y_next)) ^ (x_next & y_own))


def _need_equal(x: Share, y: Share) -> None:
    if x.n != y.n or x.dtype != y.dtype:
        raise ShapeError(f"AND needs equal operands, got {x.n} of {x.dtype} and {y.n} of {y.dtype}")
