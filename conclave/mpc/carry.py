"""Carries of sums u + v mod 2**64, where party 0 knows u, and parties 1 and 2 both know v, in log depth.

Parties 1 and 2 hold XOR parts, as in `split`; party 0 deals what they need for each step, and waits for nobody.

Enter:  blocks of two bits are entered by their "generate" and "propagate" at once: with v known to both holders of
        the dealt parts of u, both are linear in u_high, u_low and u_high & u_low, which the dealer can all deal.
Join:   32 blocks are joined in pairs, five times. Products are Beaver's (CRYPTO 1991): parties 1 and 2 open what is
        multiplied, each having put a mask on its part that it has in common with party 0 alone, and party 0 deals
        the products of masks. A "generate" that is only added is never opened.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from conclave.mpc import blocks
from conclave.mpc.arrays import Array
from conclave.mpc.blocks import BLOCKS, LANES
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.groups import Groups, Side, words_of
from conclave.mpc.party import Party
from conclave.mpc.shares import BitShare
from conclave.mpc.split import DEALER, LEFT, RIGHT, common

# Pairs of blocks in each level, from the first to the root.
LEVELS = tuple(BLOCKS >> level for level in range(1, BLOCKS.bit_length()))
# Planes of each number: what is opened in a level (the lowest pair has no low "propagate"), and what is dealt, first
# of u and then for each level.
OPENED = {pairs: 3 * pairs - 1 for pairs in LEVELS}
DEALT = (64 + BLOCKS, *(2 * pairs - 1 for pairs in LEVELS))


def _carries_cost(n: int, numbers: int) -> Cost:
    return Cost(2 + len(LEVELS), 8 * words_of(n) * numbers * sum(DEALT))


@costs_as(_carries_cost)
def sum_of_carries(n: int, numbers: int, side: Side, me: Party) -> BitShare:
    """Return the XOR of the carries out of u + v, of `numbers` pairs of numbers (u, v), and of bits of both sides.

    Shapes:  n rows, of which `side` is asked in parts, in order; n bits.
    Reveals: nothing: what is dealt is masked at party 1 and drawn by party 2; what they open is under a mask of each
             that the other does not know; the result is shared as in `split.rejoin`. Party 0 receives nothing.
    """
    rows = Groups(n, numbers, side)
    if me.index == DEALER:
        return _deal(rows, me)
    other, known = LEFT + RIGHT - me.index, np.uint64((1 << 64) - 1 if me.index == LEFT else 0)

    def from_dealer(level: int) -> dict[int, int]:
        return {DEALER: rows.size(DEALT[level])} if me.index == LEFT else {}

    received = me.round({}, from_dealer(0))
    added, factors, mine = _enter(rows, received.get(DEALER), known, me)
    for level, pairs in enumerate(LEVELS, 1):
        received = me.round({other: mine}, {other: mine.nbytes, **from_dealer(level)})
        opened = _Opened(pairs, mine, received[other], factors, received.get(DEALER), added)
        if pairs > 1:
            added, factors, mine = _join(rows, opened, known, me)
    return _rejoin(rows, _join_last(rows, opened, known, me), me)


@costs_as(lambda n: sum_of_carries.cost(n=n, numbers=1))
def sign_of_sum(view: Array, me: Party) -> BitShare:
    """Return the highest bit of u + v mod 2**64: both highest bits and the carry into them.

    Shapes:  n words: u at party 0, the same v at the two others; n bits.
    Reveals: nothing.
    """
    one, top = np.uint64(1), np.uint64(63)

    def side(rows: slice, numbers: Array) -> Array:
        np.left_shift(view[rows], one, out=numbers[0])
        return (view[rows] >> top).astype(np.uint8)

    return sum_of_carries(len(view), 1, side, me)


@costs_as(lambda n: sum_of_carries.cost(n=n, numbers=3))
def less_of_sums(n: int, views: Callable[[slice], tuple[Array, Array]], me: Party) -> BitShare:
    """Return whether x < y as signed numbers, for x = u_x + v_x and y = u_y + v_y mod 2**64.

    Let x, y and their parts be numbers from 0 up. A sum of parts is by 2**64 too large for each carry, and a
    difference of parts too small for each borrow. So x - y is negative by as many times 2**64 as the carries of x,
    y and x - y and the borrows of u_x - u_y and v_x - v_y have, some less others; and of one bit only the sum mod 2
    is asked. Each side knows its own borrow.

    Shapes:  `views` of some rows are (u_x, u_y) at party 0, and (v_x, v_y) at the two others; n bits.
    Reveals: nothing.
    """
    # Signed numbers from 0 up: the smallest is added to both.
    offset = np.uint64(1 << 63 if me.index == DEALER else 0)

    def side(rows: slice, numbers: Array) -> Array:
        for view, number in zip(views(rows), numbers, strict=False):
            np.add(view, offset, out=number)
        x, y, difference = numbers
        np.subtract(x, y, out=difference)
        return np.asarray(np.less(x, y))

    return sum_of_carries(n, 3, side, me)


def _deal(rows: Groups, me: Party) -> BitShare:
    """Send party 1 what party 2 draws, corrected by the entries of u and by the products of masks."""
    entries = np.empty(rows.shape(DEALT[0]), np.uint64)
    for at in rows.steps:
        blocks.deal_entries(rows.ask(at), _draw_dealt(RIGHT, 0, rows, at, me), rows.lines, entries[at])
    me.round({LEFT: rows.pack(entries)}, {})
    for level, pairs in enumerate(LEVELS, 1):
        products = np.empty(rows.shape(DEALT[level]), np.uint64)
        for at in rows.steps:
            left, right = (_draw_factors(peer, pairs, rows, at, me) for peer in (LEFT, RIGHT))
            blocks.deal_products(left, right, _draw_dealt(RIGHT, level, rows, at, me), products[at])
        if pairs == 1:
            # What party 0 knows besides goes the way of a last product.
            products[:, 0, 0] ^= rows.known
        me.round({LEFT: rows.pack(products)}, {})
    own, after = (common(peer, me, "carry result").draw(rows.known.shape) for peer in (RIGHT, LEFT))
    # Empty, but it keeps the dealer from dealing so far ahead that it takes peers that are at work for lost.
    me.round({}, {LEFT: 0})
    return BitShare(rows.bits(own), rows.bits(after))


@dataclass(frozen=True, eq=False)
class _Opened:
    """What it takes to join a level's pairs of blocks: what both have sent, this party's masks of it, step by step, the
    products of masks, which party 1 received and party 2 draws, and a part of what is only added, step by step."""

    pairs: int
    mine: Array
    theirs: memoryview
    factors: list[Array]
    products: memoryview | None
    added: list[Array]

    def steps(self, rows: Groups, me: Party) -> Iterator[tuple[slice, tuple[Array, Array, Array, Array, Array]]]:
        """Return the groups of each step, and its arrays as loops take them."""
        level = LEVELS.index(self.pairs) + 1
        for at, factors, added in zip(rows.steps, self.factors, self.added, strict=True):
            shape = rows.shape(OPENED[self.pairs], at)
            mine, theirs = (rows.pick(words, shape, at) for words in (self.mine, self.theirs))
            yield at, (mine, theirs, factors, _dealt_part(self.products, level, rows, at, me), added)


# What is added, and the masks of what is multiplied next, step by step; and the latter under them, as it is sent.
Joined = tuple[list[Array], list[Array], Array]


def _enter(rows: Groups, dealt: memoryview | None, known: np.uint64, me: Party) -> Joined:
    pairs = LEVELS[0]
    added, factors, sent = [], [], np.empty(rows.shape(OPENED[pairs]), np.uint64)
    for at in rows.steps:
        entries = _dealt_part(dealt, 0, rows, at, me)
        factors.append(_draw_factors(DEALER, pairs, rows, at, me))
        added.append(np.empty(rows.shape(pairs, at), np.uint64))
        blocks.enter(rows.ask(at), entries, known, factors[-1], rows.lines, added[-1], sent[at])
    return added, factors, rows.pack(sent)


def _join(rows: Groups, opened: _Opened, known: np.uint64, me: Party) -> Joined:
    pairs = opened.pairs // 2
    added, factors, sent = [], [], np.empty(rows.shape(OPENED[pairs]), np.uint64)
    for at, below in opened.steps(rows, me):
        factors.append(_draw_factors(DEALER, pairs, rows, at, me))
        added.append(np.empty(rows.shape(pairs, at), np.uint64))
        blocks.combine(*below, known, factors[-1], added[-1], sent[at])
    return added, factors, rows.pack(sent)


def _join_last(rows: Groups, opened: _Opened, known: np.uint64, me: Party) -> Array:
    """Return a part of the sum of all carries and of what the parties know besides."""
    carries = np.zeros((rows.count, LANES), np.uint64)
    for at, below in opened.steps(rows, me):
        blocks.combine_last(*below, known, carries[at])
    return carries ^ rows.known if me.index == LEFT else carries


def _rejoin(rows: Groups, part: Array, me: Party) -> BitShare:
    """Share the XOR of two parts among all three, as `split.rejoin`, without leaving the layout."""
    mask = common(DEALER, me, "carry result").draw(part.shape)
    part ^= mask
    mine, other = rows.pack(part.copy()), LEFT + RIGHT - me.index
    outgoing = {other: mine} if me.index == RIGHT else {other: mine, DEALER: np.zeros(0, np.uint64)}
    theirs = me.round(outgoing, {other: mine.nbytes})[other]
    part ^= rows.pick(theirs, part.shape, slice(0, rows.count))
    shared = rows.bits(mask), rows.bits(part)
    return BitShare(*(shared if me.index == LEFT else shared[::-1]))


def _dealt_part(message: memoryview | None, level: int, rows: Groups, at: slice, me: Party) -> Array:
    """Return this party's part of what is dealt: party 1 received it, party 2 draws it."""
    if message is None:
        return _draw_dealt(DEALER, level, rows, at, me)
    return rows.pick(message, rows.shape(DEALT[level], at), at)


def _draw_dealt(peer: int, level: int, rows: Groups, at: slice, me: Party) -> Array:
    """Draw party 2's part of what is dealt, which parties 2 and 0 have in common."""
    return common(peer, me, f"carry {level} dealt").draw(rows.shape(DEALT[level], at))


def _draw_factors(peer: int, pairs: int, rows: Groups, at: slice, me: Party) -> Array:
    """Draw masks of what is opened in a level."""
    return common(peer, me, f"carry of {pairs} pairs").draw(rows.shape(OPENED[pairs], at))
