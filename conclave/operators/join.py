"""Inner joins: sort-merge against unique keys, nested loops for the rest, and a broadcast of a single row."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conclave.mpc.bits import and_bits
from conclave.mpc.compare import all_equal
from conclave.mpc.convert import columns_to_planes
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.planes import concat_planes, planes_of_bits
from conclave.mpc.shares import AShare, BitShare, Share, concat_arithmetic, concat_bits, public_bits
from conclave.mpc.sort import Order, partition, sort_permutation
from conclave.operators.table import SecretTable, both, common_width

On = Sequence[tuple[str, str]]


def join_unique(left: SecretTable, right: SecretTable, on: On, me: Party) -> SecretTable:
    """Inner join; among the valid rows of `right` no combination of keys may come twice.

    All rows are sorted by key, within a key the right row first, and each left row copies the nearest right
    row above it. The copies go back to where the left rows were, and are valid if the keys are equal.

    Shapes:  as many rows as `left`, in its order; columns of both, whose names are disjoint. NULL matches
             nothing.
    Reveals: nothing, not even the number of matches.
    Raises:  ShapeError if columns share a name.
    """
    _need_disjoint(left, right)
    right_usable = _usable(right, [r for _, r in on], me)
    order = _merge_order(left, right, right_usable, on, me)
    payload = list(replace(right, valid=right_usable).shares())
    copied = _copy_down(payload, left.n_rows, order, me)
    beside = replace(right, valid=right_usable).with_shares(copied) if payload else right
    equal = all_equal(_key_pairs(left, beside, on), me)
    usable = both(_usable(left, [name for name, _ in on], me), beside.valid, me)
    valid = equal if usable is None else and_bits(equal, usable, me)
    if right.n_rows == 0:  # public: there was nothing to copy, so nothing can match
        valid = public_bits(0, left.n_rows, me)
    return SecretTable(left.n_rows, {**left.columns, **beside.columns}, valid)


def join_nested(left: SecretTable, right: SecretTable, on: On, me: Party) -> SecretTable:
    """Inner join of all pairs of rows, for keys that repeat on both sides.

    Shapes:  left.n_rows * right.n_rows rows; columns of both, whose names are disjoint. NULL matches nothing.
    Reveals: nothing, not even the number of matches.
    Raises:  ShapeError if columns share a name.
    """
    _need_disjoint(left, right)
    left_usable = _usable(left, [name for name, _ in on], me)
    right_usable = _usable(right, [name for _, name in on], me)
    across = replace(left, valid=left_usable).repeat(right.n_rows)
    down = replace(right, valid=right_usable).tile(left.n_rows)
    valid = both(both(across.valid, down.valid, me), all_equal(_key_pairs(across, down, on), me), me)
    return SecretTable(across.n_rows, {**across.columns, **down.columns}, valid)


def cross_one(left: SecretTable, right: SecretTable, me: Party) -> SecretTable:
    """Put the single row of `right` beside every row of `left`.

    Shapes:  as many rows as `left`; columns of both, whose names are disjoint.
    Reveals: nothing.
    Raises:  ShapeError if `right` has not exactly one row, or columns share a name.
    """
    _need_disjoint(left, right)
    if right.n_rows != 1:
        raise ShapeError(f"cross_one needs one row on the right, got {right.n_rows}")
    beside = right.repeat(left.n_rows)
    return SecretTable(left.n_rows, {**left.columns, **beside.columns}, both(left.valid, beside.valid, me))


def _usable(table: SecretTable, keys: Sequence[str], me: Party) -> BitShare | None:
    """Return which rows may match at all: valid, with no NULL among the keys."""
    usable = table.valid
    for key in keys:
        usable = both(usable, table.columns[key].present, me)
    return usable


def _key_pairs(left: SecretTable, right: SecretTable, on: On) -> list[tuple[AShare, AShare, int]]:
    columns = [(left.columns[name], right.columns[other]) for name, other in on]
    return [(x.values, y.values, common_width([x, y])) for x, y in columns]


def _merge_order(left: SecretTable, right: SecretTable, right_usable: BitShare | None, on: On, me: Party) -> Order:
    """Order the rows of both by key; within a key unusable right rows, the usable one, left rows."""
    n_left, n_right = left.n_rows, right.n_rows
    is_left = np.concatenate([np.ones(n_left, np.uint8), np.zeros(n_right, np.uint8)])
    tags = [public_bits(is_left, n_left + n_right, me)]
    if right_usable is not None:
        tags.insert(0, concat_bits([public_bits(0, n_left, me), right_usable]))
    planes = [planes_of_bits(tags)]
    for x, y, width in _key_pairs(left, right, on):
        planes += columns_to_planes([concat_arithmetic([x, y])], me, width)
    return sort_permutation(concat_planes(planes), me)


def _copy_down(payload: Sequence[Share], n_left: int, order: Order, me: Party) -> list[Share]:
    """Return, for each left row in its old place, the payload of the nearest right row above it in `order`.

    Of the right rows, brought together in their order, take the differences; put each difference back where
    its row was, zeros elsewhere, and add up from the top: every row then holds the latest right row's
    payload.
    """
    if not payload:
        return []
    n_right = payload[0].n
    is_left = np.concatenate([np.ones(n_left, np.uint8), np.zeros(n_right, np.uint8)])
    below = [_pad(column, before=n_left, after=0) for column in payload]
    flags, *ordered = order.apply([public_bits(is_left, n_left + n_right, me), *below], me)
    if not isinstance(flags, BitShare):
        raise ShapeError("flags are bits")
    together, places = partition(flags, ordered, me)
    steps = [_pad(_differences(column[:n_right]), before=0, after=n_left) for column in together]
    copies = [_accumulate(column) for column in Order(places).apply(steps, me)]
    return [column[:n_left] for column in order.undo(copies, me)]


def _pad(column: Share, before: int, after: int) -> Share:
    """Put public zeros around a column."""
    return replace(column, own=np.pad(column.own, (before, after)), next=np.pad(column.next, (before, after)))


def _differences(column: Share) -> Share:
    if isinstance(column, AShare):
        return column.differences()
    own, after = column.own.copy(), column.next.copy()
    own[1:] ^= column.own[:-1]
    after[1:] ^= column.next[:-1]
    return replace(column, own=own, next=after)


def _accumulate(column: Share) -> Share:
    if isinstance(column, AShare):
        return column.prefix_sums()
    own, after = np.bitwise_xor.accumulate(column.own), np.bitwise_xor.accumulate(column.next)
    return replace(column, own=own, next=after)


def _need_disjoint(left: SecretTable, right: SecretTable) -> None:
    shared = sorted(set(left.columns) & set(right.columns))
    if shared:
        raise ShapeError(f"both sides of a join have columns {', '.join(shared)}")
