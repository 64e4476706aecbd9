"""Opened values, compared between the two that hold what was missing: catches accidents, not those who lie together.

Of a secret's three parts each party lacks one, which the two others both hold. One of them sends it; the other is its
witness, and sends a digest of what it holds itself: one digest for all that was opened since the last one.
"""

import hashlib

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.costs import costs
from conclave.mpc.errors import OpenedDiffers
from conclave.mpc.party import Party

DIGEST_BYTES = hashlib.sha256().digest_size


def digest_of(parts: bytes | memoryview) -> bytes:
    """Return the digest of parts as they are sent."""
    return hashlib.sha256(parts).digest()


def note(held: Array, received: Array, me: Party) -> None:
    """Remember what was received in an opening, and what this party could have sent to the previous one.

    Both are the parts as they are sent, of any element type.
    """
    me.openings.held.update(_bytes_of(held))
    me.openings.received.update(_bytes_of(received))
    me.openings.count += 1


@costs(rounds=2, bytes_sent=lambda: DIGEST_BYTES + 2)
def compare_openings(me: Party) -> None:
    """Compare all that was opened since the last time; no message if nothing was.

    Reveals: nothing: digests go to those who know what they are of.
    Raises:  OpenedDiffers, at all three, if anybody received something else than its witness holds.
    """
    openings, me.openings = me.openings, type(me.openings)()
    if not openings.count:
        return
    theirs = me.send_prev_receive_next(np.frombuffer(openings.held.digest(), np.uint8))
    is_equal = theirs.tobytes() == openings.received.digest()
    own = np.array([is_equal], np.uint8)
    found = me.round({me.next: own, me.prev: own}, {me.next: 1, me.prev: 1})
    doubtful = [me.names[peer] for peer in (me.next, me.prev) if bytes(found[peer]) != b"\1"]
    if not is_equal or doubtful:
        raise OpenedDiffers(tuple(sorted([*doubtful, *([] if is_equal else [me.network.me])])))


def _bytes_of(parts: Array) -> memoryview:
    return np.ascontiguousarray(parts).reshape(-1).view(np.uint8).data
