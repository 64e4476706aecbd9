"""Sharing what one party knows, or two know: how a secret changes its form.

Of a secret x = s_0 + s_1 + s_2 party 0 knows u = s_0 + s_1, and parties 1 and 2 both know v = s_2: x = u + v.
Conversions start from these two views, because each side can compute anything about its own view in the
clear.
"""

from collections.abc import Callable

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.costs import costs
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare

Combine = Callable[[Array, Array], Array]


def view_of(x: AShare, me: Party) -> Array:
    """Return u = s_0 + s_1 at party 0, and v = s_2 at the two others."""
    return np.add(x.own, x.next) if me.index == 0 else _last_part(x, me)


def view_of_bits(x: BitShare, me: Party) -> Array:
    """Return u = s_0 ^ s_1 at party 0, and v = s_2 at the two others."""
    return np.bitwise_xor(x.own, x.next) if me.index == 0 else _last_part(x, me)


@costs(rounds=1, bytes_sent=lambda size_bytes: size_bytes)
def deal(values: Array, me: Party, minus: Combine = np.subtract, dealer: int = 0) -> tuple[Array, Array]:
    """Share what `dealer` alone knows. One round, in which only the dealer sends, to the party after it.

    Shapes:  values of any shape; parties other than the dealer pass an array of the same shape and type,
             which is not looked at. Returns this party's (own, next) rows.
    Reveals: nothing: the mask comes from the dealer and the party before it, and the receiver does not know
             it.
    """
    if me.index == dealer:
        mask = me.streams.with_prev.use("deal").draw(values.shape, values.dtype)
        rest = minus(values, mask)
        me.round({me.next: rest}, {})
        return mask, rest
    if me.prev == dealer:
        rest = me.receive(dealer, values.shape, values.dtype)
        return rest, np.zeros_like(values)
    mask = me.streams.with_next.use("deal").draw(values.shape, values.dtype)
    me.round({}, {})
    return np.zeros_like(values), mask


def known_to_both(values: Array, me: Party) -> tuple[Array, Array]:
    """Share what parties 1 and 2 both know, as s_2, without a message; party 0 passes any such array."""
    zeros = np.zeros_like(values)
    return (values if me.index == 2 else zeros), (values if me.index == 1 else zeros)


def _last_part(x: AShare | BitShare, me: Party) -> Array:
    return x.next if me.index == 1 else x.own
