"""Rows in groups of 512, the layout of `blocks`, and how planes of them travel."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from conclave.mpc import blocks
from conclave.mpc.arrays import Array
from conclave.mpc.blocks import GROUP, LANES

# Of some rows: the numbers that one side knows, and a bit that it knows besides.
Side = Callable[[slice], tuple[Sequence[Array], Array]]
# So many groups at a time stay in the cache.
STEP = 64


class Groups:
    """n rows in groups; `steps` are slices of groups that are worked on together.

    In a last group that is not full, row 64 * b + r lies in the place of row 8 * r + b, so that its last words hold
    nothing, and do not travel.
    """

    def __init__(self, n: int, numbers: int, side: Side) -> None:
        self.n, self.numbers, self._side = n, numbers, side
        self.count = -(-n // GROUP)
        self.steps = [slice(at, min(at + STEP, self.count)) for at in range(0, self.count, STEP)]
        self.known = np.zeros((self.count, LANES), np.uint64)
        self.lines = np.empty((64, LANES), np.uint64)  # room for loops
        self._last_lanes = words_of(n) - LANES * (self.count - 1)

    def shape(self, planes: int, at: slice | None = None) -> tuple[int, int, int, int]:
        """Return the shape of so many planes of each number, of all groups or some."""
        return (self.count if at is None else at.stop - at.start), self.numbers, planes, LANES

    def size(self, planes: int) -> int:
        """Return the bytes on the wire of so many planes of each number."""
        return 8 * words_of(self.n) * self.numbers * planes

    def ask(self, at: slice) -> Array:
        """Return this side's numbers of some groups of rows; keep the bits in `known`."""
        size = GROUP * (at.stop - at.start)
        given, bits = self._side(slice(GROUP * at.start, min(GROUP * at.stop, self.n)))
        numbers, padded = np.zeros((self.numbers, size), np.uint64), np.zeros(size, np.uint8)
        padded[: len(bits)] = bits
        for row, number in zip(numbers, given, strict=True):
            row[: len(number)] = number
        if at.stop == self.count and not self.is_full:
            for row in (*numbers, padded):
                row[-GROUP:] = row[-GROUP:].reshape(LANES, 64).T.reshape(-1)
        blocks.pack_rows(padded, self.known[at])
        return numbers

    def bits(self, plane: Array) -> Array:
        """Return a plane as bits of rows."""
        rows = np.empty(GROUP * self.count, np.uint8)
        blocks.unpack_rows(plane, rows)
        if not self.is_full:
            rows[-GROUP:] = rows[-GROUP:].reshape(64, LANES).T.reshape(-1)
        return rows[: self.n]

    @property
    def is_full(self) -> bool:
        """Whether every word of the last group travels."""
        return not self.n or self._last_lanes == LANES

    def pack(self, planes: Array) -> Array:
        """Return planes as they are sent."""
        if self.is_full:
            return planes
        return np.concatenate([planes[:-1].reshape(-1), planes[-1, ..., : self._last_lanes].reshape(-1)])

    def unpack(self, message: bytearray | memoryview, shape: tuple[int, ...]) -> Array:
        """Undo `pack`; `shape` is the one that was packed."""
        words = np.frombuffer(message, np.uint64)
        if self.is_full:
            return words.reshape(shape)
        planes, before = np.zeros(shape, np.uint64), prod(shape[1:]) * (self.count - 1)
        planes[:-1] = words[:before].reshape(planes[:-1].shape)
        planes[-1, ..., : self._last_lanes] = words[before:].reshape(*shape[1:-1], self._last_lanes)
        return planes


def words_of(n: int) -> int:
    """Return the words of a plane on the wire."""
    return -(-n // 64)
