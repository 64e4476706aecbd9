"""Secrets in two parts instead of three, at parties 1 and 2; party 0 knows no part and deals correlated randomness.

Any sharing of the three becomes such a one without a message, and comes back in one round. In between, what
parties 1 and 2 send each other is masked by numbers that each has in common with party 0 alone, and party 0,
who knows all masks, receives nothing: so nobody learns anything (semi-honest, of three parties one).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from conclave.mpc import kernels
from conclave.mpc.arrays import Array, dense
from conclave.mpc.costs import costs
from conclave.mpc.party import Party
from conclave.mpc.randomness import Pair, Stream
from conclave.mpc.shares import AShare, BitShare, BShare, Share, pack_bits, unpack_bits

DEALER, LEFT, RIGHT = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Split:
    """n secrets, the sum (or XOR) of two parts. The dealer's `part` only tells the length and the type."""

    part: Array
    is_xor: bool
    bits: int

    @property
    def n(self) -> int:
        """Number of secrets."""
        return len(self.part)

    @property
    def size_bytes(self) -> int:
        """Size on the wire: single bits are packed."""
        return (self.n + 7) // 8 if self.bits == 1 else self.part.nbytes

    def with_part(self, part: Array) -> "Split":
        """Return the like of it with another part."""
        return replace(self, part=part)

    def plus(self, x: Array, y: Array) -> Array:
        """Return x + y, or x ^ y."""
        return np.asarray(np.bitwise_xor(x, y) if self.is_xor else np.add(x, y))

    def minus(self, x: Array, y: Array) -> Array:
        """Return x - y, or x ^ y."""
        return np.asarray(np.bitwise_xor(x, y) if self.is_xor else np.subtract(x, y))

    def take_plus(self, x: Array, rows: Array, y: Array) -> Array:
        """Return x[rows] + y, or x[rows] ^ y."""
        out = np.empty_like(x)
        (kernels.take_xor if self.is_xor else kernels.take_add)(x, rows, y, out)
        return out

    def take_minus(self, x: Array, rows: Array, y: Array) -> Array:
        """Return x[rows] - y, or x[rows] ^ y."""
        out = np.empty_like(x)
        (kernels.take_xor if self.is_xor else kernels.take_subtract)(x, rows, y, out)
        return out

    def move_plus(self, x: Array, rows: Array, y: Array, places: Array) -> Array:
        """Return x[rows] + y, or x[rows] ^ y, with element j moved to `places[j]`."""
        out = np.empty_like(x)
        (kernels.move_xor if self.is_xor else kernels.move_add)(x, rows, y, places, out)
        return out

    def moved(self, x: Array, places: Array) -> Array:
        """Return x with element j moved to `places[j]`."""
        out = np.empty_like(x)
        kernels.scatter(x, places, out)
        return out

    def mask(self, stream: Stream) -> Array:
        """Draw a uniform array of this length and type."""
        if self.bits == 1:
            return unpack_bits(stream.draw(self.size_bytes, np.uint8), self.n)
        return stream.draw(self.n, self.part.dtype)

    def drop(self, count: int) -> "Split":
        """Drop the `count` lowest bits, and what then is needless width of the words."""
        bits = self.bits - count
        dtype = next(t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if 8 * np.dtype(t).itemsize >= bits)
        if self.part.strides == (0,):
            return Split(np.broadcast_to(np.zeros(1, dtype), self.part.shape), self.is_xor, bits)
        part = (self.part >> self.part.dtype.type(count)).astype(dtype, copy=False)
        # Masks fill whole words: what lies above the last bit is noise, and packing would take it for the bit.
        return Split(part & np.uint8(1) if bits == 1 else part, self.is_xor, bits)


@costs(rounds=0, bytes_sent=lambda: 0)
def split(x: Share, me: Party) -> Split:
    """Return the two parts s_1 + s_2 and s_0 of a shared vector. No message."""
    bits = 1 if isinstance(x, BitShare) else x.bits if isinstance(x, BShare) else 8 * x.dtype.itemsize
    if bits == 1 and x.dtype != np.uint8:
        # Single bits travel packed, so nothing may stand above them.
        x = BShare((x.own & x.dtype.type(1)).astype(np.uint8), (x.next & x.dtype.type(1)).astype(np.uint8), 1)
    like = Split(np.broadcast_to(np.zeros(1, x.dtype), x.own.shape), not isinstance(x, AShare), bits)
    if me.index == DEALER:
        return like
    return like.with_part(like.plus(x.own, x.next) if me.index == LEFT else dense(x.next))


@costs(rounds=1, bytes_sent=lambda size_bytes: size_bytes)
def rejoin(columns: Sequence[Split], likes: Sequence[Share], me: Party) -> list[Share]:
    """Share among all three again, as vectors of the kinds of `likes`. Party 0 sends nothing.

    Reveals: nothing: a part is masked before it goes to the other holder.
    """
    if me.index == DEALER:
        rows = [(c.mask(common(RIGHT, me, "rejoin")), c.mask(common(LEFT, me, "rejoin"))) for c in columns]
        me.round({}, {})
        return [replace(like, own=own, next=after) for like, (own, after) in zip(likes, rows, strict=True)]
    masks = [c.mask(common(DEALER, me, "rejoin")) for c in columns]
    rests = [c.minus(c.part, mask) for c, mask in zip(columns, masks, strict=True)]
    other = LEFT + RIGHT - me.index
    theirs = decode(me.round({other: encode(rests, columns)}, {other: size(columns)})[other], columns)
    both = [c.plus(rest, their) for c, rest, their in zip(columns, rests, theirs, strict=True)]
    rows = list(zip(masks, both, strict=True) if me.index == LEFT else zip(both, masks, strict=True))
    return [replace(like, own=own, next=after) for like, (own, after) in zip(likes, rows, strict=True)]


def common(peer: int, me: Party, label: str) -> Stream:
    """Return the stream for one use that this party has in common with `peer`."""
    pair: Pair = me.streams.with_next if peer == me.next else me.streams.with_prev
    return pair.use(label)


def size(columns: Sequence[Split]) -> int:
    """Return the size on the wire."""
    return sum(c.size_bytes for c in columns)


def encode(parts: Sequence[Array], columns: Sequence[Split]) -> Array:
    """Put arrays of the columns' types one after the other, as they are sent."""
    pieces = [pack_bits(p) if c.bits == 1 else p.view(np.uint8) for p, c in zip(parts, columns, strict=True)]
    return pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros(0, np.uint8), *pieces])


def decode(message: memoryview, columns: Sequence[Split]) -> list[Array]:
    """Undo `encode`."""
    parts, start = [], 0
    for column in columns:
        piece = np.frombuffer(message, np.uint8, count=column.size_bytes, offset=start)
        parts.append(unpack_bits(piece, column.n) if column.bits == 1 else piece.view(column.part.dtype))
        start += column.size_bytes
    return parts
