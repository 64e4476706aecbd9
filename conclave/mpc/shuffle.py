"""Oblivious shuffle of several columns by resharing, in three hops (Laur, Willemson, Zhang, ISC 2011).

In each hop two parties, who between them hold all three parts, permute by a permutation that only they know
and refresh the parts; the third gets two new parts that are uniform to it. After three hops every party has
been the one who does not know, so nobody knows the whole permutation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.costs import costs
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.randomness import Stream
from conclave.mpc.shares import AShare, BitShare, Share, pack_bits, unpack_bits

Columns = Sequence[Share]
AnyShare = TypeVar("AnyShare", bound=Share)
# A permutation as gather: the row that comes to place j is `rows[j]`.
Rows = Array


@dataclass(frozen=True, eq=False)
class SecretShuffle:
    """A uniform permutation that no party knows: three steps, None for the one we are left out of."""

    n: int
    hops: tuple[Rows | None, Rows | None, Rows | None]

    @staticmethod
    def draw(n: int, me: Party) -> "SecretShuffle":
        """Agree on fresh permutations pairwise, without a message. Hop h belongs to parties h and h + 1."""
        hops: list[Rows | None] = [None, None, None]
        hops[me.index] = me.streams.with_next.use("permutation").permutation(n)
        hops[me.prev] = me.streams.with_prev.use("permutation").permutation(n)
        return SecretShuffle(n, (hops[0], hops[1], hops[2]))


def bytes_moved(n: int, words: int = 0, halves: int = 0, bits: int = 0, bytes_: int = 0) -> int:
    """Return the size of one part of so many columns on the wire."""
    return n * (8 * words + 4 * halves + bytes_) + bits * ((n + 7) // 8)


@costs(rounds=3, bytes_sent=lambda n, **kinds: 2 * bytes_moved(n, **kinds))
def shuffle(columns: Columns, by: SecretShuffle, me: Party) -> list[Share]:
    """Permute all columns by the same secret permutation; the shares come out fresh.

    Shapes:  n secrets in each; cost is for so many uint64 `words`, uint32 `halves` and packed `bits` columns.
    Reveals: nothing: see the module's text.
    Raises:  ShapeError if a column is not `by.n` long.
    """
    _need_length(columns, by.n)
    for number in range(3):
        columns = hop(columns, number, by.hops[number], me)
    return list(columns)


@costs(rounds=1, bytes_sent=lambda n, **kinds: bytes_moved(n, **kinds))
def hop(columns: Columns, number: int, rows: Rows | None, me: Party) -> list[Share]:
    """Let parties `number` and `number` + 1 permute and refresh; the third party passes no `rows`. One round.

    Reveals: nothing: what the third party gets is uniform to it.
    """
    third = (number + 2) % 3
    if rows is None or me.index == third:
        received = me.round({}, {peer: _size(columns) for peer in (me.next, me.prev)})
        own, after = _decode(received[me.prev], columns), _decode(received[me.next], columns)
        return [replace(c, own=a, next=b) for c, a, b in zip(columns, own, after, strict=True)]
    fresh = [_refresh(c, rows, number, me) for c in columns]
    me.round({third: _encode([c.own if me.index == number else c.next for c in fresh], columns)}, {})
    return fresh


def _refresh(column: AnyShare, rows: Rows, hop: int, me: Party) -> AnyShare:
    """Permute, and add r to the pair's first part, r' to its last and take both from the one they both hold.

    Two masks, not one: the third party holds the old first and last parts, and would recognise their sum.
    """
    stream = _common(hop, me, "reshare")
    own, after = np.take(column.own, rows), np.take(column.next, rows)
    if isinstance(column, BitShare):
        size = (column.n + 7) // 8
        first, last = (unpack_bits(stream.draw(size, np.uint8), column.n) for _ in range(2))
    else:
        first, last = (stream.draw(column.n, column.dtype) for _ in range(2))
    plus: Callable[[Array, Array], Array] = np.add if isinstance(column, AShare) else np.bitwise_xor
    minus: Callable[[Array, Array], Array] = np.subtract if isinstance(column, AShare) else np.bitwise_xor
    if me.index == hop:
        return replace(column, own=plus(own, first), next=minus(after, plus(first, last)))
    return replace(column, own=minus(own, plus(first, last)), next=plus(after, last))


def _common(hop: int, me: Party, label: str) -> Stream:
    pair = me.streams.with_next if me.index == hop else me.streams.with_prev
    return pair.use(label)


def inverse(rows: Rows) -> Rows:
    """Return the permutation that undoes one."""
    undone = np.empty_like(rows)
    undone[rows] = np.arange(len(rows))
    return undone


def _size(columns: Columns) -> int:
    return sum((c.n + 7) // 8 if isinstance(c, BitShare) else c.own.nbytes for c in columns)


def _encode(parts: Sequence[Array], columns: Columns) -> Array:
    pieces = [
        pack_bits(p) if isinstance(c, BitShare) else p.view(np.uint8) for p, c in zip(parts, columns, strict=True)
    ]
    return np.concatenate([np.zeros(0, np.uint8), *pieces])


def _decode(message: memoryview, columns: Columns) -> list[Array]:
    parts, start = [], 0
    for column in columns:
        size = _size([column])
        piece = np.frombuffer(message, np.uint8, count=size, offset=start)
        parts.append(unpack_bits(piece, column.n) if isinstance(column, BitShare) else piece.view(column.dtype))
        start += size
    return parts


def _need_length(columns: Columns, n: int) -> None:
    if any(c.n != n for c in columns):
        raise ShapeError(f"a shuffle of {n} rows got columns of {[c.n for c in columns]}")
