"""Secret vectors: arithmetic (mod 2**64 or 2**32), XOR words, XOR bits; and their linear operations.

Party i holds own = s_i and next = s_(i+1). Everything here is local, except `open_*`.
The element type of the arrays is the ring: uint64 rows are shares mod 2**64, uint32 rows mod 2**32.
A `BitShare` keeps one bit per uint8 (0 or 1), so that rows can be taken and joined like any other column; on
the wire bits are packed eight to a byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from conclave.mpc.arrays import Array
from conclave.mpc.costs import costs
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.witness import note

Public = int | Array


def in_ring(value: Public, dtype: npt.DTypeLike = np.uint64) -> Array:
    """Return public integers, signed or not, as ring elements.

    >>> in_ring(-1)
    array(18446744073709551615, dtype=uint64)
    """
    if isinstance(value, int):
        return np.array(value % (1 << (8 * np.dtype(dtype).itemsize)), dtype=dtype)
    return value.astype(dtype, copy=False)


@dataclass(frozen=True, eq=False)
class Share:
    """Two of the three parts of n secrets. Base of the three kinds below."""

    own: Array
    next: Array

    def __post_init__(self) -> None:
        if self.own.shape != self.next.shape or self.own.dtype != self.next.dtype or self.own.ndim != 1:
            raise ShapeError(f"a share needs two equal rows, got {self.own.shape} and {self.next.shape}")

    @property
    def n(self) -> int:
        """Number of secrets."""
        return int(self.own.shape[0])

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Element type of the rows."""
        return self.own.dtype

    def __getitem__(self, rows: slice) -> Self:
        return replace(self, own=self.own[rows], next=self.next[rows])

    def take(self, rows: Array) -> Self:
        """Return the secrets at public places."""
        return replace(self, own=np.take(self.own, rows), next=np.take(self.next, rows))

    def scatter(self, places: Array) -> Self:
        """Return the secrets moved to public places: element j goes to `places[j]`, a permutation."""
        own, after = np.empty_like(self.own), np.empty_like(self.next)
        own[places], after[places] = self.own, self.next
        return replace(self, own=own, next=after)

    def repeat(self, times: int) -> Self:
        """Return every secret `times` times, copies beside each other."""
        return replace(self, own=np.repeat(self.own, times), next=np.repeat(self.next, times))

    def tile(self, times: int) -> Self:
        """Return the whole vector `times` times, one copy after the other."""
        return replace(self, own=np.tile(self.own, times), next=np.tile(self.next, times))

    def split(self, parts: int) -> list[Self]:
        """Cut into `parts` equally long vectors, undoing `concat`."""
        if self.n % parts:
            raise ShapeError(f"cannot split {self.n} secrets into {parts} equal parts")
        size = self.n // parts
        return [self[k * size : (k + 1) * size] for k in range(parts)]

    def _need_equal(self, other: "Share") -> None:
        if self.n != other.n or self.dtype != other.dtype:
            raise ShapeError(f"operands differ: {self.n} of {self.dtype} and {other.n} of {other.dtype}")


@dataclass(frozen=True, eq=False)
class AShare(Share):
    """n arithmetic secrets: x = s_0 + s_1 + s_2 mod 2**64 (or 2**32, by element type)."""

    def __add__(self, other: "AShare") -> "AShare":
        self._need_equal(other)
        return AShare(self.own + other.own, self.next + other.next)

    def __sub__(self, other: "AShare") -> "AShare":
        self._need_equal(other)
        return AShare(self.own - other.own, self.next - other.next)

    def __neg__(self) -> "AShare":
        return AShare(np.negative(self.own), np.negative(self.next))

    def __mul__(self, factor: Public) -> "AShare":
        public = in_ring(factor, self.dtype)
        return AShare(self.own * public, self.next * public)

    __rmul__ = __mul__

    def add_public(self, value: Public, me: Party) -> "AShare":
        """Add public integers, one for all or one for each secret."""
        return self + public_share(value, self.n, me, self.dtype)

    def invert(self, me: Party) -> "AShare":
        """Return ~x = -x - 1, which reverses the order of signed numbers without overflow."""
        return (-self).add_public(-1, me)

    def prefix_sums(self) -> "AShare":
        """Return the sums of the first 1, 2, ..., n secrets."""
        return AShare(np.cumsum(self.own, dtype=self.dtype), np.cumsum(self.next, dtype=self.dtype))

    def differences(self) -> "AShare":
        """Return each secret minus the one before it; the first stays. Undoes `prefix_sums`."""
        zero = np.zeros(1, self.dtype)
        return AShare(np.diff(self.own, prepend=zero), np.diff(self.next, prepend=zero))

    def total(self) -> "AShare":
        """Return the sum of all secrets, a vector of one."""
        return AShare(self.own.sum(keepdims=True, dtype=self.dtype), self.next.sum(keepdims=True, dtype=self.dtype))

    def lowest_bit(self) -> "BitShare":
        """Return x mod 2, free: adding mod 2**64 never carries into the lowest bit."""
        return BitShare(
            (self.own & in_ring(1, self.dtype)).astype(np.uint8),
            (self.next & in_ring(1, self.dtype)).astype(np.uint8),
        )


