"""Rows in groups of 512, the layout of `blocks`, and how planes of them travel."""

from collections.abc import Callable
from math import prod

import numpy as np

from conclave.mpc import blocks
from conclave.mpc.arrays import Array
from conclave.mpc.blocks import GROUP, LANES

# Of some rows: writes the numbers that one side knows, and returns a bit that it knows besides.
Side = Callable[[slice, Array], Array]
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
        self.lines = np.empty(GROUP, np.uint64)  # room for loops
        self._last_lanes = words_of(n) - LANES * (self.count - 1)

    def shape(self, planes: int, at: slice | None = None) -> tuple[int, int, int, int]:
        """Return the shape of so many planes of each number, of all groups or some."""
        return (self.count if at is None else at.stop - at.start), self.numbers, planes, LANES

    def size(self, planes: int) -> int:
        """Return the bytes on the wire of so many planes of each number."""
        return 8 * words_of(self.n) * self.numbers * planes

    def ask(self, at: slice) -> Array:
        """Return this side's numbers of some groups of rows; keep the bits in `known`."""
        size, rows = GROUP * (at.stop - at.start), slice(GROUP * at.start, min(GROUP * at.stop, self.n))
        count, numbers = rows.stop - rows.start, np.empty((self.numbers, size), np.uint64)
        bits = self._side(rows, numbers[:, :count]).view(np.uint8)
        if count < size:
            numbers[:, count:], bits = 0, np.concatenate([bits, np.zeros(size - count, np.uint8)])
        if at.stop == self.count and not self.is_full:
            for row in (*numbers, bits):
                row[-GROUP:] = row[-GROUP:].reshape(LANES, 64).T.reshape(-1)
        blocks.pack_rows(bits, self.known[at])
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
        """Return planes of all groups as they are sent, in their own memory: only `pick` reads them from now on."""
        flat = planes.reshape(-1)
        if self.is_full:
            return flat
        last = planes[-1, ..., : self._last_lanes].reshape(-1)
        start = len(flat) - planes[-1].size
        flat[start : start + len(last)] = last
        return flat[: start + len(last)]

    def pick(self, message: memoryview | Array, shape: tuple[int, ...], at: slice) -> Array:
        """Return an array of this shape, of some groups, of what was packed."""
        words, size = np.frombuffer(message, np.uint64), prod(shape[1:])
        if self.is_full or at.stop < self.count:
            return words[at.start * size : at.stop * size].reshape(shape)
        picked, last = np.zeros(shape, np.uint64), (at.stop - 1) * size
        picked[:-1] = words[at.start * size : last].reshape(picked[:-1].shape)
        picked[-1, ..., : self._last_lanes] = words[last:].reshape(*shape[1:-1], self._last_lanes)
        return picked


def words_of(n: int) -> int:
    """Return the words of a plane on the wire."""
    return -(-n // 64)
