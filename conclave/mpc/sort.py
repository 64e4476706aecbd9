"""Stable radix sort after Asharov et al. (CCS 2022), two key bits a pass, permutations in Z_2^32.

A pass turns the two lowest key bits into each row's secret destination, shuffles the destinations together
with the key bits still to come and the row numbers, opens the shuffled destinations, and moves rows there.
What is opened is a permutation seen through a fresh secret shuffle: uniform whatever the keys are. The
payload does not take part: the result is an `Order`, and payload columns are moved once, by `Order.apply`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conclave.mpc.bits import and_bits
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.errors import ShapeError
from conclave.mpc.multiply import dot
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes
from conclave.mpc.shares import AShare, BitShare, BShare, Share, concat_arithmetic, concat_bits, public_share
from conclave.mpc.shuffle import Columns, SecretShuffle, shuffle_and_open, unshuffle

MOST_ROWS = 1 << 31


@dataclass(frozen=True, eq=False)
class Order:
    """A secret order of n rows: `rows` holds, mod 2**32, which row comes to place 0, 1, ..."""

    rows: AShare

    def apply(self, columns: Columns, me: Party) -> list[Share]:
        """Bring columns into this order.

        Shapes:  n secrets in each. 6 rounds; per row and party 20 bytes, and 2 words per column of words.
        Reveals: the shuffled row numbers, a uniform permutation.
        """
        if not columns:
            return []
        by = SecretShuffle.draw(self.rows.n, me)
        _, rows = shuffle_and_open([], self.rows, by, me)
        return unshuffle([c.take(rows.astype(np.int64)) for c in columns], by, me)

    def undo(self, columns: Columns, me: Party) -> list[Share]:
        """Bring columns that are in this order back into the order of the rows' numbers.

        Shapes:  n secrets in each. 3 rounds.
        Reveals: the shuffled row numbers, a uniform permutation.
        """
        if not columns:
            return []
        moved, rows = shuffle_and_open(columns, self.rows, SecretShuffle.draw(self.rows.n, me), me)
        return [c.scatter(rows.astype(np.int64)) for c in moved]


def _narrow_bytes(bits: int) -> int:
    return next(size for size in (1, 2, 4, 8) if 8 * size >= bits)


def _pass_cost(n: int, key_bits: int, bits_after: int) -> Cost:
    words = [min(64, bits_after - at) for at in range(0, bits_after, 64)]
    carried = sum(_narrow_bytes(bits) for bits in words)
    cost = shuffle_and_open.cost(n=n, halves=1, bytes_=carried) + Cost(1, 4 * n)
    if key_bits == 2:
        return cost + and_bits.cost(n=n) + Cost(2, 3 * 8 * n)
    return cost + Cost(2, 8 * n)


def _sort_cost(n: int, bits: int) -> Cost:
    total = Cost(0, 0)
    if n < 2:
        return total
    for used in range(0, bits, 2):
        now = min(2, bits - used)
        # What is carried is cut at 64 bits counted from the start, so the first word is the one that shrinks.
        rest = bits - used - now
        head = rest - (bits - min(bits, (used // 64 + 1) * 64)) if rest else 0
        total += _shifted_pass_cost(n, now, head, rest - head)
    return total


def _shifted_pass_cost(n: int, key_bits: int, head: int, tail: int) -> Cost:
    return _pass_cost(n, key_bits, tail) + Cost(0, 2 * n * _narrow_bytes(head) if head else 0)


@costs_as(_sort_cost)
def sort_permutation(key: Planes, me: Party) -> Order:
    """Find the stable ascending order of rows by a composite key.

    Shapes:  `bits` planes of n bits, the least significant first: of several key columns, the last one comes
             first.
    Reveals: one uniformly random permutation a pass.
    Raises:  ShapeError if there are more rows than a permutation in Z_2^32 allows.
    """
    n = key.n
    if n >= MOST_ROWS:
        raise ShapeError(f"cannot sort {n} rows")
    rows: Share = public_share(np.arange(n, dtype=np.uint32), n, me, np.uint32)
    if n > 1:
        words = [key[at : at + 64].words() for at in range(0, key.count, 64)]
        while words:
            lowest = [words[0].bit(k) for k in range(min(2, words[0].bits))]
            places = _destinations(lowest, me)
            rest = words[0].drop(2)
            words = [rest, *words[1:]] if rest.bits else words[1:]
            rows, *moved = _move([rows, *words], places, me)
            words = [w for w in moved if isinstance(w, BShare)]
    if not isinstance(rows, AShare):
        raise ShapeError("row numbers are arithmetic shares")
    return Order(rows)


def _partition_cost(n: int) -> Cost:
    return (Cost(3, 12 * n) if n else Cost(0, 0)) + shuffle_and_open.cost(n=n)


@costs_as(_partition_cost)
def partition(flags: BitShare, columns: Columns, me: Party) -> tuple[list[Share], AShare]:
    """Move the rows whose flag is 0 to the front, stably; also return every old row's new place.

    Shapes:  n bits, n secrets in each column; places are secrets mod 2**32. Cost is for no column.
    Reveals: the shuffled places, a uniform permutation.
    """
    places = _destinations([flags], me)
    return _move(columns, places, me), places


def _destinations(lowest: Sequence[BitShare], me: Party) -> AShare:
    """Return where each row belongs by one bit, or by two (the lower first): its rank in a stable sort."""
    n = lowest[0].n
    if n == 0:
        return public_share(0, 0, me, np.uint32)
    if len(lowest) == 2:
        low, high = lowest
        both = and_bits(low, high, me)
        is_class = concat_bits([low ^ both, high ^ both, both])
    else:
        is_class = lowest[0]
    indicators = bit_to_arithmetic(is_class, me, np.uint32)
    others = indicators.split(is_class.n // n)
    first = public_share(1, n, me, np.uint32)
    for other in others:
        first = first - other
    # Counting on through the classes, lowest first, gives each row of a class its rank.
    ranks = concat_arithmetic([first, indicators]).prefix_sums().add_public(-1, me).split(len(others) + 1)
    # A row is in one class exactly, so the first class needs no product: rank_0 + sum of (rank_k - rank_0) *
    # in_k.
    return ranks[0] + dot(others, [rank - ranks[0] for rank in ranks[1:]], me)


def _move(columns: Columns, places: AShare, me: Party) -> list[Share]:
    """Send row j of every column to secret place `places[j]`."""
    moved, opened = shuffle_and_open(columns, places, SecretShuffle.draw(places.n, me), me)
    return [c.scatter(opened.astype(np.int64)) for c in moved]
