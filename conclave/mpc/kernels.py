"""Loops over rows that numpy would do in many passes over memory, compiled: no secrets decide a branch.

Arrays are dense (`arrays.dense`), and a loop allocates none: what it writes to is given last, and shares no memory with
what it reads. A branch or an address
may depend on a permutation that this party knows, on an opened digit or place, and on nothing else.
"""

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.compiled import compiled, part

Word = np.uint64
LOW_HALF = np.uint64(0xFFFFFFFF)


@compiled
def swap_down(order: Array, left: int, words: Array) -> int:
    """Continue a Fisher-Yates shuffle with uniform 32-bit words; return how many rows are left to swap.

    Place i swaps with one of 0..i, chosen without bias by Lemire's multiplication (ACM TOMACS 2019): a word
    whose low product falls below 2**32 mod (i + 1) is thrown away.
    """
    for i in range(len(words)):
        if left < 2:
            break
        bound = np.uint64(left)
        product = np.uint64(words[i]) * bound
        low = product & LOW_HALF
        if low < bound and low < (LOW_HALF + np.uint64(1)) % bound:
            continue
        last, chosen = left - 1, product >> np.uint64(32)
        order[last], order[chosen] = order[chosen], order[last]
        left -= 1
    return left


@compiled
def take_add(x: Array, rows: Array, plus: Array, out: Array) -> None:
    """Write x[rows] + plus."""
    for j in range(len(rows)):
        out[j] = x[rows[j]] + plus[j]


@compiled
def take_subtract(x: Array, rows: Array, minus: Array, out: Array) -> None:
    """Write x[rows] - minus."""
    for j in range(len(rows)):
        out[j] = x[rows[j]] - minus[j]


@compiled
def take_xor(x: Array, rows: Array, plus: Array, out: Array) -> None:
    """Write x[rows] ^ plus."""
    for j in range(len(rows)):
        out[j] = x[rows[j]] ^ plus[j]


@compiled
def move_add(x: Array, rows: Array, plus: Array, places: Array, out: Array) -> None:
    """Write x[rows] + plus with element j moved to `places[j]`."""
    for j in range(len(rows)):
        out[places[j]] = x[rows[j]] + plus[j]


@compiled
def move_xor(x: Array, rows: Array, plus: Array, places: Array, out: Array) -> None:
    """Write x[rows] ^ plus with element j moved to `places[j]`."""
    for j in range(len(rows)):
        out[places[j]] = x[rows[j]] ^ plus[j]


@compiled
def take(x: Array, rows: Array, out: Array) -> None:
    """Write x[rows], for which numpy would first widen the rows."""
    for j in range(len(rows)):
        out[j] = x[rows[j]]


@compiled
def scatter(x: Array, places: Array, out: Array) -> None:
    """Write x with element j moved to `places[j]`."""
    for j in range(len(places)):
        out[places[j]] = x[j]


@compiled
def deal_choice(chosen: Array, known: Array, left: Array, right: Array, picked: Array, dealt: Array) -> None:
    """Write, for the dealer's digit b = `chosen`, one-hot rows minus `known`, and left + right at b minus `picked`.

    Row k of `known`, `left` and `right` belongs to digit k + 1; digit 0 chooses a zero.
    """
    classes, n = known.shape
    for j in range(n):
        dealt[classes, j] = known.dtype.type(0) - picked[j]
    for k in range(classes):
        for j in range(n):
            one = known.dtype.type(chosen[j] == k + 1)
            dealt[k, j] = one - known[k, j]
            dealt[classes, j] += one * (left[k, j] + right[k, j])


@compiled
def rank_classes(hot: Array, shift: Array, first: int, masks: Array, base: Array, ways: Array, sizes: Array) -> None:
    """Write each row's rank in class `shift`, the masked ways from there to its ranks in the others, and the sizes.

    Two or four classes; class k has row k ^ shift of the one-hot rows, of which row 0, `first` less the others,
    is not given. Ranks count from one, in each class.
    """
    # Sums are kept in 64 bits, and cut to the ring when they are stored.
    one, zero = np.uint64(first), np.uint64(0)
    c0, c1, c2, c3 = zero, zero, zero, zero
    if hot.shape[0] == 1:
        for j in range(len(base)):
            h1 = np.uint64(hot[0, j])
            a0, a1, _, _ = _shifted(one - h1, h1, zero, zero, shift[j])
            c0, c1 = c0 + a0, c1 + a1
            r0, r1, _, _ = _shifted(c0, c1, zero, zero, shift[j])
            base[j], ways[0, j] = r0, r1 - r0 - masks[0, j]
    else:
        for j in range(len(base)):
            h1, h2, h3 = np.uint64(hot[0, j]), np.uint64(hot[1, j]), np.uint64(hot[2, j])
            a0, a1, a2, a3 = _shifted(one - h1 - h2 - h3, h1, h2, h3, shift[j])
            c0, c1, c2, c3 = c0 + a0, c1 + a1, c2 + a2, c3 + a3
            r0, r1, r2, r3 = _shifted(c0, c1, c2, c3, shift[j])
            base[j], ways[0, j] = r0, r1 - r0 - masks[0, j]
            ways[1, j], ways[2, j] = r2 - r0 - masks[1, j], r3 - r0 - masks[2, j]
    sizes[0], sizes[1], sizes[2], sizes[3] = c0, c1, c2, c3


