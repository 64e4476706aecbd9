"""Carries of sums u + v mod 2**64, where party 0 knows u, and parties 1 and 2 both know v, in log depth.

Parties 1 and 2 hold XOR parts, as in `split`; party 0 deals: it sends one message, and then has nothing to say.

Enter:  blocks of two bits are entered by their "generate" and "propagate" at once: with v known to both holders of
        the dealt parts of u, both are linear in u_high, u_low and u_high & u_low, which the dealer can all deal.
Join:   32 blocks are joined in pairs, five times. Products are Beaver's (CRYPTO 1991): parties 1 and 2 open what is
        multiplied, each having put a mask on its part that it has in common with party 0 alone, and party 0 deals
        the products of masks. A "generate" that is only added is never opened.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, pairwise
from math import prod

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
    dealt = _receive(rows, me)
    added, factors, sent = _enter(rows, dealt[0], known, me)
    for pairs, products in zip(LEVELS, dealt[1:], strict=True):
        message = me.round({other: rows.pack(sent)}, {other: rows.size(OPENED[pairs])})[other]
        theirs = rows.unpack(message, sent.shape)
        opened = (sent[at] ^ theirs[at] for at in rows.steps)
        if pairs > 1:
            joined = zip(opened, factors, products, added, strict=True)
            added, factors, sent = _join(rows, pairs // 2, joined, known, me)
    carries = np.zeros((rows.count, LANES), np.uint64)
    last = zip(opened, factors, products, added, strict=True)
    for at, below in zip(rows.steps, last, strict=True):
        blocks.combine_last(*below, known, carries[at])
    if me.index == LEFT:
        carries ^= rows.known
    return _rejoin(rows, carries, me)


@costs_as(lambda n: sum_of_carries.cost(n=n, numbers=1))
def sign_of_sum(view: Array, me: Party) -> BitShare:
    """Return the highest bit of u + v mod 2**64: both highest bits and the carry into them.

    Shapes:  n words: u at party 0, the same v at the two others; n bits.
    Reveals: nothing.
    """
    one, top = np.uint64(1), np.uint64(63)
    return sum_of_carries(len(view), 1, lambda rows: ((view[rows] << one,), view[rows] >> top), me)


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

    def side(rows: slice) -> tuple[list[Array], Array]:
        x, y = (view + offset for view in views(rows))
        return [x, y, x - y], x < y

    return sum_of_carries(n, 3, side, me)


def _deal(rows: Groups, me: Party) -> BitShare:
    """Send party 1 what party 2 draws, corrected by the entries of u and by the products of masks."""
    ends = [0, *accumulate(prod(rows.shape(planes)) for planes in DEALT)]
    message = np.empty(ends[-1], np.uint64)
    parts = [message[a:b].reshape(rows.shape(planes)) for (a, b), planes in zip(pairwise(ends), DEALT, strict=True)]
    for at in rows.steps:
        blocks.deal_entries(rows.ask(at), _draw_dealt(RIGHT, 0, rows, at, me), rows.lines, parts[0][at])
        for level, pairs in enumerate(LEVELS, 1):
            left, right = (_draw_factors(peer, pairs, rows, at, me) for peer in (LEFT, RIGHT))
            blocks.deal_products(left, right, _draw_dealt(RIGHT, level, rows, at, me), parts[level][at])
    # What party 0 knows besides goes the way of a last product.
    parts[-1][:, 0, 0] ^= rows.known
    if not rows.is_full:
        message = np.concatenate([rows.pack(part).reshape(-1) for part in parts])
    me.round({LEFT: message}, {})
    for _ in LEVELS:
        me.round({}, {})
    own, after = (common(peer, me, "carry result").draw(rows.known.shape) for peer in (RIGHT, LEFT))
    # Empty, but it keeps the dealer from dealing so far ahead that it takes peers that are at work for lost.
    me.round({}, {LEFT: 0})
    return BitShare(rows.bits(own), rows.bits(after))


def _receive(rows: Groups, me: Party) -> list[Iterator[Array]]:
    """Return what is dealt, in the order of DEALT, each step by step: party 1 receives it, party 2 draws it."""
    if me.index == RIGHT:
        me.round({}, {})
        return [_draw_steps(level, rows, me) for level in range(len(DEALT))]
    ends = [0, *accumulate(map(rows.size, DEALT))]
    message = memoryview(me.round({}, {DEALER: ends[-1]})[DEALER])
    parts = [
        rows.unpack(message[a:b], rows.shape(planes)) for (a, b), planes in zip(pairwise(ends), DEALT, strict=True)
    ]
    return [map(part.__getitem__, rows.steps) for part in parts]


Joined = tuple[list[Array], list[Array], Array]


def _enter(rows: Groups, dealt: Iterable[Array], known: np.uint64, me: Party) -> Joined:
    """Return, step by step, what is added and the masks of what is multiplied next; and the latter, under them."""
    pairs = LEVELS[0]
    added, factors, sent = [], [], np.empty(rows.shape(OPENED[pairs]), np.uint64)
    for at, entries in zip(rows.steps, dealt, strict=True):
        factors.append(_draw_factors(DEALER, pairs, rows, at, me))
        added.append(np.empty(rows.shape(pairs, at), np.uint64))
        blocks.enter(rows.ask(at), entries, known, factors[-1], rows.lines, added[-1], sent[at])
    return added, factors, sent


def _join(
    rows: Groups,
    pairs: int,
    joined: Iterable[tuple[Array, Array, Array, Array]],
    known: np.uint64,
    me: Party,
) -> Joined:
    """Join the pairs of a level, of which `pairs` new ones come; return the same as `_enter`."""
    added, factors, sent = [], [], np.empty(rows.shape(OPENED[pairs]), np.uint64)
    for at, below in zip(rows.steps, joined, strict=True):
        factors.append(_draw_factors(DEALER, pairs, rows, at, me))
        added.append(np.empty(rows.shape(pairs, at), np.uint64))
        blocks.combine(*below, known, factors[-1], added[-1], sent[at])
    return added, factors, sent


def _rejoin(rows: Groups, part: Array, me: Party) -> BitShare:
    """Share the XOR of two parts among all three, as `split.rejoin`, without leaving the layout."""
    mask = common(DEALER, me, "carry result").draw(part.shape)
    mine, other = rows.pack(part ^ mask), LEFT + RIGHT - me.index
    outgoing = {other: mine} if me.index == RIGHT else {other: mine, DEALER: np.zeros(0, np.uint64)}
    part = part ^ mask ^ rows.unpack(me.round(outgoing, {other: mine.nbytes})[other], part.shape)
    shared = rows.bits(mask), rows.bits(part)
    return BitShare(*(shared if me.index == LEFT else shared[::-1]))


def _draw_steps(level: int, rows: Groups, me: Party) -> Iterator[Array]:
    for at in rows.steps:
        yield _draw_dealt(DEALER, level, rows, at, me)


def _draw_dealt(peer: int, level: int, rows: Groups, at: slice, me: Party) -> Array:
    """Draw party 2's part of what is dealt, which parties 2 and 0 have in common."""
    return common(peer, me, f"carry {level} dealt").draw(rows.shape(DEALT[level], at))


def _draw_factors(peer: int, pairs: int, rows: Groups, at: slice, me: Party) -> Array:
    """Draw masks of what is opened in a level."""
    return common(peer, me, f"carry of {pairs} pairs").draw(rows.shape(OPENED[pairs], at))
