"""From bits to numbers and back."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from conclave.mpc.adder import add_planes
from conclave.mpc.arrays import Array
from conclave.mpc.costs import Cost, costs, costs_as
from conclave.mpc.deal import deal, known_to_both, view_of, view_of_bits
from conclave.mpc.errors import ShapeError
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, planes_to_words, words_to_planes
from conclave.mpc.shares import AShare, BitShare, BShare


@costs(rounds=2, bytes_sent=lambda n: 16 * n)
def bit_to_arithmetic(x: BitShare, me: Party, dtype: npt.DTypeLike = np.uint64) -> AShare:
    """Turn bits into numbers 0 and 1 (bit injection): x = u ^ v = u + v - 2uv, over the two views u and v.

    Shapes:  n bits; mod 2**32 if `dtype` is uint32, at half the bytes.
    Reveals: nothing; see `deal` and `multiply`.
    """
    view = view_of_bits(x, me).astype(dtype)
    u, v = AShare(*deal(view, me)), AShare(*known_to_both(view, me))
    return u + v - 2 * multiply(u, v, me)


@costs(rounds=3, bytes_sent=lambda n: 24 * n)
def multiply_by_bit(x: AShare, chosen: BitShare, me: Party) -> AShare:
    """Return x where the bit is 1, else 0.

    Shapes:  n secrets, n bits.
    Reveals: nothing.
    """
    return multiply(x, bit_to_arithmetic(chosen, me, x.dtype), me)


@costs(rounds=3, bytes_sent=lambda n: 24 * n)
def select(chosen: BitShare, yes: AShare, no: AShare, me: Party) -> AShare:
    """Take `yes` where `chosen` is 1, else `no`.

    Shapes:  n each.
    Reveals: nothing.
    """
    return no + multiply_by_bit(yes - no, chosen, me)


def deal_planes(view: Array, bits: int, me: Party) -> tuple[Planes, Planes]:
    """Share the two views of a secret as planes, u by one message of party 0 and v by none.

    One round; 8 * bits * ceil(n / 64) bytes from party 0.
    """
    planes, n = words_to_planes(view, bits), len(view)
    return Planes(*deal(planes, me, np.bitwise_xor), n), Planes(*known_to_both(planes, me), n)


def plane_bytes(n: int, planes: int) -> int:
    """Size of planes on the wire."""
    return 8 * planes * ((n + 63) // 64)


def _to_bits_cost(n: int, bits: int = 64) -> Cost:
    return Cost(1, plane_bytes(n, bits)) + (add_planes.cost(n=n, bits=bits) if bits > 1 else Cost(0, 0))


@costs_as(_to_bits_cost)
def arithmetic_to_planes(x: AShare, me: Party, bits: int = 64) -> Planes:
    """Return the lowest `bits` bits of numbers, as planes: the views are shared as bits, and added as bits.

    Shapes:  n secrets mod 2**64; `bits` planes.
    Reveals: nothing.
    """
    u, v = deal_planes(view_of(x, me), bits, me)
    return add_planes(u, v, me) if bits > 1 else u ^ v


def _columns_cost(n: int, columns: int, bits: int) -> Cost:
    return arithmetic_to_planes.cost(n=columns * 64 * ((n + 63) // 64), bits=bits)


@costs_as(_columns_cost)
def columns_to_planes(columns: Sequence[AShare], me: Party, bits: int) -> list[Planes]:
    """Return the lowest `bits` bits of several columns in the rounds of one, side by side in the planes.

    Shapes:  n secrets mod 2**64 in each column; `bits` planes for each.
    Reveals: nothing.
    """
    views = [words_to_planes(view_of(x, me), bits) for x in columns]
    n, width = columns[0].n, views[0].shape[1]
    beside, n_beside = np.concatenate(views, axis=1), 64 * width * len(columns)
    u = Planes(*deal(beside, me, np.bitwise_xor), n_beside)
    v = Planes(*known_to_both(beside, me), n_beside)
    total = add_planes(u, v, me) if bits > 1 else u ^ v
    starts = range(0, width * len(columns), width) if width else [0] * len(columns)
    return [Planes(total.own[:, at : at + width], total.next[:, at : at + width], n) for at in starts]


@costs_as(_to_bits_cost)
def arithmetic_to_bits(x: AShare, me: Party, bits: int = 64) -> BShare:
    """Return the lowest `bits` bits of numbers, as words.

    Shapes:  n secrets mod 2**64; n words.
    Reveals: nothing.
    """
    return arithmetic_to_planes(x, me, bits).words()


def _to_arithmetic_cost(n: int) -> Cost:
    # Party 1 deals, so that party 0, whose bytes we count, sends nothing in the first round.
    return Cost(1, 0) + add_planes.cost(n=n, bits=64) + Cost(1, plane_bytes(n, 64))


@costs_as(_to_arithmetic_cost)
def bits_to_arithmetic(x: BShare, me: Party) -> AShare:
    """Turn words into numbers mod 2**64: add a random number as bits, and open the sum to two of the parties.

    Shapes:  n words of 64 bits; n secrets.
    Reveals: x - t_1 - t_2 to parties 0 and 2, neither of which knows both of the uniform t_1 and t_2.
    """
    if x.dtype != np.uint64:
        raise ShapeError(f"bits_to_arithmetic needs uint64 words, got {x.dtype}")
    t_1, t_2 = _masks_of_last_parts(x.n, me)
    mask = Planes(*deal(words_to_planes(np.negative(t_1 + t_2), 64), me, np.bitwise_xor, dealer=1), x.n)
    planes = Planes(words_to_planes(x.own, 64), words_to_planes(x.next, 64), x.n)
    total = add_planes(planes, mask, me)
    if me.index == 1:
        me.round({}, {})
        return AShare(t_1, t_2)
    # Party 0 lacks the last part, party 2 the middle one, and each holds what the other lacks.
    other, mine = (2, total.next) if me.index == 0 else (0, total.own)
    missing = np.frombuffer(me.round({other: mine}, {other: mine.nbytes})[other], np.uint64).reshape(mine.shape)
    t_0 = planes_to_words(total.own ^ total.next ^ missing, x.n)
    return AShare(t_0, t_1) if me.index == 0 else AShare(t_2, t_0)


def _masks_of_last_parts(n: int, me: Party) -> tuple[Array, Array]:
    """Return random t_1 (known to parties 0 and 1) and t_2 (to 1 and 2); zeros for a part not ours."""
    with_next, with_prev = me.streams.with_next.use("words"), me.streams.with_prev.use("words")
    zeros = np.zeros(n, np.uint64)
    if me.index == 0:
        return with_next.draw(n), zeros
    if me.index == 1:
        return with_prev.draw(n), with_next.draw(n)
    return zeros, with_prev.draw(n)
