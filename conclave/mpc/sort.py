"""Stable radix sort after Asharov et al. (CCS 2022), two key bits a pass, places in Z_2^32, party 0 as the dealer.

A pass turns the two lowest key bits into each row's secret place, and moves the key bits still to come and the
row numbers there. The payload does not take part: the result is an `Order`, and payload columns are moved once,
by `Order.apply`.

Places:  the dealer shares a random digit r as XOR parts, and as the one-hot vector of r mod 2**32. Parties 1 and 2
         open shift = digit ^ r; row k ^ shift of the one-hot vector then says whether the digit is k. Counting
         through the classes, lowest first, gives the rank that a row has in each class; the way from the rank in
         class `shift` (the digit, if r = 0) to the one in class k ^ shift is opened under a mask, and the dealer,
         who knows r, deals the mask of the way that is gone.
Opened:  digits and ways under masks of the dealer, to parties 1 and 2: uniform. Permutations: see `move`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conclave.mpc import kernels
from conclave.mpc.arrays import Array
from conclave.mpc.costs import Cost, costs, costs_as
from conclave.mpc.errors import ShapeError
from conclave.mpc.move import move, take
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes
from conclave.mpc.randomness import Stream
from conclave.mpc.shares import AShare, BitShare, BShare, Share, pack_bits, public_share, unpack_bits
from conclave.mpc.split import DEALER, LEFT, RIGHT, Split, common, rejoin, split

Columns = Sequence[Share]
MOST_ROWS = 1 << 31


@dataclass(frozen=True, eq=False)
class Order:
    """A secret order of n rows: `rows` holds, in words of 32 bits, which row comes to place 0, 1, ..."""

    rows: AShare | BShare

    def apply(self, columns: Columns, me: Party) -> list[Share]:
        """Bring columns into this order.

        Shapes:  n secrets in each. Cost see `take`.
        Reveals: the shuffled row numbers, a uniform permutation, to parties 1 and 2.
        """
        if not columns:
            return []
        return take([split(c, me) for c in columns], split(self.rows, me), columns, me)

    def undo(self, columns: Columns, me: Party) -> list[Share]:
        """Bring columns that are in this order back into the order of the rows' numbers.

        Shapes:  n secrets in each. 4 rounds.
        Reveals: the shuffled row numbers, a uniform permutation, to parties 1 and 2.
        """
        if not columns:
            return []
        return rejoin(move([split(c, me) for c in columns], split(self.rows, me), me), columns, me)


def _narrow_bytes(bits: int) -> int:
    return next(size for size in (1, 2, 4, 8) if 8 * size >= bits)


def _sort_cost(n: int, bits: int) -> Cost:
    total = Cost(0, 0)
    if n < 2:
        return total
    for used in range(0, bits, 2):
        now = min(2, bits - used)
        # What is carried is cut at 64 bits counted from the start, so the first word is the one that shrinks.
        starts = range(0, bits, 64)
        words = [min(start + 64, bits) - max(start, used + now) for start in starts]
        # A single bit a row is packed.
        carried = 4 * n + sum((n + 7) // 8 if width == 1 else n * _narrow_bytes(width) for width in words if width > 0)
        total += find_places.cost(n=n, bits=now) + move.cost(n=n, carried=carried)
    return total + Cost(1, 0)


@costs_as(_sort_cost)
def sort_permutation(key: Planes, me: Party) -> Order:
    """Find the stable ascending order of rows by a composite key.

    Shapes:  `bits` planes of n bits, the least significant first: of several key columns, the last one comes
             first.
    Reveals: one uniformly random permutation a pass, to parties 1 and 2.
    Raises:  ShapeError if there are more rows than a permutation in Z_2^32 allows.
    """
    n = key.n
    if n >= MOST_ROWS:
        raise ShapeError(f"cannot sort {n} rows")
    numbers = public_share(np.arange(n, dtype=np.uint32), n, me, np.uint32)
    if n < 2:
        return Order(numbers)
    rows = split(numbers, me)
    # Dropping nothing makes words as narrow as their bits, as the cost says; else those to come are carried wide.
    words = [split(key[at : at + 64].words().drop(0), me) for at in range(0, key.count, 64)]
    while words:
        bits = min(2, words[0].bits)
        places = find_places(_digit(words[0].part, bits), bits, me)
        words = [words[0].drop(bits), *words[1:]] if words[0].bits > bits else words[1:]
        rows, *words = move([rows, *words], places, me)
    (ordered,) = rejoin([rows], [numbers], me)
    if not isinstance(ordered, AShare):
        raise ShapeError("row numbers are arithmetic shares")
    return Order(ordered)


def _digit(part: Array, bits: int) -> Array:
    return np.asarray(part & part.dtype.type((1 << bits) - 1), np.uint8)


def _partition_cost(n: int) -> Cost:
    # Party 2's bytes: of one digit bit the dealer has less to deal than party 2 to send and share again.
    return Cost(find_places.cost(n=n, bits=1).rounds if n else 0, (n + 7) // 8 + 16 * n) + Cost(
        move.cost(n=n).rounds + 1, 0
    )


@costs_as(_partition_cost)
def partition(flags: BitShare, columns: Columns, me: Party) -> tuple[list[Share], AShare]:
    """Move the rows whose flag is 0 to the front, stably; also return every old row's new place.

    Shapes:  n bits, n secrets in each column; places are secrets mod 2**32. Cost is for no column.
    Reveals: the shuffled places, a uniform permutation, to parties 1 and 2.
    """
    like = public_share(0, flags.n, me, np.uint32)
    places = find_places(split(flags, me).part, 1, me) if flags.n else split(like, me)
    moved = move([split(c, me) for c in columns], places, me)
    *shares, where = rejoin([*moved, places], [*columns, like], me)
    if not isinstance(where, AShare):
        raise ShapeError("places are arithmetic shares")
    return shares, where


@costs(rounds=2, bytes_sent=lambda n, bits: 4 * n << bits)
def find_places(digits: Array, bits: int, me: Party) -> Split:
    """Return where each row belongs by its digit: its rank in a stable sort.

    Shapes:  n parts (XOR) of digits of one or two bits; n places mod 2**32.
    Reveals: digits and ways under a mask, see the module's text.
    """
    n, classes = len(digits), 1 << bits
    like = Split(np.broadcast_to(np.zeros(1, np.uint32), (n,)), False, 32)
    shape = (classes - 1, n)
    if me.index == DEALER:
        with_left, with_right = common(LEFT, me, "choice"), common(RIGHT, me, "choice")
        chosen = _draw_digits(with_left, n, bits) ^ _draw_digits(with_right, n, bits)
        known, masks, picked = (
            with_left.draw(shape, np.uint32),
            with_left.draw(shape, np.uint32),
            with_left.draw(n, np.uint32),
        )
        dealt = np.empty((classes, n), np.uint32)
        kernels.deal_choice(chosen, known, masks, with_right.draw(shape, np.uint32), picked, dealt)
        me.round({RIGHT: dealt}, {})
        me.round({}, {})
        return like
    stream, other = common(DEALER, me, "choice"), LEFT + RIGHT - me.index
    masked = digits ^ _draw_digits(stream, n, bits)
    packed = np.concatenate([pack_bits(masked >> k & 1) for k in range(bits)])
    from_dealer = {DEALER: 4 * n * classes} if me.index == RIGHT else {}
    received = me.round({other: packed}, {other: packed.nbytes, **from_dealer})
    planes = np.frombuffer(received[other], np.uint8).reshape(bits, -1)
    for k in range(bits):
        masked = np.bitwise_xor(masked, unpack_bits(planes[k], n) << np.uint8(k))
    if me.index == LEFT:
        hot, masks, picked = stream.draw(shape, np.uint32), stream.draw(shape, np.uint32), stream.draw(n, np.uint32)
    else:
        dealt = np.frombuffer(received[DEALER], np.uint32).reshape(classes, n)
        hot, picked, masks = dealt[:-1], dealt[-1], stream.draw(shape, np.uint32)
    is_left = int(me.index == LEFT)
    base, ways, sizes = np.empty(n, np.uint32), np.empty(shape, np.uint32), np.empty(4, np.uint32)
    kernels.rank_classes(hot, masked, is_left, masks, base, ways, sizes)
    starts = np.cumsum(sizes, dtype=np.uint32) - sizes - np.uint32(is_left)
    kernels.start_classes(base, ways, masked, starts)
    theirs = np.frombuffer(me.round({other: ways}, {other: ways.nbytes})[other], np.uint32).reshape(shape)
    places = np.empty_like(base)
    kernels.choose_way(base, picked, hot, ways, theirs, places)
    return like.with_part(places)


def _draw_digits(stream: Stream, n: int, bits: int) -> Array:
    return stream.draw(n, np.uint8) & np.uint8((1 << bits) - 1)
