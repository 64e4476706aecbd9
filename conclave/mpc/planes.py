"""Bit planes: the k-th bits of all rows side by side, so that one machine word serves 64 rows.

Circuits work on planes, because there "every second bit" is a slice and costs nothing; tables work on words
and bits. The way between them is a transposition of 64 x 64 bit blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conclave.mpc import kernels
from conclave.mpc.arrays import Array, dense
from conclave.mpc.party import Party
from conclave.mpc.shares import BitShare, BShare, pack_bits, unpack_bits


@dataclass(frozen=True, eq=False)
class Planes:
    """XOR shares of `count` planes of n bits each: uint64 rows of shape (count, ceil(n / 64)).

    Bits beyond n in the last word hold nothing of meaning, and never leave the circuits.
    """

    own: Array
    next: Array
    n: int

    @property
    def count(self) -> int:
        """Number of planes."""
        return int(self.own.shape[0])

    def __getitem__(self, planes: slice | Sequence[int]) -> "Planes":
        return Planes(self.own[planes], self.next[planes], self.n)

    def __xor__(self, other: "Planes") -> "Planes":
        return Planes(self.own ^ other.own, self.next ^ other.next, self.n)

    def invert(self, me: Party) -> "Planes":
        """Return the opposite bits: one of the three parts, s_0, is inverted."""
        return Planes(~self.own if me.index == 0 else self.own, ~self.next if me.index == 2 else self.next, self.n)

    def bit(self, plane: int) -> BitShare:
        """Return one plane as bits of rows."""
        return BitShare(*(unpack_bits(row[plane].view(np.uint8), self.n) for row in (self.own, self.next)))

    def words(self) -> BShare:
        """Return the planes as words, plane k as bit k of each; at most 64 planes."""
        return BShare(planes_to_words(self.own, self.n), planes_to_words(self.next, self.n), self.count)


def concat_planes(parts: Sequence[Planes]) -> Planes:
    """Put planes of the same rows below each other."""
    return Planes(np.concatenate([p.own for p in parts]), np.concatenate([p.next for p in parts]), parts[0].n)


def planes_of_bits(parts: Sequence[BitShare]) -> Planes:
    """Return each vector of bits as one plane."""
    own, after = (np.stack([_pack_words(getattr(p, row)) for p in parts]) for row in ("own", "next"))
    return Planes(own, after, parts[0].n)


def words_to_planes(words: Array, bits: int) -> Array:
    """Return the lowest `bits` bits of n words as an array of shape (bits, ceil(n / 64)).

    >>> words_to_planes(np.array([1, 3, 0], dtype=np.uint64), 2).tolist()
    [[3], [2]]
    """
    n_blocks = -(-len(words) // 64)
    if len(words) % 64 or words.dtype != np.uint64:
        padded = np.zeros(64 * n_blocks, np.uint64)
        padded[: len(words)] = words
        words = padded
    planes = np.empty((bits, n_blocks), np.uint64)
    kernels.transpose_blocks(dense(words), _lines(), planes)
    return planes


def planes_to_words(planes: Array, n: int) -> Array:
    """Undo `words_to_planes`."""
    words = np.empty(64 * planes.shape[1], np.uint64)
    kernels.join_blocks(dense(planes), _lines(), words)
    return words[:n]


def _lines() -> Array:
    return np.empty(512, np.uint64)


def _pack_words(bits: Array) -> Array:
    packed = np.zeros(8 * -(-len(bits) // 64), np.uint8)
    packed[: -(-len(bits) // 8)] = pack_bits(bits)
    return packed.view(np.uint64)
