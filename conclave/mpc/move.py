"""Rows to secret places, with party 0 as the dealer: two permutations, and half the bytes of a shuffle by resharing.

After Chase, Ghosh, Poburinnaya (Secret-Shared Shuffle, ASIACRYPT 2020), the dealer in the place of their
oblivious transfers. Party 1 knows a fresh uniform permutation, party 2 another, the dealer both; parties 1 and
2 open the secret places of rows that went through both. Each of them lacks one permutation, so what it sees is
a uniform one; the dealer, who lacks none, is not told.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conclave.mpc import kernels
from conclave.mpc.arrays import Array
from conclave.mpc.costs import costs
from conclave.mpc.errors import ProtocolError, ShapeError
from conclave.mpc.party import Party
from conclave.mpc.shares import Share
from conclave.mpc.split import DEALER, LEFT, RIGHT, Split, common, decode, encode, size


@costs(rounds=3, bytes_sent=lambda n, carried=0: 4 * n + 2 * carried)
def move(columns: Sequence[Split], places: Split, me: Party) -> list[Split]:
    """Send row j of every column to secret place `places[j]`.

    Shapes:  n secrets in each, places mod 2**32; cost is for `carried` bytes of columns.
    Reveals: a uniform permutation to parties 1 and 2.
    Raises:  ShapeError if lengths differ; ProtocolError if what is opened are no places.
    """
    _need_length(columns, places)
    all_columns = [*columns, places]
    if me.index == DEALER:
        left, right = _permutation(LEFT, places.n, me), _permutation(RIGHT, places.n, me)
        mids = _deal_shuffle(columns, places, left, me)
        fresh = [c.mask(common(LEFT, me, "hop")) for c in columns]
        lasts = [c.take_minus(mid, right, mask) for c, mid, mask in zip(columns, mids, fresh, strict=True)]
        me.round({RIGHT: encode(lasts, columns)} if columns else {}, {})
        # Empty, but it keeps the dealer, who has nothing to wait for, from dealing so far ahead that it takes peers
        # that are at work for lost.
        me.round({}, {LEFT: 0})
        return list(columns)
    if me.index == LEFT:
        _shuffle_left(all_columns, me)
        fresh = [c.mask(common(DEALER, me, "hop")) for c in columns]
        received = me.round({DEALER: np.zeros(0, np.uint8)}, {RIGHT: places.size_bytes})
        opened = _checked(np.frombuffer(received[RIGHT], np.uint32))
        return [c.with_part(c.moved(part, opened)) for c, part in zip(columns, fresh, strict=True)]
    mid, opened, right, dealt = _open_right(columns, places, me)
    me.round({LEFT: opened}, {})
    return [c.with_part(c.move_plus(m, right, d, opened)) for c, m, d in zip(columns, mid, dealt, strict=True)]


@costs(rounds=6, bytes_sent=lambda n, carried=0: 4 * n + 2 * carried)
def take(columns: Sequence[Split], rows: Split, likes: Sequence[Share], me: Party) -> list[Share]:
    """Bring row `rows[j]` of every column to place j, and share among all three again.

    Shapes:  n secrets in each, rows mod 2**32; cost is for `carried` bytes of columns.
    Reveals: a uniform permutation to parties 1 and 2: the rows are opened in an order that neither knows, and the
             columns go back through it.
    Raises:  as `move`.
    """
    _need_length(columns, rows)
    if me.index == DEALER:
        left, right = _permutation(LEFT, rows.n, me), _permutation(RIGHT, rows.n, me)
        _deal_shuffle([], rows, left, me)
        me.round({}, {})
        me.round({}, {})
        return _deal_way_back(columns, likes, left, right, me)
    if me.index == LEFT:
        left = _shuffle_left([rows], me)
        opened = _checked(np.frombuffer(me.round({}, {RIGHT: rows.size_bytes})[RIGHT], np.uint32))
        sent = [c.take_minus(c.part, opened, c.mask(common(DEALER, me, "hop"))) for c in columns]
        me.round({RIGHT: encode(sent, columns)}, {})
        received = me.round({}, {RIGHT: size(columns), DEALER: size(columns)})
        mid, dealt = decode(received[RIGHT], columns), decode(received[DEALER], columns)
        firsts = [c.mask(common(DEALER, me, "rejoin")) for c in columns]
        lasts = [
            c.minus(c.plus(c.moved(m, left), d), first)
            for c, m, d, first in zip(columns, mid, dealt, firsts, strict=True)
        ]
        me.round({RIGHT: encode(lasts, columns)}, {})
        return [replace(like, own=own, next=after) for like, own, after in zip(likes, firsts, lasts, strict=True)]
    _, opened, right, _ = _open_right([], rows, me)
    me.round({LEFT: opened}, {})
    received = me.round({}, {LEFT: size(columns), DEALER: size(columns)})
    theirs = decode(received[LEFT], columns)
    sums = [c.take_plus(c.part, opened, part) for c, part in zip(columns, theirs, strict=True)]
    dealt = decode(received[DEALER], columns)
    mid = [c.plus(c.moved(total, right), d) for c, total, d in zip(columns, sums, dealt, strict=True)]
    me.round({LEFT: encode(mid, columns)}, {})
    fresh = [c.mask(common(DEALER, me, "hop")) for c in columns]
    lasts = decode(me.round({}, {LEFT: size(columns)})[LEFT], columns)
    return [replace(like, own=own, next=after) for like, own, after in zip(likes, lasts, fresh, strict=True)]


def _deal_shuffle(columns: Sequence[Split], places: Split, left: Array, me: Party) -> list[Array]:
    """Deal the first hop, party 1's, to it; return the masks that the columns wear after it."""
    all_columns = [*columns, places]
    with_right = common(RIGHT, me, "hop")
    firsts = [c.mask(with_right) for c in all_columns]
    # Nobody else knows the masks between the hops; but party 2 takes the one of the places off, to open them.
    mids = [c.mask(me.streams.alone.use("hop")) for c in columns]
    ends = [*mids, places.mask(with_right)]
    dealt = [c.take_minus(first, left, end) for c, first, end in zip(all_columns, firsts, ends, strict=True)]
    me.round({LEFT: encode(dealt, all_columns)}, {})
    return mids


