"""The loops of `carry`, over groups of 512 rows that stay in the innermost cache: no secrets decide a branch.

A group is 64 x 8 rows; bit r of word b of a plane belongs to row 8 * r + b, so that 8 words of each plane are made by
one pass of wide instructions. Arrays are dense, of shape (groups, numbers, planes, 8).
"""

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.compiled import compiled, part
from conclave.mpc.kernels import transpose_lines

LANES, GROUP, BLOCKS = 8, 512, 32


@compiled
def deal_entries(numbers: Array, masks: Array, lines: Array, out: Array) -> None:
    """Write the 64 planes of each number, and the products of the two bits of each of 32 blocks, under masks.

    `numbers` has shape (numbers, 512 * groups); `lines` is room for 512 words.
    """
    for g in range(out.shape[0]):
        for i in range(out.shape[1]):
            _planes_of(numbers, i, g, lines)
            for p in range(64):
                for b in range(LANES):
                    out[g, i, p, b] = masks[g, i, p, b] ^ lines[LANES * p + b]
            for k in range(BLOCKS):
                for b in range(LANES):
                    out[g, i, 64 + k, b] = masks[g, i, 64 + k, b] ^ (
                        lines[LANES * 2 * k + b] & lines[LANES * (2 * k + 1) + b]
                    )


@compiled
def deal_products(left: Array, right: Array, masks: Array, out: Array) -> None:
    """Write what is multiplied of the factors left ^ right of a level of the tree, under masks.

    Planes of factors, of a level with so many pairs of blocks: high "propagate" of each, low "generate" of each, low
    "propagate" of all but the lowest. The first is multiplied with both others.
    """
    pairs = (left.shape[2] + 1) // 3
    for g in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(pairs):
                for b in range(LANES):
                    high = left[g, i, j, b] ^ right[g, i, j, b]
                    low = left[g, i, pairs + j, b] ^ right[g, i, pairs + j, b]
                    out[g, i, j, b] = masks[g, i, j, b] ^ (high & low)
            for j in range(1, pairs):
                k, at = 2 * pairs + j - 1, pairs + j - 1
                for b in range(LANES):
                    high, low = left[g, i, j, b] ^ right[g, i, j, b], left[g, i, k, b] ^ right[g, i, k, b]
                    out[g, i, at, b] = masks[g, i, at, b] ^ (high & low)


@compiled
def enter(
    numbers: Array, entries: Array, known: np.uint64, masks: Array, lines: Array, generate: Array, masked: Array
) -> None:
    """Write a part of "generate" of every upper block, and of what is multiplied next, the latter under masks.

    A block of u + v, where `entries` are a part of u's bits and products, and v, whose bits are in `numbers`, is
    known to both: what has no part of u in it counts once, at the one whose `known` is all ones. `lines` is room
    for 512 words.
    """
    pairs = BLOCKS // 2
    for g in range(entries.shape[0]):
        for i in range(entries.shape[1]):
            _planes_of(numbers, i, g, lines)
            for j in range(pairs):
                for b in range(LANES):
                    added, spread = _entered(entries, lines, known, g, i, 2 * j, b)
                    masked[g, i, pairs + j, b] = masks[g, i, pairs + j, b] ^ added
                    if j:
                        masked[g, i, 2 * pairs + j - 1, b] = masks[g, i, 2 * pairs + j - 1, b] ^ spread
                for b in range(LANES):
                    added, spread = _entered(entries, lines, known, g, i, 2 * j + 1, b)
                    generate[g, i, j, b] = added
                    masked[g, i, j, b] = masks[g, i, j, b] ^ spread


@part
def _entered(
    entries: Array, lines: Array, known: np.uint64, g: int, i: int, block: int, b: int
) -> tuple[np.uint64, np.uint64]:
    """Return a part of "generate" and of "propagate" of a block of two bits."""
    low, high, product = entries[g, i, 2 * block, b], entries[g, i, 2 * block + 1, b], entries[g, i, 64 + block, b]
    v_low, v_high = lines[LANES * 2 * block + b], lines[LANES * (2 * block + 1) + b]
    both = v_low & v_high
    added = (high & v_high) ^ (product & v_low) ^ (low & both)
    return added, product ^ (high & v_low) ^ (low & v_high) ^ (both & known)


