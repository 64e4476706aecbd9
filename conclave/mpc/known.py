"""What one of the three may know of the data, and sees to for all: orders, rows and bits that the others do not learn.

An order that the knower alone knows is made of two that are uniform: one from the stream that it has in common with the
party after it, and what is left, which it sends to the party before it. Two hops of a shuffle then move the columns.
Where all three may know, nothing is secret and nothing is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.costs import Cost, costs, costs_as
from conclave.mpc.deal import deal
from conclave.mpc.errors import ProtocolError
from conclave.mpc.party import Party
from conclave.mpc.shares import (
    AShare,
    BitShare,
    Share,
    open_arithmetic,
    open_bits,
    pack_bits,
    public_bits,
    unpack_bits,
)
from conclave.mpc.shuffle import Columns, Rows, bytes_moved, hop, inverse


class Knowledge(Protocol):
    """Who of the three knows; an argument that only a knower has is None at the others."""

    def is_mine(self, me: Party) -> bool:
        """Whether this party knows."""

    def open(self, numbers: Sequence[AShare], bits: Sequence[BitShare], me: Party) -> list[Array] | None:
        """Open numbers and bits to who knows; None at the others."""

    def permute(self, columns: Columns, rows: Rows | None, me: Party) -> list[Share]:
        """Bring row `rows[j]` of every column to place j."""

    def take(self, columns: Columns, rows: Rows | None, count: int, me: Party) -> list[Share]:
        """Return row `rows[j]` of every column at place j, of `count`; rows may repeat."""

    def bits(self, values: Array | None, count: int, me: Party) -> BitShare:
        """Share `count` bits."""

    def number(self, value: int | None, me: Party) -> int:
        """Tell all three a number."""


@dataclass(frozen=True)
class OneKnows:
    """The party with this index knows."""

    knower: int

    def is_mine(self, me: Party) -> bool:
        """Whether this party knows."""
        return me.index == self.knower

    def open(self, numbers: Sequence[AShare], bits: Sequence[BitShare], me: Party) -> list[Array] | None:
        """See `open_to_one`."""
        return open_to_one(numbers, bits, self.knower, me)

    def permute(self, columns: Columns, rows: Rows | None, me: Party) -> list[Share]:
        """See `permute_known`."""
        return permute_known(columns, _agree(rows, columns[0].n, self.knower, me), self.knower, me)

    def take(self, columns: Columns, rows: Rows | None, count: int, me: Party) -> list[Share]:
        """See `take_known`."""
        return take_known(columns, rows, count, self.knower, me)

    def bits(self, values: Array | None, count: int, me: Party) -> BitShare:
        """See `deal_bits`."""
        return deal_bits(values, count, self.knower, me)

    def number(self, value: int | None, me: Party) -> int:
        """Let the knower tell the two others. One round."""
        if value is not None:
            told = np.array([value], np.uint64)
            me.round({me.next: told, me.prev: told}, {})
            return value
        return int(me.receive(self.knower, (1,), np.uint64)[0])


@dataclass(frozen=True)
class AllKnow:
    """All three know, so each does its part by itself."""

    def is_mine(self, me: Party) -> bool:
        """Whether this party knows: it does."""
        return True

    def open(self, numbers: Sequence[AShare], bits: Sequence[BitShare], me: Party) -> list[Array] | None:
        """Open to all three. Two rounds."""
        return [*(open_arithmetic(x, me) for x in numbers), *(open_bits(x, me) for x in bits)]

    def permute(self, columns: Columns, rows: Rows | None, me: Party) -> list[Share]:
        """Bring row `rows[j]` of every column to place j."""
        return [column.take(_there(rows)) for column in columns]

    def take(self, columns: Columns, rows: Rows | None, count: int, me: Party) -> list[Share]:
        """Return the rows at public places; zeros if there are none."""
        if columns[0].n == 0:
            return [pad(column, 0, count) for column in columns]
        return [column.take(_there(rows)) for column in columns]

    def bits(self, values: Array | None, count: int, me: Party) -> BitShare:
        """Return public bits."""
        return public_bits(_there(values), count, me)

    def number(self, value: int | None, me: Party) -> int:
        """Return what all know."""
        return int(_there(value))


@dataclass(frozen=True, eq=False)
class KnownOrder:
    """An order of n rows that one party knows whole, as the two that it is made of; None for what is not ours."""

    n: int
    with_next: Rows | None  # the first of them, from the stream in common with the party after the knower
    with_prev: Rows | None


@costs(rounds=1, bytes_sent=lambda n, words=0, bits=0: 8 * n * words + bits * ((n + 7) // 8))
def open_to_one(numbers: Sequence[AShare], bits: Sequence[BitShare], knower: int, me: Party) -> list[Array] | None:
    """Open numbers mod 2**64 and bits to one party.

    Shapes:  n secrets in each; cost is for so many vectors of numbers (`words`) and of bits.
    Reveals: them, to that party.
    """
    shares: list[Share] = [*numbers, *bits]
    sizes = [(x.n + 7) // 8 if isinstance(x, BitShare) else x.own.nbytes for x in shares]
    if me.index == (knower + 2) % 3:  # what it has as its own is the part that the knower lacks
        parts = [pack_bits(x.own) if isinstance(x, BitShare) else x.own.view(np.uint8) for x in shares]
        me.round({knower: np.concatenate([np.zeros(0, np.uint8), *parts])}, {})
        return None
    if me.index != knower:
        me.round({}, {})
        return None
    received, start, opened = me.round({}, {me.prev: sum(sizes)})[me.prev], 0, []
    for x, size in zip(shares, sizes, strict=True):
        piece = np.frombuffer(received, np.uint8, count=size, offset=start)
        start += size
        if isinstance(x, BitShare):
            opened.append(x.own ^ x.next ^ unpack_bits(piece, x.n))
        else:
            opened.append(x.own + x.next + piece.view(np.uint64))
    return opened


def _agree_cost(n: int) -> Cost:
    return Cost(1, 4 * n)


@costs_as(_agree_cost)
def _agree(rows: Rows | None, n: int, knower: int, me: Party) -> KnownOrder:
    """Cut the knower's order, given as gather, in two that are uniform by themselves; tell each neighbour one."""
    if me.index == knower:
        first = me.streams.with_next.use("known order").permutation(n)
        second = inverse(first)[_there(rows)].astype(np.uint32)
        me.round({me.prev: second}, {})
        return KnownOrder(n, first, second)
    if me.prev == knower:
        me.round({}, {})
        return KnownOrder(n, me.streams.with_prev.use("known order").permutation(n), None)
    second = me.receive(knower, (n,), np.uint32)
    if not np.array_equal(np.sort(second), np.arange(n, dtype=np.uint32)):
        raise ProtocolError("what was sent is no order of rows: the parties are out of step")
    return KnownOrder(n, None, second)