def _shuffle_left(columns: Sequence[Split], me: Party) -> Array:
    """Do the first hop; return its permutation."""
    received = me.round({}, {DEALER: size(columns), RIGHT: size(columns)})
    dealt, theirs = decode(received[DEALER], columns), decode(received[RIGHT], columns)
    rows = _permutation(DEALER, columns[0].n, me)
    moved = [c.take_plus(c.plus(c.part, y), rows, d) for c, y, d in zip(columns, theirs, dealt, strict=True)]
    me.round({RIGHT: encode(moved, columns)}, {})
    return rows


def _open_right(columns: Sequence[Split], places: Split, me: Party) -> tuple[list[Array], Array, Array, list[Array]]:
    """Do the second hop; return the columns before it, the opened places after it, its permutation, its masks."""
    all_columns = [*columns, places]
    stream = common(DEALER, me, "hop")
    masked = [c.minus(c.part, c.mask(stream)) for c in all_columns]
    me.round({LEFT: encode(masked, all_columns)}, {})
    end, rows = places.mask(stream), _permutation(DEALER, places.n, me)
    received = me.round({}, {LEFT: size(all_columns), **({DEALER: size(columns)} if columns else {})})
    *mid, hidden = decode(received[LEFT], all_columns)
    dealt = decode(received[DEALER], columns) if columns else []
    opened = np.empty_like(end)
    kernels.take(places.plus(hidden, end), rows, opened)
    return mid, _checked(opened), rows, dealt


def _deal_way_back(
    columns: Sequence[Split], likes: Sequence[Share], left: Array, right: Array, me: Party
) -> list[Share]:
    with_left, with_right = common(LEFT, me, "hop"), common(RIGHT, me, "hop")
    firsts = [c.mask(with_left) for c in columns]
    mids = [c.mask(me.streams.alone.use("hop")) for c in columns]
    dealt = [c.minus(c.moved(f, right), m) for c, f, m in zip(columns, firsts, mids, strict=True)]
    me.round({RIGHT: encode(dealt, columns)}, {})
    fresh = [c.mask(with_right) for c in columns]
    dealt = [c.minus(c.moved(m, left), f) for c, m, f in zip(columns, mids, fresh, strict=True)]
    me.round({LEFT: encode(dealt, columns)}, {})
    others = [c.mask(common(LEFT, me, "rejoin")) for c in columns]
    me.round({}, {})
    return [replace(like, own=own, next=after) for like, own, after in zip(likes, fresh, others, strict=True)]


def _permutation(peer: int, n: int, me: Party) -> Array:
    return common(peer, me, "dealt permutation").permutation(n)


def _checked(places: Array) -> Array:
    """Return places as they are, none of which lies outside: the kernels do not look."""
    if len(places) and int(places.max()) >= len(places):
        raise ProtocolError("what was opened are no places: the parties are out of step")
    return places


def _need_length(columns: Sequence[Split], places: Split) -> None:
    if any(c.n != places.n for c in columns) or places.part.dtype != np.uint32:
        raise ShapeError(f"{places.n} places for columns of {[c.n for c in columns]}")
