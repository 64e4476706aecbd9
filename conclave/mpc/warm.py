"""Compile every loop that the engine may call, for every element type: `python -m conclave.mpc.warm`.

An installation runs it once, as long as its files can be written; workers then only load what is there.
"""

import numpy as np

from conclave.mpc import kernels


def warm() -> None:
    """Call each kernel once with every element type."""
    rows, few = np.zeros(1, np.uint32), np.zeros(1, np.uint8)
    kernels.swap_down(rows, 1, rows)
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        x = np.zeros(1, dtype)
        kernels.scatter(x, rows)
        for take in (kernels.take_add, kernels.take_subtract, kernels.take_xor):
            take(x, rows, x)
        for move in (kernels.move_add, kernels.move_xor):
            move(x, rows, x, rows)
    one = np.zeros((1, 1), np.uint32)
    kernels.deal_choice(few, one, one, one)
    base, ways, sizes = kernels.rank_classes(one, few, 1, one)
    kernels.start_classes(base, ways, few, sizes)
    kernels.choose_way(base, rows, one, one, one)
    for dtype in (np.uint32, np.uint64):
        x = np.zeros(1, dtype)
        kernels.multiply_add(x, x, x, x, x)
    words, planes = np.zeros(64, np.uint64), np.zeros((64, 1), np.uint64)
    kernels.transpose_blocks(words, planes)
    kernels.join_blocks(planes, words)
    entered = np.zeros((63, 1), np.uint64)
    kernels.enter_blocks(np.zeros((95, 1), np.uint64), planes, True, entered)
    kernels.combine_blocks(entered[:32], entered[:32], entered[32:], entered[32:], entered)


if __name__ == "__main__":
    warm()
