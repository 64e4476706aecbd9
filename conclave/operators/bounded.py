"""Joins by keys that repeat on both sides, on one of them in no more rows than was said: one sort, whatever that number is.

All rows are sorted by key as for unique keys (`match`), and a left row copies the nearest right row above it. The rows of
one key stand together, so what stands one place above that one among the right rows is the key's next, and so on: moved
down by j places, the right rows are copied in the same way, beside j other copies. A bit that is copied with them says
whether both are of one key. Whether the right rows m places apart are ever of one key is opened: m is too few then.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from conclave.mpc.bits import and_bits
from conclave.mpc.compare import all_equal
from conclave.mpc.errors import TooManyMatches, TooManyPairs
from conclave.mpc.known import pad
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, Share, concat_bits, public_bits
from conclave.mpc.sort import Order
from conclave.operators.join import MOST_PAIRS, need_disjoint
from conclave.operators.match import (
    On,
    copy_down,
    is_any,
    key_pairs,
    like_the_one_above,
    order_both,
    right_rows_in_order,
    usable,
)
from conclave.operators.table import SecretTable, as_bits, both, both_in_one_round, concat

OnMore = Callable[[tuple[str, ...], int], None]  # takes the names of the keys, and in how many rows they were to come
# Copies of so many rows are made side by side; more than these one after the other, for the sake of memory.
MOST_ROWS_AT_ONCE = 1 << 20


def refuse_more(keys: tuple[str, ...], most: int) -> None:
    """End the protocol because a key comes in more rows than was said."""
    raise TooManyMatches(keys, most)


def join_bounded(left: SecretTable, right: SecretTable, on: On, most: int, me: Party, on_more: OnMore) -> SecretTable:
    """Inner join; among the valid rows of `right` a combination of keys comes at most `most` times.

    Shapes:  `most` times the rows of `left`, in its order, one copy below the other; columns of both, whose names are
             disjoint. NULL matches nothing.
    Reveals: whether a combination of keys comes more often, which `on_more` is called for; nothing else.
    Raises:  ShapeError if columns share a name; TooManyPairs.
    """
    copies = _match_several(left, right, on, most, me, on_more)
    return concat(
        [SecretTable(left.n_rows, {**left.columns, **beside.columns}, matched) for beside, matched in copies], me
    )


def left_join_bounded(
    left: SecretTable, right: SecretTable, on: On, most: int, me: Party, on_more: OnMore
) -> SecretTable:
    """Left join; among the valid rows of `right` a combination of keys comes at most `most` times.

    Shapes:  as `join_bounded`; the right's columns are NULL in the first copy of a row that nothing matches.
    Reveals: whether a combination of keys comes more often, which `on_more` is called for; nothing else.
    Raises:  ShapeError if columns share a name; TooManyPairs.
    """
    (first, matched), *others = _match_several(left, right, on, most, me, on_more)
    names = list(first.columns)
    present = both_in_one_round([(first.columns[name].present, matched) for name in names], me)
    nullable = {n: replace(first.columns[n], present=bits) for n, bits in zip(names, present, strict=True)}
    whole = SecretTable(left.n_rows, {**left.columns, **nullable}, left.valid)
    more = (SecretTable(left.n_rows, {**left.columns, **beside.columns}, bits) for beside, bits in others)
    return concat([whole, *more], me)


def _match_several(
    left: SecretTable, right: SecretTable, on: On, most: int, me: Party, on_more: OnMore
) -> list[tuple[SecretTable, BitShare]]:
    """Return, `most` times, a right row beside each left row and whether it is there and of its key; no row twice."""
    need_disjoint(left, right)
    if max(left.n_rows, right.n_rows) * most > MOST_PAIRS:
        raise TooManyPairs(tuple(f"{a} = {b}" for a, b in on), left.n_rows, right.n_rows, most)
    keys = list(dict.fromkeys(name for _, name in on))
    right_usable = usable(right, keys, me)
    order = order_both(left, right, right_usable, on, me)
    # Also where all right rows are usable: what stands above the first of them copies zeros, which may be its key.
    marked = replace(right, valid=public_bits(1, right.n_rows, me) if right_usable is None else right_usable)
    together, places = right_rows_in_order(list(marked.shares()), left.n_rows, order, me)
    ordered = marked.with_shares(together)
    of_one_key = _of_one_key(ordered, keys, most, me)
    if right.n_rows and is_any(of_one_key[-1], me):
        on_more(tuple(keys), most)
    rest = replace(ordered.select([name for name in right.columns if name not in keys]), valid=None)
    moved = [[*(_down(share, j) for share in rest.shares()), of_one_key[j - 1]] for j in range(1, most)]
    first, *copies = _copies([together, *moved], left.n_rows, order, places, me)
    beside = marked.with_shares(first)
    equal = all_equal(key_pairs(left, beside, on), me)
    exist = both(usable(left, [name for name, _ in on], me), beside.valid, me)
    matched = equal if exist is None else and_bits(equal, exist, me)
    if right.n_rows == 0:  # public: there was nothing to copy, so nothing can match
        matched = public_bits(0, left.n_rows, me)
    beside = replace(beside, valid=None)
    found = [(beside, matched)]
    if copies:
        are_one = [as_bits(copy[-1]) for copy in copies]
        match = and_bits(concat_bits([matched] * len(copies)), concat_bits(are_one), me).split(len(copies))
        tables = [beside.with_columns(rest.with_shares(copy[:-1]).columns) for copy in copies]
        found += zip(tables, match, strict=True)
    return found


def _of_one_key(ordered: SecretTable, keys: Sequence[str], most: int, me: Party) -> list[BitShare]:
    """Return for j = 1 to `most` which rows are usable and of one key with the row j places above, by doubling."""
    n = ordered.n_rows
    if n < 2:
        return [public_bits(0, n, me)] * most
    found = [as_bits(pad(like_the_one_above(ordered, keys, me), 1, 0))]
    while len(found) < most:
        # The row above by as many places as are known is of the key, and so is the one that is j above that.
        shorter = [as_bits(_down(each, len(found))) for each in found[: most - len(found)]]
        found += and_bits(concat_bits([found[-1]] * len(shorter)), concat_bits(shorter), me).split(len(shorter))
    return found


def _down(column: Share, places: int) -> Share:
    """Return a column moved down, zeros above it."""
    return pad(column, places, 0)[: column.n]


def _copies(
    wanted: Sequence[Sequence[Share]], n_left: int, order: Order, places: AShare, me: Party
) -> Iterator[list[Share]]:
    """Yield what `copy_down` makes of each payload."""
    at_once = max(1, MOST_ROWS_AT_ONCE // max(order.rows.n, 1))
    for start in range(0, len(wanted), at_once):
        part = wanted[start : start + at_once]
        copied = iter(copy_down([share for payload in part for share in payload], n_left, order, places, me))
        yield from ([next(copied) for _ in payload] for payload in part)
