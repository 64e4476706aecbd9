"""Compile every loop that the engine may call, for every element type: `python -m conclave.mpc.warm`.

An installation runs it once, as long as its files can be written; workers then only load what is there.
"""

import numpy as np
import numpy.typing as npt

from conclave.mpc import blocks, kernels
from conclave.mpc.arrays import Array


def warm() -> None:
    """Call each kernel once with every element type."""

    def row(dtype: npt.DTypeLike = np.uint32) -> Array:
        return np.zeros(1, dtype)

    def rows(count: int) -> Array:
        return np.zeros((count, 1), np.uint32)

    kernels.swap_down(row(), 1, row())
    kernels.take(row(), row(), row())
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        kernels.scatter(row(dtype), row(), row(dtype))
        for take in (kernels.take_add, kernels.take_subtract, kernels.take_xor):
            take(row(dtype), row(), row(dtype), row(dtype))
        for move in (kernels.move_add, kernels.move_xor):
            move(row(dtype), row(), row(dtype), row(), row(dtype))
    kernels.deal_choice(row(np.uint8), rows(1), rows(1), rows(1), row(), rows(2))
    kernels.rank_classes(rows(1), row(np.uint8), 1, rows(1), row(), rows(1), np.zeros(4, np.uint32))
    kernels.start_classes(row(), rows(1), row(np.uint8), np.zeros(4, np.uint32))
    kernels.choose_way(row(), row(), rows(1), rows(1), rows(1), row())
    for dtype in (np.uint32, np.uint64):
        kernels.multiply_add(row(dtype), row(dtype), row(dtype), row(dtype), row(dtype))
    words, planes, lines = np.zeros(64, np.uint64), np.zeros((64, 1), np.uint64), np.zeros(512, np.uint64)
    kernels.transpose_blocks(words, lines, planes)
    kernels.join_blocks(planes, lines, words)
    _warm_blocks(lines)


def _warm_blocks(lines: Array) -> None:
    def planes(count: int) -> Array:
        return np.zeros((1, 1, count, blocks.LANES), np.uint64)

    numbers, bits, row = np.zeros((1, blocks.GROUP), np.uint64), np.zeros(blocks.GROUP, np.uint8), planes(1)[0, 0]
    blocks.pack_rows(bits, row)
    blocks.unpack_rows(row, bits)
    blocks.deal_entries(numbers, planes(96), lines, planes(96))
    blocks.deal_products(planes(2), planes(2), planes(1), planes(1))
    known = np.uint64(0)
    blocks.enter(numbers, planes(96), known, planes(47), lines, planes(16), planes(47))
    blocks.combine(planes(5), planes(5), planes(5), planes(3), planes(2), known, planes(2), planes(1), planes(2))
    blocks.combine_last(planes(2), planes(2), planes(2), planes(1), planes(1), known, row)


if __name__ == "__main__":
    warm()
