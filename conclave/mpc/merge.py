"""Merge of rows that stand sorted in runs: Batcher's bitonic merge (AFIPS 1968) on bit planes, 64 comparisons a word.

A run turned round, with another behind it, falls and then rises. Of such rows each is compared with the one d places
below it and exchanged if it is greater, for d half the rows (as a power of two), a quarter, and so on to 1; then all are
in order. Rows that would fill up the power of two would be the greatest, stand last and never move: they are left out.

Of few rows two layers are done at once, in two thirds of the rounds: all pairs that may meet are compared, and it is chosen which do.
Exchanged are the bits that are compared and the rows' numbers; the payload is moved once, by `Order.apply`. Which rows
are compared is public. Runs are merged in pairs, the pairs of a level in the same rounds, until one is left.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.bits import and_planes
from conclave.mpc.costs import Cost, costs_as, merges_faster
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, concat_planes, concat_rows, public_numbers, words_to_planes
from conclave.mpc.shares import BShare
from conclave.mpc.sort import MOST_ROWS, Order, sort_permutation
from conclave.mpc.together import for_each

T = TypeVar("T")
WORD = 64
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
# Two layers at once spare rounds, which decide of few rows; of more rows the bytes do.
MOST_ROWS_BY_TWOS = 1 << 17


def _greater_cost(n: int, planes: int) -> Cost:
    total = Cost(0, 0)
    while planes > 1:
        half = planes // 2
        total += and_planes.cost(n=n, planes=2 * half - 1)
        planes -= half
    return total


@costs_as(_greater_cost)
def is_greater(x: Planes, y: Planes, me: Party) -> Planes:
    """Return whether x > y as unsigned numbers, and anything where they are equal, by halves.

    Of two blocks of bits the upper one decides, unless x and y agree in it: then the lower one does.

    Shapes:  `planes` planes of n bits each, at least one, the least significant first; one plane.
    Reveals: nothing.
    """
    differ, decides = x ^ y, x
    while decides.count > 1:
        half = decides.count // 2
        low, high = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
        below, above = differ[low][1:], differ[high][1:]  # whether the lowest block differs is never asked
        both = and_planes(
            concat_planes([differ[high], above]), concat_planes([decides[high] ^ decides[low], below]), me
        )
        decides = concat_planes([decides[low] ^ both[:half], decides[2 * half :]])
        differ = concat_planes([differ[:1], below ^ above ^ both[half:], differ[2 * half :]])
    return decides


def _distances(n: int) -> Iterator[tuple[int, ...]]:
    """Yield how far apart rows are compared, one layer or two at a time.

    >>> list(_distances(20)), list(_distances(1 << 20))[:2]
    ([(16,), (8, 4), (2, 1)], [(524288,), (262144,)])
    """
    layers = [1 << level for level in reversed(range(_number_bits(n)))]
    single = len(layers) if n > MOST_ROWS_BY_TWOS else len(layers) % 2
    yield from ((distance,) for distance in layers[:single])
    yield from zip(layers[single::2], layers[single + 1 :: 2], strict=True)


def _room(n: int, distances: Sequence[int]) -> int:
    """Return how many words rows take, filled up so that all of what they are taken apart into is of one length.

    >>> _room(130, (64,)), _room(130, (2, 1)), _room(130, (128, 64))
    (4, 4, 4)
    """
    words = max(2 * distances[0] // WORD, 1 << len(distances))
    return -(-n // (WORD * words)) * words


def _apart(rows: Array, distances: Sequence[int]) -> list[Array]:
    """Return the rows above and below each other at the first distance, and both again so at the next one."""
    parts = [rows]
    for distance in distances:
        parts = [half for part in parts for half in _halves(part, distance)]
    return parts


def _together(parts: Sequence[Array], distances: Sequence[int]) -> Array:
    """Undo `_apart`."""
    for distance in reversed(distances):
        parts = [_joined(above, below, distance) for above, below in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _halves(rows: Array, distance: int) -> tuple[Array, Array]:
    if distance >= WORD:
        blocks = rows.reshape(len(rows), -1, 2, distance // WORD)
        return blocks[:, :, 0].reshape(len(rows), -1), blocks[:, :, 1].reshape(len(rows), -1)
    d, above = np.uint64(distance), _bits_above(distance)
    first, second = rows[:, 0::2], rows[:, 1::2]  # two words make one of each half
    return (first & above) | ((second & above) << d), ((first >> d) & above) | (second & ~above)


def _joined(above: Array, below: Array, distance: int) -> Array:
    if distance >= WORD:
        shape = (len(above), -1, distance // WORD)
        return np.stack([above.reshape(shape), below.reshape(shape)], axis=2).reshape(len(above), -1)
    d, bits = np.uint64(distance), _bits_above(distance)
    rows = np.empty((len(above), 2 * above.shape[1]), np.uint64)
    rows[:, 0::2] = (above & bits) | ((below & bits) << d)
    rows[:, 1::2] = ((above >> d) & bits) | (below & ~bits)
    return rows


def _bits_above(distance: int) -> np.uint64:
    """Return which rows of a word are compared with a lower one in it."""
    bits = np.arange(WORD) // distance % 2 == 0
    return np.uint64(np.packbits(bits, bitorder="little").view(np.uint64)[0])


def _bitonic_cost(n: int, planes: int, numbers: int) -> Cost:
    total, moved = Cost(0, 0), planes + numbers
    for distances in _distances(n):
        rows = WORD * _room(n, distances) >> len(distances)
        if len(distances) == 1:
            total += is_greater.cost(n=rows, planes=planes) + and_planes.cost(n=rows, planes=moved)
        else:
            total += is_greater.cost(n=6 * rows, planes=planes) + and_planes.cost(n=rows, planes=2 * moved + 2)
            total += and_planes.cost(n=rows, planes=2) + and_planes.cost(n=rows, planes=2 * moved)
    return total


@costs_as(_bitonic_cost)
def bitonic_merge(rows: Planes, planes: int, me: Party) -> Planes:
    """Sort rows that fall and then rise in their uppermost `planes` planes; the `numbers` planes below come along.

    Shapes:  n rows, at least one plane to sort by, the least significant first.
    Reveals: nothing.
    """
    n, words, numbers = rows.n, rows.own.shape[1], rows.count - planes
    exist = words_to_planes(np.ones(n, np.uint64), 1)
    for distances in _distances(n):
        fill = ((0, 0), (0, _room(n, distances) - words))
        own, after, there = (_apart(np.pad(each, fill), distances) for each in (rows.own, rows.next, exist))
        parts = [Planes(*part, WORD * part[0].shape[1]) for part in zip(own, after, strict=True)]
        parts = (_one_layer if len(distances) == 1 else _two_layers)(parts, there, numbers, me)
        own, after = ([getattr(part, row) for part in parts] for row in ("own", "next"))
        rows = Planes(_together(own, distances)[:, :words], _together(after, distances)[:, :words], n)
    return rows


def _one_layer(parts: Sequence[Planes], there: Sequence[Array], numbers: int, me: Party) -> list[Planes]:
    """Exchange rows that are greater than those below them."""
    x, y = parts
    greater = _only(is_greater(x[numbers:], y[numbers:], me), there[1])
    change = and_planes(_times(greater, x.count), x ^ y, me)
    return [x ^ change, y ^ change]


def _two_layers(parts: Sequence[Planes], there: Sequence[Array], numbers: int, me: Party) -> list[Planes]:
    """Exchange a and c, b and d; then a and b, c and d: all six that may meet are compared at once.

    Which of a and c is the lesser says whether b meets a or c, and b and d likewise; so the second layer's comparisons
    are chosen while the first one's rows are exchanged. Half as much again is compared.
    """
    a, b, c, d = parts
    pairs = [(a, c), (b, d), (a, b), (c, b), (a, d), (c, d)]
    upper, lower = (_beside([pair[k][numbers:] for pair in pairs]) for k in (0, 1))
    all_there = np.concatenate([there[k] for k in (2, 3, 1, 2, 3, 3)], axis=1)
    a_c, b_d, a_b, c_b, a_d, c_d = _split(_only(is_greater(upper, lower, me), all_there), len(pairs))

    count = a.count
    chosen = concat_planes([_times(a_c, count), _times(b_d, count), a_c, a_c])
    done = and_planes(chosen, concat_planes([a ^ c, b ^ d, a_b ^ c_b, a_d ^ c_d]), me)
    first, second, with_b, with_d = done[:count], done[count : 2 * count], done[2 * count : -1], done[2 * count + 1 :]
    a, b, c, d = a ^ first, b ^ second, c ^ first, d ^ second

    # Above, the lesser of a and c meets b, or d if that is less; below, the greater one meets the other.
    above, below = (a_b ^ with_b, a_d ^ with_d), (c_d ^ with_d, c_b ^ with_b)
    turned = and_planes(_times(b_d, 2), concat_planes([above[0] ^ above[1], below[0] ^ below[1]]), me)
    is_a_greater, is_c_greater = above[0] ^ turned[:1], below[0] ^ turned[1:]

    chosen = concat_planes([_times(is_a_greater, count), _times(is_c_greater, count)])
    done = and_planes(chosen, concat_planes([a ^ b, c ^ d]), me)
    first, second = done[:count], done[count:]
    return [a ^ first, b ^ first, c ^ second, d ^ second]


def _only(bits: Planes, there: Array) -> Planes:
    """Return bits, zeros where the lower row is none: nothing is exchanged with it."""
    return Planes(bits.own & there, bits.next & there, bits.n)


def _times(bits: Planes, count: int) -> Planes:
    """Return one plane as many times."""
    return bits[[0] * count]


def _beside(parts: Sequence[Planes]) -> Planes:
    """Put rows that fill their words beside each other."""
    own, after = (np.concatenate([getattr(part, row) for part in parts], axis=1) for row in ("own", "next"))
    return Planes(own, after, WORD * own.shape[1])


def _split(rows: Planes, count: int) -> list[Planes]:
    """Undo `_beside`."""
    parts = zip(np.split(rows.own, count, axis=1), np.split(rows.next, count, axis=1), strict=True)
    return [Planes(own, after, rows.n // count) for own, after in parts]


def _merge_cost(runs: Sequence[int], bits: int) -> Cost:
    numbers, left, total = _number_bits(sum(runs)), sorted(n for n in runs if n), Cost(0, 0)
    while len(left) > 1:
        pairs, rest = _pairs(left)
        level = [bitonic_merge.cost(n=a + b, planes=bits, numbers=numbers) for a, b in pairs]
        total += Cost(max(cost.rounds for cost in level), sum(cost.bytes_sent for cost in level))
        left = sorted([*(a + b for a, b in pairs), *rest])
    return total


@costs_as(_merge_cost)
def merge_permutation(key: Planes, runs: Sequence[int], me: Party) -> tuple[Order, Planes]:
    """Find the ascending order of rows that stand in it already, run by run; return with it the key in that order.

    Equal rows come in any order: who wants a certain one lets the key end in what tells them apart.

    Shapes:  `bits` planes as of `sort_permutation`, at least one; the lengths of the runs, which add up to its rows.
             Rounds are for pairs of runs that are merged side by side.
    Reveals: nothing. Where a run is not in order, nor is the result; its rows are the same.
    Raises:  ShapeError if the runs are not the rows, or there are more than an order allows.
    """
    n = key.n
    if sum(runs) != n or n >= MOST_ROWS:
        raise ShapeError(f"cannot merge runs of {list(runs)} rows: there are {n}")
    rows = concat_planes([public_numbers(np.arange(n, dtype=np.uint64), _number_bits(n), me), key])
    starts = np.cumsum([0, *runs]).tolist()
    left = sorted((rows.rows(a, b) for a, b in pairwise(starts) if a < b), key=_length)
    while len(left) > 1:
        pairs, rest = _pairs(left)
        left = sorted([*for_each(pairs, lambda pair, lane: _merge_two(*pair, key.count, lane), me), *rest], key=_length)
    if left:
        rows = left[0]
    numbers = rows[: _number_bits(n)].words()
    order = BShare(numbers.own.astype(np.uint32), numbers.next.astype(np.uint32), 32)
    return Order(order), rows[_number_bits(n) :]


def pays(runs: Sequence[int], bits: int) -> bool:
    """Whether runs of so many rows are merged faster than sorted, by what both declare; all parties agree on it."""
    merged, sorted_ = merge_permutation.cost(runs=runs, bits=bits), sort_permutation.cost(n=sum(runs), bits=bits)
    return merges_faster(merged, sorted_)


def _merge_two(above: Planes, below: Planes, planes: int, me: Party) -> Planes:
    return bitonic_merge(concat_rows([above.upside_down(), below]), planes, me)


def _pairs(sorted_runs: Sequence[T]) -> tuple[list[tuple[T, T]], Sequence[T]]:
    """Return runs by twos, the shortest first, and what is left over: the longest."""
    whole = len(sorted_runs) // 2 * 2
    return list(zip(sorted_runs[:whole:2], sorted_runs[1:whole:2], strict=True)), sorted_runs[whole:]


def _number_bits(n: int) -> int:
    return max(n - 1, 0).bit_length()


def _length(rows: Planes) -> int:
    return rows.n