@dataclass(frozen=True, eq=False)
class BShare(Share):
    """n XOR-shared words: x = s_0 ^ s_1 ^ s_2; bits above the lowest `bits` are zero."""

    bits: int = 64

    def __xor__(self, other: "BShare") -> "BShare":
        self._need_equal(other)
        return BShare(self.own ^ other.own, self.next ^ other.next, max(self.bits, other.bits))

    def bit(self, place: int) -> "BitShare":
        """Return one bit of every word."""
        shift, one = in_ring(place, self.dtype), in_ring(1, self.dtype)
        return BitShare((self.own >> shift & one).astype(np.uint8), (self.next >> shift & one).astype(np.uint8))

    def drop(self, count: int) -> "BShare":
        """Drop the `count` lowest bits, and what then is needless width of the words."""
        bits = max(self.bits - count, 0)
        dtype = next(t for t in (np.uint8, np.uint16, np.uint32, np.uint64) if 8 * np.dtype(t).itemsize >= bits)
        shift = in_ring(count, self.dtype)
        return BShare((self.own >> shift).astype(dtype), (self.next >> shift).astype(dtype), bits)


@dataclass(frozen=True, eq=False)
class BitShare(Share):
    """n XOR-shared bits, a uint8 of 0 or 1 each."""

    def __xor__(self, other: "BitShare") -> "BitShare":
        self._need_equal(other)
        return BitShare(self.own ^ other.own, self.next ^ other.next)

    def invert(self, me: Party) -> "BitShare":
        """Return the opposite bits."""
        return self ^ public_bits(1, self.n, me)


def concat_arithmetic(parts: Sequence[AShare]) -> AShare:
    """Return one vector after the other."""
    return AShare(np.concatenate([p.own for p in parts]), np.concatenate([p.next for p in parts]))


def concat_bits(parts: Sequence[BitShare]) -> BitShare:
    """Return one vector after the other."""
    return BitShare(np.concatenate([p.own for p in parts]), np.concatenate([p.next for p in parts]))


def _public_rows(value: Public, n: int, me: Party, dtype: npt.DTypeLike) -> tuple[Array, Array]:
    """Put the public value in s_0 (own of party 0, next of party 2) and zeros in the rest."""
    zeros = np.zeros(n, dtype)
    rows = np.broadcast_to(in_ring(value, dtype), (n,)) if me.index != 1 else zeros
    return (rows if me.index == 0 else zeros), (rows if me.index == 2 else zeros)


def public_share(value: Public, n: int, me: Party, dtype: npt.DTypeLike = np.uint64) -> AShare:
    """Return public integers as arithmetic shares; nobody learns anything, for nothing is secret."""
    return AShare(*_public_rows(value, n, me, dtype))


def public_bits(value: Public, n: int, me: Party) -> BitShare:
    """Return public bits (0 or 1) as XOR shares."""
    return BitShare(*_public_rows(value, n, me, np.uint8))


@costs(rounds=1, bytes_sent=lambda n: 8 * n)
def open_arithmetic(x: AShare, me: Party) -> Array:
    """Open to all three.

    Shapes:  n secrets; returns n public ring elements.
    Reveals: x, to all three compute parties.
    """
    missing = me.send_next_receive_prev(x.own)
    note(x.next, missing, me)
    return x.own + x.next + missing


@costs(rounds=1, bytes_sent=lambda n: 8 * n)
def open_words(x: BShare, me: Party) -> Array:
    """Open XOR-shared words to all three.

    Shapes:  n words; returns n public words.
    Reveals: x, to all three compute parties.
    """
    missing = me.send_next_receive_prev(x.own)
    note(x.next, missing, me)
    return np.asarray(x.own ^ x.next ^ missing)


@costs(rounds=1, bytes_sent=lambda n: (n + 7) // 8)
def open_bits(x: BitShare, me: Party) -> Array:
    """Open bits to all three.

    Shapes:  n bits; returns a uint8 of 0 or 1 each.
    Reveals: x, to all three compute parties.
    """
    packed = me.send_next_receive_prev(pack_bits(x.own))
    note(pack_bits(x.next), packed, me)
    return np.asarray(x.own ^ x.next ^ unpack_bits(packed, x.n))


def pack_bits(bits: Array) -> Array:
    """Pack eight bits to a byte, as they are sent."""
    return np.packbits(bits, bitorder="little")


def unpack_bits(packed: Array, n: int) -> Array:
    """Undo `pack_bits`; what pads the last byte is dropped."""
    return np.unpackbits(packed, count=n, bitorder="little")