@compiled
def combine(
    mine: Array,
    theirs: Array,
    factors: Array,
    products: Array,
    generate: Array,
    known: np.uint64,
    masks: Array,
    upper: Array,
    masked: Array,
) -> None:
    """Join blocks in pairs: write "generate" of every second result to `upper`, and under masks all others.

    What is multiplied is the XOR of `mine`, under `factors` (this party's, see `deal_products`), and `theirs`, under the
    other party's; `products` is a part of what is dealt for them. `masks` are the next level's factors.
    """
    pairs, half = generate.shape[2], generate.shape[2] // 2
    for g in range(generate.shape[0]):
        for i in range(generate.shape[1]):
            for j in range(half):
                for b in range(LANES):
                    low = _product(mine, theirs, factors, products, known, g, i, 2 * j, pairs + 2 * j, 2 * j, b)
                    masked[g, i, half + j, b] = masks[g, i, half + j, b] ^ generate[g, i, 2 * j, b] ^ low
                for b in range(LANES):
                    k = 2 * j + 1
                    upper[g, i, j, b] = generate[g, i, k, b] ^ _product(
                        mine, theirs, factors, products, known, g, i, k, pairs + k, k, b
                    )
                    spread = _product(
                        mine, theirs, factors, products, known, g, i, k, 2 * pairs + k - 1, pairs + k - 1, b
                    )
                    masked[g, i, j, b] = masks[g, i, j, b] ^ spread
            for j in range(1, half):
                for b in range(LANES):
                    k, to = 2 * j, 2 * half + j - 1
                    spread = _product(
                        mine, theirs, factors, products, known, g, i, k, 2 * pairs + k - 1, pairs + k - 1, b
                    )
                    masked[g, i, to, b] = masks[g, i, to, b] ^ spread


@compiled
def combine_last(
    mine: Array, theirs: Array, factors: Array, products: Array, generate: Array, known: np.uint64, carries: Array
) -> None:
    """Join the last two blocks: XOR "generate" of all numbers into `carries`, one plane in each group."""
    for g in range(generate.shape[0]):
        for i in range(generate.shape[1]):
            for b in range(LANES):
                low = _product(mine, theirs, factors, products, known, g, i, 0, 1, 0, b)
                carries[g, b] ^= generate[g, i, 0, b] ^ low


@part
def _product(
    mine: Array,
    theirs: Array,
    factors: Array,
    products: Array,
    known: np.uint64,
    g: int,
    i: int,
    j: int,
    k: int,
    dealt: int,
    b: int,
) -> np.uint64:
    """Return a part of the product of what is opened as plane j and as plane k."""
    x, y = mine[g, i, j, b] ^ theirs[g, i, j, b], mine[g, i, k, b] ^ theirs[g, i, k, b]
    mixed = (x & factors[g, i, k, b]) ^ (y & factors[g, i, j, b]) ^ (x & y & known)
    part: np.uint64 = products[g, i, dealt, b] ^ mixed
    return part


@compiled
def pack_rows(bits: Array, out: Array) -> None:
    """Write bits of rows, one in each byte, as planes of 512."""
    for g in range(out.shape[0]):
        for b in range(LANES):
            out[g, b] = 0
        for r in range(64):
            for b in range(LANES):
                out[g, b] |= np.uint64(bits[GROUP * g + LANES * r + b]) << np.uint64(r)


@compiled
def unpack_rows(planes: Array, out: Array) -> None:
    """Undo `pack_rows`."""
    for g in range(planes.shape[0]):
        for r in range(64):
            for b in range(LANES):
                out[GROUP * g + LANES * r + b] = planes[g, b] >> np.uint64(r) & np.uint64(1)


@part
def _planes_of(numbers: Array, i: int, g: int, lines: Array) -> None:
    for r in range(64):
        for b in range(LANES):
            lines[LANES * r + b] = numbers[i, GROUP * g + LANES * r + b]
    transpose_lines(lines)
