"""Joins by keys that one of the three may see, or all of them: matched in the clear, put together under MPC.

Both sides are shuffled, and the keys of their rows shown in that order to who may see them. That party says, as secrets
to the others, which row of one side stands beside which of the other (Conclave, EuroSys 2019). Rows and whether they
match stay secret to those who do not see the keys; so does how many match, but where a join by keys that repeat on both
sides has to tell how many rows come out.
"""

from collections.abc import Sequence
from dataclasses import replace

from conclave.ir.nodes import JoinKind
from conclave.mpc.errors import TooManyPairs
from conclave.mpc.known import AllKnow, Knowledge
from conclave.mpc.party import Party
from conclave.mpc.shares import BitShare
from conclave.operators.join import MOST_PAIRS
from conclave.operators.match import On, OnRepeated, usable
from conclave.operators.seen import (
    ClearKeys,
    Pairs,
    all_matches,
    count_pairs,
    first_matches,
    have_repeats,
    see_match_keys,
    shuffle_rows,
)
from conclave.operators.table import SecretTable, both, both_in_one_round

Seen = tuple[SecretTable, ClearKeys | None]


def seen_join(
    left: SecretTable,
    right: SecretTable,
    on: On,
    how: JoinKind,
    unique_side: str | None,
    who: Knowledge,
    me: Party,
    on_repeated: OnRepeated | None = None,
) -> SecretTable:
    """Join by keys that are shown to `who`. Columns' names are disjoint; NULL matches nothing.

    Shapes:  as many rows as the side whose keys may repeat, if the other's do not; of a semi or anti join as many as
             `left`. Else as many as there are pairs, of a left join with the left rows that are in none.
    Reveals: to `who`, the keys of all rows that may match, in random order, and which of them match; to all three, the
             number of pairs, but where the shapes above need no more than public sizes; with `on_repeated`, whether
             the keys of the unique side repeat: it is called if so.
    Raises:  TooManyPairs.
    """
    if how == "inner" and unique_side == "left":
        turned = [(b, a) for a, b in on]
        return seen_join(right, left, turned, how, "right", who, me, on_repeated).select(
            [*left.columns, *right.columns]
        )
    left, left_keys = _shown(left, [a for a, _ in on], who, me)
    right, right_keys = _shown(right, [b for _, b in on], who, me)
    if on_repeated is not None:
        keys, names = (left_keys, [a for a, _ in on]) if unique_side == "left" else (right_keys, [b for _, b in on])
        if who.number(None if keys is None else int(have_repeats(keys)), me):
            on_repeated(tuple(names))
    match how:
        case "semi":
            return replace(left, valid=_matched(left, left_keys, right_keys, who, me))
        case "anti":
            return replace(left, valid=both(left.valid, _matched(left, left_keys, right_keys, who, me).invert(me), me))
        case "inner" | "left":
            pass
    if unique_side == "right" and not isinstance(who, AllKnow):
        pairs = None if left_keys is None or right_keys is None else first_matches(left_keys, right_keys)
        return _beside(left, right, how, pairs, left.n_rows, who, me)
    pairs, n_pairs = _all_pairs(left_keys, right_keys, how == "left", who, me)
    if n_pairs > MOST_PAIRS:
        raise TooManyPairs(tuple(f"{a} = {b}" for a, b in on), left.n_rows, right.n_rows)
    chosen = left.with_shares(who.take(list(left.shares()), None if pairs is None else pairs.left, n_pairs, me))
    if how == "inner":  # nothing but pairs, all of rows that exist
        rows = who.take(list(right.shares()), None if pairs is None else pairs.right, n_pairs, me)
        beside = replace(right, valid=None).with_shares(rows[: len(rows) - (right.valid is not None)])
        return SecretTable(n_pairs, {**chosen.columns, **beside.columns})
    return _beside(chosen, right, how, pairs, n_pairs, who, me)


def _shown(table: SecretTable, keys: Sequence[str], who: Knowledge, me: Party) -> Seen:
    """Shuffle a table and show the keys of its rows that may match."""
    bits = usable(table, keys, me)
    table, moved = shuffle_rows(table, [] if bits is None else [bits], me)
    return table, see_match_keys(table, keys, moved[0] if moved else None, who, me)


def _matched(
    left: SecretTable, left_keys: ClearKeys | None, right_keys: ClearKeys | None, who: Knowledge, me: Party
) -> BitShare:
    """Return which left rows match, from who knows."""
    flags = None
    if left_keys is not None and right_keys is not None:
        flags = first_matches(left_keys, right_keys).is_matched
    return who.bits(flags, left.n_rows, me)


def _all_pairs(
    left: ClearKeys | None, right: ClearKeys | None, keeps_left: bool, who: Knowledge, me: Party
) -> tuple[Pairs | None, int]:
    """Return all pairs to who knows, and their number to all; more than `MOST_PAIRS` are counted and not made."""
    if left is None or right is None:
        return None, who.number(None, me)
    count = count_pairs(left, right) + (len(left.is_there) if keeps_left else 0)
    pairs = all_matches(left, right, keeps_left) if count <= MOST_PAIRS else None
    return pairs, who.number(count if pairs is None else len(pairs.left), me)


def _beside(
    left: SecretTable, right: SecretTable, how: JoinKind, pairs: Pairs | None, count: int, who: Knowledge, me: Party
) -> SecretTable:
    """Put a right row beside each left row, which exists, or is not NULL, only if they match."""
    right = replace(right, valid=None)
    rows = who.take(list(right.shares()), None if pairs is None else pairs.right, count, me) if right.columns else []
    beside = right.with_shares(rows)
    matched = who.bits(None if pairs is None else pairs.is_matched, count, me)
    if how == "inner":
        return SecretTable(count, {**left.columns, **beside.columns}, matched)
    names = list(beside.columns)
    present = both_in_one_round([(beside.columns[name].present, matched) for name in names], me)
    nullable = {n: replace(beside.columns[n], present=bits) for n, bits in zip(names, present, strict=True)}
    return SecretTable(count, {**left.columns, **nullable}, left.valid)
