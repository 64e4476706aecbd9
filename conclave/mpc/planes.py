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

# Each byte with its bits in the opposite order.
BACKWARDS = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)).reshape(256, 8), axis=1, bitorder="little")[:, 0]


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

    def rows(self, start: int, stop: int) -> "Planes":
        """Return the rows from one place to before another."""
        n = stop - start
        return Planes(_read_rows(self.own, n, start), _read_rows(self.next, n, start), n)

    def upside_down(self) -> "Planes":
        """Return the rows in the opposite order."""
        return Planes(_turned(self.own, self.n), _turned(self.next, self.n), self.n)

    def bit(self, plane: int) -> BitShare:
        """Return one plane as bits of rows."""
        return BitShare(*(unpack_bits(row[plane].view(np.uint8), self.n) for row in (self.own, self.next)))

    def words(self) -> BShare:
        """Return the planes as words, plane k as bit k of each; at most 64 planes."""
        return BShare(planes_to_words(self.own, self.n), planes_to_words(self.next, self.n), self.count)


def concat_planes(parts: Sequence[Planes]) -> Planes:
    """Put planes of the same rows below each other."""
    return Planes(np.concatenate([p.own for p in parts]), np.concatenate([p.next for p in parts]), parts[0].n)


def concat_rows(parts: Sequence[Planes]) -> Planes:
    """Put rows below each other, in as many planes everywhere."""
    n = sum(part.n for part in parts)
    own, after = (np.zeros((parts[0].count, -(-n // 64)), np.uint64) for _ in range(2))
    start = 0
    for part in parts:
        _write_rows(own, part.own, part.n, start)
        _write_rows(after, part.next, part.n, start)
        start += part.n
    return Planes(own, after, n)


def planes_of_bits(parts: Sequence[BitShare]) -> Planes:
    """Return each vector of bits as one plane."""
    own, after = (np.stack([_pack_words(getattr(p, row)) for p in parts]) for row in ("own", "next"))
    return Planes(own, after, parts[0].n)


def public_numbers(numbers: Array, bits: int, me: Party) -> Planes:
    """Return public numbers as planes; nobody learns anything, for nothing is secret."""
    planes = words_to_planes(numbers, bits)
    zeros = np.zeros_like(planes)
    return Planes(planes if me.index == 0 else zeros, planes if me.index == 2 else zeros, len(numbers))


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


def _read_rows(planes: Array, n: int, start: int) -> Array:
    first, shift = divmod(start, 64)
    words = planes[:, first : first + -(-n // 64) + 1]
    if words.shape[1] <= -(-n // 64):
        words = np.pad(words, ((0, 0), (0, -(-n // 64) + 1 - words.shape[1])))
    if not shift:
        return words[:, :-1].copy()
    return np.asarray(words[:, :-1] >> np.uint64(shift) | words[:, 1:] << np.uint64(64 - shift))


def _write_rows(planes: Array, rows: Array, n: int, start: int) -> None:
    """Write rows to where zeros stand."""
    if n % 64:
        rows = rows.copy()
        rows[:, -1] &= np.uint64((1 << n % 64) - 1)
    first, shift = divmod(start, 64)
    planes[:, first : first + rows.shape[1]] |= rows << np.uint64(shift)
    if shift:
        room = planes[:, first + 1 : first + 1 + rows.shape[1]]
        room |= rows[:, : room.shape[1]] >> np.uint64(64 - shift)


def _turned(planes: Array, n: int) -> Array:
    backwards = BACKWARDS[dense(planes).view(np.uint8)[:, ::-1]].view(np.uint64)
    return _read_rows(backwards, n, -n % 64)