@costs(rounds=2, bytes_sent=lambda n, **kinds: 2 * bytes_moved(n, **kinds))
def permute_known(columns: Columns, by: KnownOrder, knower: int, me: Party) -> list[Share]:
    """Bring columns into an order that one party knows; the shares come out fresh.

    Shapes:  n secrets in each; cost is for so many uint64 `words` and packed `bits` columns.
    Reveals: nothing.
    """
    moved = hop(columns, knower, by.with_next, me)
    return hop(moved, (knower + 2) % 3, by.with_prev, me)


@costs(rounds=2, bytes_sent=lambda n, **kinds: 2 * bytes_moved(n, **kinds))
def undo_known(columns: Columns, by: KnownOrder, knower: int, me: Party) -> list[Share]:
    """Undo `permute_known` by the same order.

    Shapes:  as `permute_known`.
    Reveals: nothing.
    """
    back = [None if rows is None else inverse(rows) for rows in (by.with_prev, by.with_next)]
    moved = hop(columns, (knower + 2) % 3, back[0], me)
    return hop(moved, knower, back[1], me)


def _take_cost(n: int, count: int, **kinds: int) -> Cost:
    if n == 0 or count == 0:
        return Cost(0, 0)
    parts = [_agree.cost(n=n + count), permute_known.cost(n=n + count, **kinds), undo_known.cost(n=n + count, **kinds)]
    return sum(parts, Cost(0, 0))


@costs_as(_take_cost)
def take_known(columns: Columns, rows: Rows | None, count: int, knower: int, me: Party) -> list[Share]:
    """Return row `rows[j]` of every column at place j; rows may repeat, and one party alone knows which they are.

    The differences between neighbouring rows, and zeros for the copies, are brought into the order in which each row
    stands right above its copies; added up from the top, every copy is its row; and then all goes back.

    Shapes:  n secrets in each column; `count` in what is returned, zeros if there are no rows.
    Reveals: nothing.
    """
    n = columns[0].n
    if n == 0 or count == 0:
        return [pad(column[:0], 0, count) for column in columns]
    layout = None if rows is None else np.argsort(np.concatenate([np.arange(n), rows]), kind="stable")
    by = _agree(layout, n + count, knower, me)
    steps = [pad(differences(column), 0, count) for column in columns]
    copies = [accumulate(column) for column in permute_known(steps, by, knower, me)]
    return [column[n:] for column in undo_known(copies, by, knower, me)]


@costs(rounds=1, bytes_sent=lambda n: (n + 7) // 8)
def deal_bits(values: Array | None, n: int, knower: int, me: Party) -> BitShare:
    """Share n bits that one party knows.

    Shapes:  n bits.
    Reveals: nothing.
    """
    packed = pack_bits(np.zeros(n, np.uint8) if values is None else values.astype(np.uint8))
    own, after = deal(packed, me, np.bitwise_xor, knower)
    return BitShare(unpack_bits(own, n), unpack_bits(after, n))


def pad(column: Share, before: int, after: int) -> Share:
    """Put public zeros around a column."""
    return replace(column, own=np.pad(column.own, (before, after)), next=np.pad(column.next, (before, after)))


def differences(column: Share) -> Share:
    """Return each secret less the one before it; the first stays."""
    if isinstance(column, AShare):
        return column.differences()
    own, after = column.own.copy(), column.next.copy()
    own[1:] ^= column.own[:-1]
    after[1:] ^= column.next[:-1]
    return replace(column, own=own, next=after)


def accumulate(column: Share) -> Share:
    """Undo `differences`."""
    if isinstance(column, AShare):
        return column.prefix_sums()
    own, after = np.bitwise_xor.accumulate(column.own), np.bitwise_xor.accumulate(column.next)
    return replace(column, own=own, next=after)


def _there(value: "Array | int | None") -> Array:
    """Return what a knower has."""
    if value is None:
        raise ProtocolError("a knower was given nothing")
    return np.asarray(value)
