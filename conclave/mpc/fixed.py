"""Fixed point: truncation and products that never fail, by lifting to 128 bits instead of trusting to luck.

Over the two views of a secret, x + offset = u + v - wrap * 2**64. The offset makes the left side's highest
bit zero, and then wrap is simply "u or v has its highest bit set": one product of two bits that somebody
knows in the clear, instead of a comparison, and instead of the usual small chance of a result that is wrong
by 2**(64 - f).
"""

from dataclasses import dataclass

import numpy as np

from conclave.mpc import wide
from conclave.mpc.arrays import Array
from conclave.mpc.costs import Cost, costs, costs_as
from conclave.mpc.deal import deal, known_to_both, view_of
from conclave.mpc.errors import ShapeError
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, in_ring

FRACTION_BITS = 32
# Numbers below this in size have room for the offset: x + LIMIT is not negative and stays below 2**63.
LIMIT = 1 << 62
WIDE_LIMIT = 1 << 126
TOP = np.uint64(63)


@dataclass(frozen=True, eq=False)
class WideShare:
    """n secrets mod 2**128: rows of shape (2, n), see `wide`."""

    own: Array
    next: Array

    @property
    def n(self) -> int:
        """Number of secrets."""
        return int(self.own.shape[1])

    def __getitem__(self, rows: slice) -> "WideShare":
        return WideShare(self.own[:, rows], self.next[:, rows])


@costs(rounds=2, bytes_sent=lambda n: 24 * n)
def truncate(x: AShare, places: int, me: Party) -> AShare:
    """Return x >> places, or one unit less.

    Shapes:  n signed secrets below 2**62 in size; 0 <= places <= 62.
    Reveals: nothing; see `deal` and `multiply`.
    """
    view = _offset_view(x, me)
    parts = np.concatenate([view >> np.uint64(places), view >> TOP])
    u_shifted, u_top = AShare(*deal(parts, me)).split(2)
    v_shifted, v_top = AShare(*known_to_both(parts, me)).split(2)
    wrap = u_top + v_top - multiply(u_top, v_top, me)
    return (u_shifted + v_shifted - wrap * (1 << (64 - places))).add_public(-(LIMIT >> places), me)


@costs(rounds=2, bytes_sent=lambda n: 32 * n)
def lift(x: AShare, me: Party) -> WideShare:
    """Return the same signed numbers mod 2**128.

    Shapes:  n signed secrets of at least -2**62 and less than 2**62.
    Reveals: nothing.
    """
    view = _offset_view(x, me)
    top = view >> TOP
    # Each view minus 2**64 where its top bit is set; where both are set that is once too often.
    parts = np.stack([view, np.negative(top), top])
    return _add_views(parts, 64, -LIMIT, me)


@costs(rounds=2, bytes_sent=lambda n: 32 * n)
def truncate_wide(x: WideShare, places: int, me: Party) -> WideShare:
    """Return x >> places, or one unit less, mod 2**128.

    Shapes:  n signed secrets below 2**126 in size; 1 <= places <= 63.
    Reveals: nothing.
    """
    if me.index == 0:
        view = wide.add(wide.add(x.own, x.next), wide.constant(WIDE_LIMIT, x.n))
    else:
        view = x.next if me.index == 1 else x.own
    top = view[1] >> TOP
    shifted = wide.shift_right(view, places)
    shifted[1] -= top << np.uint64(64 - places)
    return _add_views(np.stack([*shifted, top]), 128 - places, -(WIDE_LIMIT >> places), me)


@costs(rounds=1, bytes_sent=lambda n: 16 * n)
def multiply_wide(x: WideShare, y: WideShare, me: Party) -> WideShare:
    """Multiply elementwise mod 2**128.

    Shapes:  n secrets each.
    Reveals: nothing; see `multiply`.
    """
    z = _visible_terms(x, y)
    ours = me.streams.with_next.use("zero wide").draw((2, x.n))
    theirs = me.streams.with_prev.use("zero wide").draw((2, x.n))
    z = wide.subtract(wide.add(z, ours), theirs)
    return WideShare(z, me.send_prev_receive_next(z))


@costs(rounds=1, bytes_sent=lambda n: 8 * n)
def multiply_and_truncate(x: WideShare, y: WideShare, places: int, me: Party) -> AShare:
    """Return (x * y) >> places mod 2**64, rounded: at most 2 units off the exact quotient.

    The three addends of a product are shifted before they are reshared, each losing less than one unit; that
    their sum wraps at 2**128 does not matter, for after the shift that is a multiple of 2**64.

    Shapes:  n secrets each, the product less than 2**126 in size; 0 <= places <= 64.
    Reveals: nothing; see `multiply`.
    """
    z = _visible_terms(x, y)
    if me.index == 0 and places > 0:  # three floors lose 0 to 3 units; give half of it back
        z = wide.add(z, wide.constant(3 << (places - 1), x.n))
    row = wide.shift_right(z, places)[0] + me.zero_mask(x.n)
    return AShare(row, me.send_prev_receive_next(row))


def _multiply_fixed_cost(n: int) -> Cost:
    return lift.cost(n=2 * n) + multiply_and_truncate.cost(n=n)


@costs_as(_multiply_fixed_cost)
def multiply_fixed(x: AShare, y: AShare, me: Party, places: int = FRACTION_BITS) -> AShare:
    """Return x * y / 2**places, at most 2 units off; the product itself may pass 64 bits.

    Shapes:  n signed secrets each, below 2**62 in size, and so must the result be.
    Reveals: nothing.
    Raises:  ShapeError if x and y differ in length.
    """
    if x.n != y.n:
        raise ShapeError(f"multiply_fixed needs equal lengths, got x: {x.n} and y: {y.n}")
    both = AShare(np.concatenate([x.own, y.own]), np.concatenate([x.next, y.next]))
    lifted = lift(both, me)
    return multiply_and_truncate(lifted[: x.n], lifted[x.n :], places, me)


def _offset_view(x: AShare, me: Party) -> Array:
    """Return u (with the offset in it) at party 0, v at the others."""
    view = view_of(x, me)
    return np.asarray(view + in_ring(LIMIT)) if me.index == 0 else view


def _add_views(parts: Array, wrap_bit: int, offset: int, me: Party) -> WideShare:
    """Add two wide views, already reduced where their own top bit is set, and repair where both are.

    Shapes:  parts (3, n): a wide number and its top bit. One deal and one product: 2 rounds, 32 bytes.
    """
    u, v = deal(parts, me, _minus), known_to_both(parts, me)
    both = multiply(AShare(u[0][2], u[1][2]), AShare(v[0][2], v[1][2]), me)
    shift = np.uint64(wrap_bit - 64)
    rows = []
    for u_row, v_row, both_row in ((u[0], v[0], both.own), (u[1], v[1], both.next)):
        total = wide.add(u_row[:2], v_row[:2])
        total[1] += both_row << shift
        rows.append(total)
    holders = {0: 0, 2: 1}
    if me.index in holders:  # s_0 is own of party 0 and next of party 2
        place = holders[me.index]
        rows[place] = wide.add(rows[place], wide.constant(offset, parts.shape[1]))
    return WideShare(rows[0], rows[1])


def _minus(values: Array, mask: Array) -> Array:
    return np.concatenate([wide.subtract(values[:2], mask[:2]), values[2:] - mask[2:]])


def _visible_terms(x: WideShare, y: WideShare) -> Array:
    return wide.add(wide.multiply(x.own, wide.add(y.own, y.next)), wide.multiply(x.next, y.own))
