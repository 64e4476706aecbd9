"""Bit planes: the k-th bits of all rows side by side, so that one machine word serves 64 rows.

Circuits work on planes, because there "every second bit" is a slice and costs nothing; tables work on words
and bits. The way between them is a transposition of 64 x 64 bit blocks, done in place for all blocks at
once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conclave.mpc.party import Party
from conclave.mpc.randomness import Array
from conclave.mpc.shares import BitShare, BShare, pack_bits, unpack_bits

# Swap distance and the bits of a word that stay: the recursive halves of a block transposition.
SWAPS = [
    (32, np.uint64(0x00000000FFFFFFFF)),
    (16, np.uint64(0x0000FFFF0000FFFF)),
    (8, np.uint64(0x00FF00FF00FF00FF)),
    (4, np.uint64(0x0F0F0F0F0F0F0F0F)),
    (2, np.uint64(0x3333333333333333)),
    (1, np.uint64(0x5555555555555555)),
]


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
    blocks = np.zeros((-(-len(words) // 64), 64), np.uint64)
    blocks.reshape(-1)[: len(words)] = words
    _transpose_blocks(blocks)
    return np.ascontiguousarray(blocks.T[:bits])


def planes_to_words(planes: Array, n: int) -> Array:
    """Undo `words_to_planes`."""
    blocks = np.zeros((planes.shape[1], 64), np.uint64)
    blocks[:, : planes.shape[0]] = planes.T
    _transpose_blocks(blocks)
    return blocks.reshape(-1)[:n].copy()


def _pack_words(bits: Array) -> Array:
    packed = np.zeros(8 * -(-len(bits) // 64), np.uint8)
    packed[: -(-len(bits) // 8)] = pack_bits(bits)
    return packed.view(np.uint64)


def _transpose_blocks(blocks: Array) -> None:
    """Transpose every 64 x 64 bit matrix (a row of 64 words) in place: swap halves, then recurse."""
    for distance, stay in SWAPS:
        pairs = blocks.reshape(len(blocks), 32 // distance, 2, distance)
        low, high = pairs[:, :, 0], pairs[:, :, 1]
        shift = np.uint64(distance)
        swapped = ((low >> shift) ^ high) & stay
        high ^= swapped
        low ^= swapped << shift
