"""Compile every loop that the engine may call, for every element type: `python -m conclave.mpc.warm`.

An installation runs it once, as long as its files can be written; workers then only load what is there.
"""

import numpy as np

from conclave.mpc import blocks, kernels
from conclave.mpc.arrays import Array


def warm() -> None:
    """Call each kernel once with every element type."""
    rows, few = np.zeros(1, np.uint32), np.zeros(1, np.uint8)
    kernels.swap_down(rows, 1, rows)
    kernels.take(rows, rows, rows)
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        x = np.zeros(1, dtype)
        kernels.scatter(x, rows, x)
        for take in (kernels.take_add, kernels.take_subtract, kernels.take_xor):
            take(x, rows, x, x)
        for move in (kernels.move_add, kernels.move_xor):
            move(x, rows, x, rows, x)
    one, two, sizes = np.zeros((1, 1), np.uint32), np.zeros((2, 1), np.uint32), np.zeros(4, np.uint32)
    kernels.deal_choice(few, one, one, one, rows, two)
    kernels.rank_classes(one, few, 1, one, rows, one, sizes)
    kernels.start_classes(rows, one, few, sizes)
    kernels.choose_way(rows, rows, one, one, one, rows)
    for dtype in (np.uint32, np.uint64):
        x = np.zeros(1, dtype)
        kernels.multiply_add(x, x, x, x, x)
    words, planes = np.zeros(64, np.uint64), np.zeros((64, 1), np.uint64)
    lines = np.zeros((64, 8), np.uint64)
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
