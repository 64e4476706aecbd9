"""Keys in the clear at those who may see them: all rows are shuffled first, so that nobody knows which row a key is of.

What is computed of keys here is computed by who sees them, and is secret to the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conclave.mpc.arrays import Array
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.known import Knowledge
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, concat_bits
from conclave.mpc.shuffle import SecretShuffle, shuffle
from conclave.operators.table import SecretTable, as_bits, both

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ClearKeys:
    """Keys by row: numbers, zero where the flag of the same column is not set; and which rows are there."""

    numbers: tuple[Array, ...]
    flags: tuple[Flags, ...]
    is_there: Flags


@dataclass(frozen=True, eq=False)
class Pairs:
    """Which rows of the left meet which of the right: by row of what comes out, and whether there is a right row."""

    left: Places
    right: Places
    is_matched: Flags


def shuffle_rows(table: SecretTable, beside: Sequence[BitShare], me: Party) -> tuple[SecretTable, list[BitShare]]:
    """Return the rows in an order that nobody knows, and bits of theirs.

    Reveals: nothing.
    """
    columns = [*table.shares(), *beside]
    if table.n_rows < 2 or not columns:
        return table, list(beside)
    moved = shuffle(columns, SecretShuffle.draw(table.n_rows, me), me)
    n = len(columns) - len(beside)
    return table.with_shares(moved[:n]), [as_bits(bits) for bits in moved[n:]]


def see_match_keys(
    table: SecretTable, keys: Sequence[str], usable: BitShare | None, who: Knowledge, me: Party
) -> ClearKeys | None:
    """Show the keys that may match, of a shuffled table.

    Reveals: to who knows, of each row in `usable` all keys, and how many others there are.
    """
    masks = [usable] * len(keys)
    opened = _open([table.columns[key].values for key in keys], masks, [usable], who, me)
    if opened is None:
        return None
    numbers, _, (is_there,) = opened
    return ClearKeys(tuple(numbers), (is_there,) * len(keys), is_there)


def see_group_keys(table: SecretTable, keys: Sequence[str], who: Knowledge, me: Party) -> ClearKeys | None:
    """Show the keys to group by, of a shuffled table; NULL is one like any other.

    Reveals: to who knows, of each row that exists all keys, and how many others there are.
    """
    masks = [both(table.valid, table.columns[key].present, me) for key in keys]
    opened = _open([table.columns[key].values for key in keys], masks, [table.valid], who, me)
    if opened is None:
        return None
    numbers, flags, (is_there,) = opened
    return ClearKeys(tuple(numbers), tuple(flags), is_there)


def _open(
    values: list[AShare],
    masks: Sequence[BitShare | None],
    others: Sequence[BitShare | None],
    who: Knowledge,
    me: Party,
) -> tuple[list[Array], list[Flags], list[Flags]] | None:
    """Open values, zero where their mask is; and the masks and other bits, None standing for all ones."""
    n = values[0].n
    different = {id(bits): bits for bits in [*masks, *others] if bits is not None}
    secret = [k for k, mask in enumerate(masks) if mask is not None]
    if secret and n:
        used = {id(masks[k]): masks[k] for k in secret}
        numbers = bit_to_arithmetic(concat_bits([bits for bits in used.values() if bits is not None]), me)
        ones = dict(zip(used, numbers.split(len(used)), strict=True))
        zeroed = multiply(
            concat_arithmetic([values[k] for k in secret]),
            concat_arithmetic([ones[id(masks[k])] for k in secret]),
            me,
        )
        for k, number in zip(secret, zeroed.split(len(secret)), strict=True):
            values = [*values[:k], number, *values[k + 1 :]]
    opened = who.open(values, list(different.values()), me)
    if opened is None:
        return None
    flags = dict(zip(different, (bits.astype(np.bool_) for bits in opened[len(values) :]), strict=True))
    everywhere = np.ones(n, np.bool_)
    return (
        opened[: len(values)],
        [flags.get(id(bits), everywhere) for bits in masks],
        [flags.get(id(bits), everywhere) for bits in others],
    )


def first_matches(left: ClearKeys, right: ClearKeys) -> Pairs:
    """Return every left row once, with the first right row that has its keys, or any where there is none."""
    left_ids, right_ids, n_ids = _numbered(left, right)
    first = np.full(n_ids, -1, np.int64)
    (there,) = np.nonzero(right.is_there)
    first[right_ids[there][::-1]] = there[::-1]
    found = np.where(left.is_there, first[left_ids], -1)
    return Pairs(np.arange(len(found)), np.maximum(found, 0), found >= 0)


def all_matches(left: ClearKeys, right: ClearKeys, keeps_left: bool) -> Pairs:
    """Return all pairs of rows that have the same keys; with `keeps_left`, left rows without one as well."""
    left_ids, right_ids, n_ids = _numbered(left, right)
    (there,) = np.nonzero(right.is_there)
    by_id = there[np.argsort(right_ids[there], kind="stable")]
    counts = np.bincount(right_ids[there], minlength=n_ids)
    starts = np.cumsum(counts) - counts
    own = np.where(left.is_there, counts[left_ids], 0)
    times = np.maximum(own, 1) if keeps_left else own
    rows = np.repeat(np.arange(len(own)), times)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    is_matched = own[rows] > 0
    places = starts[left_ids[rows]] + within
    right_rows = by_id[np.where(is_matched, places, 0)] if len(by_id) else np.zeros(len(rows), np.int64)
    return Pairs(rows, right_rows, is_matched)


def count_pairs(left: ClearKeys, right: ClearKeys) -> int:
    """Return how many pairs `all_matches` would hold, without making them."""
    left_ids, right_ids, n_ids = _numbered(left, right)
    counts = np.bincount(right_ids[right.is_there], minlength=n_ids)
    return int(counts[left_ids[left.is_there]].sum())


def have_repeats(keys: ClearKeys) -> bool:
    """Whether two rows that are there agree in all keys."""
    ids = _ids([numbers[keys.is_there] for numbers in keys.numbers], int(keys.is_there.sum()))
    return len(np.unique(ids)) < len(ids)


def group_order(keys: ClearKeys) -> tuple[Places, Flags]:
    """Return an order that brings rows of one group together, those that are not there last, and where groups begin."""
    n = len(keys.is_there)
    columns = [*keys.numbers, *(flags.astype(np.uint64) for flags in keys.flags)]
    ids = np.where(keys.is_there, _ids(columns, n), np.iinfo(np.int64).max)
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    return order, np.concatenate([np.ones(min(n, 1), np.bool_), ordered[1:] != ordered[:-1]])


def _numbered(left: ClearKeys, right: ClearKeys) -> tuple[Places, Places, int]:
    """Return a number for each row of both sides, the same for the same keys, and how many numbers there are."""
    n_left, n_right = len(left.is_there), len(right.is_there)
    columns = [np.concatenate([a, b]) for a, b in zip(left.numbers, right.numbers, strict=True)]
    ids = _ids(columns, n_left + n_right)
    return ids[:n_left], ids[n_left:], int(ids.max(initial=0)) + 1


def _ids(columns: Sequence[Array], n: int) -> Places:
    """Number rows so that equal ones get the same number, and smaller ones, column by column, a smaller one."""
    ids = np.zeros(n, np.int64)
    for column in columns:
        values, places = np.unique(column, return_inverse=True)
        # Below n squared, so there is room; the next line makes them small again.
        _, ids = np.unique(ids * max(len(values), 1) + places, return_inverse=True)
    return ids