@part
def _shifted(a0: Word, a1: Word, a2: Word, a3: Word, shift: int) -> tuple[Word, Word, Word, Word]:
    """Return the four so that number k is what number k ^ shift was, without a branch."""
    odd, upper = np.uint64(0) - np.uint64(shift & 1), np.uint64(0) - np.uint64(shift >> 1)
    low, high = (a0 ^ a1) & odd, (a2 ^ a3) & odd
    a0, a1, a2, a3 = a0 ^ low, a1 ^ low, a2 ^ high, a3 ^ high
    even, other = (a0 ^ a2) & upper, (a1 ^ a3) & upper
    return a0 ^ even, a1 ^ other, a2 ^ even, a3 ^ other


@compiled
def start_classes(base: Array, ways: Array, shift: Array, starts: Array) -> None:
    """Let the ranks of each class begin at its start."""
    for j in range(len(base)):
        base[j] += starts[shift[j]]
    for k in range(ways.shape[0]):
        for j in range(len(base)):
            ways[k, j] += starts[(k + 1) ^ shift[j]] - starts[shift[j]]


@compiled
def choose_way(base: Array, picked: Array, hot: Array, mine: Array, theirs: Array, out: Array) -> None:
    """Write base + picked + the sum over classes of hot * (mine + theirs)."""
    for j in range(len(out)):
        out[j] = base[j] + picked[j]
    for k in range(hot.shape[0]):
        for j in range(hot.shape[1]):
            out[j] += hot[k, j] * (mine[k, j] + theirs[k, j])


@compiled
def multiply_add(x_own: Array, x_next: Array, y_own: Array, y_next: Array, out: Array) -> None:
    """Add to `out` the three of the nine terms of a product that a party can see."""
    for j in range(len(out)):
        out[j] += x_own[j] * (y_own[j] + y_next[j]) + x_next[j] * y_own[j]


@compiled
def transpose_blocks(words: Array, lines: Array, out: Array) -> None:
    """Write bit k of word 64 * b + r to bit r of `out[k, b]`: 64 x 64 blocks, by halves (Hacker's Delight, 7-3).

    `words` has 64 words a block; of the 64 rows of a transposed block as many are written as `out` has. `lines` is
    room for eight blocks: 512 words.
    """
    # Eight blocks side by side: one wide instruction serves them all, and a cache line of each plane is filled.
    n_blocks = len(words) // 64
    for start in range(0, n_blocks, 8):
        width = min(8, n_blocks - start)
        for b in range(width):
            for r in range(64):
                lines[8 * r + b] = words[64 * (start + b) + r]
        transpose_lines(lines)
        for k in range(out.shape[0]):
            for b in range(width):
                out[k, start + b] = lines[8 * k + b]


@compiled
def join_blocks(planes: Array, lines: Array, out: Array) -> None:
    """Undo `transpose_blocks`."""
    n_blocks = planes.shape[1]
    for start in range(0, n_blocks, 8):
        width = min(8, n_blocks - start)
        for k in range(planes.shape[0], 64):
            for b in range(8):
                lines[8 * k + b] = 0
        for k in range(planes.shape[0]):
            for b in range(width):
                lines[8 * k + b] = planes[k, start + b]
        transpose_lines(lines)
        for b in range(width):
            for r in range(64):
                out[64 * (start + b) + r] = lines[8 * r + b]


@part
def transpose_lines(lines: Array) -> None:
    """Transpose 64 x 64 bits, eight times: bit k of `lines[8 * r + b]` becomes bit r of `lines[8 * k + b]`."""
    _exchange(lines, 32, np.uint64(0x00000000FFFFFFFF))
    _exchange(lines, 16, np.uint64(0x0000FFFF0000FFFF))
    _exchange(lines, 8, np.uint64(0x00FF00FF00FF00FF))
    _exchange(lines, 4, np.uint64(0x0F0F0F0F0F0F0F0F))
    _exchange(lines, 2, np.uint64(0x3333333333333333))
    _exchange(lines, 1, np.uint64(0x5555555555555555))


@part
def _exchange(lines: Array, distance: int, stay: np.uint64) -> None:
    """Exchange the upper bits of rows with the lower ones of those so far below, in blocks of that size."""
    shift, size = np.uint64(distance), 8 * distance
    for start in range(0, 512, 2 * size):
        for t in range(size):
            low, high = lines[start + t], lines[start + size + t]
            swapped = ((low >> shift) ^ high) & stay
            lines[start + size + t] = high ^ swapped
            lines[start + t] = low ^ (swapped << shift)
