"""Joins: sort-merge against unique keys, nested loops for the rest, and a broadcast of a single row.

`runs`, of both sides, are as `match_rows` takes them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from conclave.mpc.compare import all_equal
from conclave.mpc.errors import ShapeError, TooManyPairs
from conclave.mpc.party import Party
from conclave.mpc.shares import public_bits, public_share
from conclave.operators.match import On, OnRepeated, key_pairs, match_rows, usable
from conclave.operators.table import SecretColumn, SecretTable, both, both_in_one_round, concat

MOST_PAIRS = 1 << 24


def join_unique(
    left: SecretTable,
    right: SecretTable,
    on: On,
    me: Party,
    on_repeated: OnRepeated | None = None,
    runs: Sequence[int] = (),
) -> SecretTable:
    """Inner join; among the valid rows of `right` no combination of keys may come twice.

    Shapes:  as many rows as `left`, in its order; columns of both, whose names are disjoint. NULL matches
             nothing.
    Reveals: nothing, not even the number of matches; with `on_repeated`, whether keys repeat, which it is called for.
    Raises:  ShapeError if columns share a name.
    """
    need_disjoint(left, right)
    beside, matched = match_rows(left, right, on, me, on_repeated, runs)
    return SecretTable(left.n_rows, {**left.columns, **beside.columns}, matched)


def left_join_unique(
    left: SecretTable,
    right: SecretTable,
    on: On,
    me: Party,
    on_repeated: OnRepeated | None = None,
    runs: Sequence[int] = (),
) -> SecretTable:
    """Left join; among the valid rows of `right` no combination of keys may come twice.

    Shapes:  as many rows as `left`, in its order; columns of both, whose names are disjoint, the right's NULL where
             nothing matches.
    Reveals: nothing, not even the number of matches; with `on_repeated`, whether keys repeat, which it is called for.
    Raises:  ShapeError if columns share a name.
    """
    need_disjoint(left, right)
    beside, matched = match_rows(left, right, on, me, on_repeated, runs)
    names = list(beside.columns)
    present = both_in_one_round([(beside.columns[name].present, matched) for name in names], me)
    nullable = {n: replace(beside.columns[n], present=bits) for n, bits in zip(names, present, strict=True)}
    return SecretTable(left.n_rows, {**left.columns, **nullable}, left.valid)


def semi_join(left: SecretTable, right: SecretTable, on: On, me: Party, runs: Sequence[int] = ()) -> SecretTable:
    """Keep the left rows that some right row matches, each once; keys may repeat on both sides.

    Shapes:  the rows of `left`, in its order; its columns.
    Reveals: nothing, not even the number of matches.
    """
    _, matched = match_rows(left, right.select(_right_keys(on)), on, me, runs=runs)
    return replace(left, valid=matched)


def anti_join(left: SecretTable, right: SecretTable, on: On, me: Party, runs: Sequence[int] = ()) -> SecretTable:
    """Keep the left rows that no right row matches, those with a NULL key among them (NOT EXISTS, not NOT IN).

    Shapes:  the rows of `left`, in its order; its columns.
    Reveals: nothing, not even the number of matches.
    """
    _, matched = match_rows(left, right.select(_right_keys(on)), on, me, runs=runs)
    return replace(left, valid=both(left.valid, matched.invert(me), me))


def with_unmatched(joined: SecretTable, left: SecretTable, right: SecretTable, on: On, me: Party) -> SecretTable:
    """Make a left join of an inner join: below its rows those of `left` that nothing matches, beside NULLs.

    Shapes:  joined.n_rows + left.n_rows rows; columns of `left`, then of `right`.
    Reveals: nothing.
    """
    alone = anti_join(left, right, on, me)
    nothing = {name: _nulls_like(column, left.n_rows, me) for name, column in right.columns.items()}
    columns = [*left.columns, *right.columns]
    return concat([joined.select(columns), alone.with_columns(nothing).select(columns)], me)


def join_nested(left: SecretTable, right: SecretTable, on: On, me: Party) -> SecretTable:
    """Inner join of all pairs of rows, for keys that repeat on both sides.

    Shapes:  left.n_rows * right.n_rows rows; columns of both, whose names are disjoint. NULL matches nothing.
    Reveals: nothing, not even the number of matches.
    Raises:  ShapeError if columns share a name; TooManyPairs.
    """
    need_disjoint(left, right)
    if left.n_rows * right.n_rows > MOST_PAIRS:
        raise TooManyPairs(tuple(f"{a} = {b}" for a, b in on), left.n_rows, right.n_rows)
    left_usable = usable(left, [name for name, _ in on], me)
    right_usable = usable(right, [name for _, name in on], me)
    across = replace(left, valid=left_usable).repeat(right.n_rows)
    down = replace(right, valid=right_usable).tile(left.n_rows)
    valid = both(both(across.valid, down.valid, me), all_equal(key_pairs(across, down, on), me), me)
    return SecretTable(across.n_rows, {**across.columns, **down.columns}, valid)


def cross_one(left: SecretTable, right: SecretTable, me: Party) -> SecretTable:
    """Put the single row of `right` beside every row of `left`.

    Shapes:  as many rows as `left`; columns of both, whose names are disjoint.
    Reveals: nothing.
    Raises:  ShapeError if `right` has not exactly one row, or columns share a name.
    """
    need_disjoint(left, right)
    if right.n_rows != 1:
        raise ShapeError(f"cross_one needs one row on the right, got {right.n_rows}")
    beside = right.repeat(left.n_rows)
    return SecretTable(left.n_rows, {**left.columns, **beside.columns}, both(left.valid, beside.valid, me))


def _right_keys(on: On) -> list[str]:
    return list(dict.fromkeys(name for _, name in on))


def _nulls_like(column: SecretColumn, n_rows: int, me: Party) -> SecretColumn:
    zeros = public_share(np.zeros(n_rows, np.uint64), n_rows, me)
    return replace(column, values=zeros, present=public_bits(0, n_rows, me))


def need_disjoint(left: SecretTable, right: SecretTable) -> None:
    """Refuse two sides that share names of columns.

    Raises:  ShapeError.
    """
    shared = sorted(set(left.columns) & set(right.columns))
    if shared:
        raise ShapeError(f"both sides of a join have columns {', '.join(shared)}")
