"""GROUP BY and DISTINCT: sort, mark where groups end, and take differences of running sums there.

After the sort everything is linear in the number of rows: an equality of neighbours, prefix sums that are
local, one partition that brings the last row of each group to the front, and differences that are local
again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from conclave.mpc.bits import and_bits
from conclave.mpc.compare import all_ones
from conclave.mpc.known import AllKnow, Knowledge
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, words_to_planes
from conclave.mpc.scan import segmented_minimum
from conclave.mpc.shares import AShare, BitShare, BShare, Share, concat_bits, public_bits, public_share
from conclave.mpc.sort import Columns, partition
from conclave.operators.aggregate import AggregateSpec, Counted, aggregate, comparison_bits, counted_columns, finish
from conclave.operators.seen import group_order, see_group_keys, shuffle_rows
from conclave.operators.sort import SortKey, bring_in_order, key_planes, sort_existing, words_of_planes
from conclave.operators.table import InOrder, SecretTable, as_arithmetic


def group_by(
    table: SecretTable,
    keys: Sequence[str],
    specs: Sequence[AggregateSpec],
    me: Party,
    carried: Sequence[str] = (),
    who: Knowledge | None = None,
    in_order: InOrder = "no",
    runs: Sequence[int] = (),
) -> SecretTable:
    """Return one valid row per group of equal keys, NULL being a key like any other.

    `carried` are columns that the keys determine, such as the bytes of a string whose code is a key: they come along
    without being sorted by. `in_order`: whether rows that agree in the keys stand together already, and those that do not
    exist behind them; then nothing is sorted, or only which rows exist. `runs`: see `bring_in_order`.

    Shapes:  as many rows as the table (one if there are no keys), the groups first, in the order of their
             keys; if all three may see the keys, as many as there are groups. Columns: the keys, then the aggregates.
             No aggregates: DISTINCT. Sums wrap at 64 bits.
    Reveals: nothing, not even the number of groups; to `who`, the keys of all rows in random order.
    """
    if not keys:
        return aggregate(table, specs, me)
    used = list(dict.fromkeys([*keys, *carried, *(spec.over for spec in specs if spec.over is not None)]))
    table = table.select(used)
    arranged = _sorted(table, keys, in_order, runs, me) if who is None else _seen(table, keys, who, me)
    ordered = arranged.table
    counted = counted_columns(ordered, specs, None, me)  # invalid rows are last and disturb no valid group
    running = _running(specs, counted, arranged.is_first, me)
    nullable = [name for name, c in counted.items() if c.ones is not None]
    counts = [counted[name].ones_or_public(me).prefix_sums() for name in nullable]
    groups, running, counts = _keep_last(ordered.select([*keys, *carried]), arranged, running, counts, me)
    results = [
        total if spec.function in ("min", "max") else total.differences()
        for spec, total in zip(specs, running, strict=True)
    ]
    sizes = {name: count.differences() for name, count in zip(nullable, counts, strict=True)}
    return groups.with_columns(finish(specs, results, sizes, ordered, me))


def distinct(table: SecretTable, me: Party) -> SecretTable:
    """Return each different valid row once.

    Shapes:  as `group_by` on all columns.
    Reveals: nothing.
    """
    return group_by(table, list(table.columns), [], me)


def last_of_each(ordered: SecretTable, keys: Sequence[str], addends: Sequence[AShare], me: Party) -> list[AShare]:
    """Return the sum of each of `addends` in each group, of rows that are in the order of their keys already.

    Shapes:  as many sums as rows, the groups first, in order. Addends are zero in rows that do not exist.
    Reveals: nothing.
    """
    planes = key_planes(ordered, [SortKey(key) for key in keys], me)
    if planes is None or ordered.n_rows == 0:
        return list(addends)
    changes = differ_from_previous(words_of_planes(planes), me)
    is_last = concat_bits([changes, public_bits(1, 1, me)])
    running = [column.prefix_sums() for column in addends]
    arranged = _Arranged(ordered, is_last, is_last, lambda columns: partition(is_last.invert(me), columns, me)[0])
    _, running, _ = _keep_last(ordered.select(keys), arranged, running, [], me)
    return [total.differences() for total in running]


@dataclass(frozen=True, eq=False)
class _Arranged:
    """Rows with those of a group together, which of them are a group's first and last, and how to bring the last first."""

    table: SecretTable
    is_first: BitShare
    is_last: BitShare
    last_to_front: Callable[[Columns], list[Share]]


def _sorted(table: SecretTable, keys: Sequence[str], in_order: InOrder, runs: Sequence[int], me: Party) -> _Arranged:
    """Bring groups together by sorting."""
    table, is_first, is_last = _sort_into_groups(table, keys, in_order, runs, me)
    return _Arranged(table, is_first, is_last, lambda columns: partition(is_last.invert(me), columns, me)[0])


def _sort_into_groups(
    table: SecretTable, keys: Sequence[str], in_order: InOrder, runs: Sequence[int], me: Party
) -> tuple[SecretTable, BitShare, BitShare]:
    """Sort, and return with the table the bits that mark the first and the last row of each group."""
    if in_order != "no":
        table = sort_existing(table, in_order, me)
    planes = key_planes(table, [SortKey(key) for key in keys], me)
    if planes is None or table.n_rows == 0:
        return table, public_bits(1, table.n_rows, me), public_bits(1, table.n_rows, me)
    # The bits that were sorted by tell groups apart, NULLs and invalid rows included; they move along.
    if in_order == "no":
        columns, (words,) = bring_in_order(list(table.shares()), [planes], runs, me)
    else:
        columns, words = list(table.shares()), words_of_planes(planes)
    changes, end = differ_from_previous(words, me), public_bits(1, 1, me)
    return table.with_shares(columns), concat_bits([end, changes]), concat_bits([changes, end])


def _seen(table: SecretTable, keys: Sequence[str], who: Knowledge, me: Party) -> _Arranged:
    """Let those who see the keys bring groups together: order and ends stay secret to the others."""
    shuffled, _ = shuffle_rows(table, [], me)
    clear, n = see_group_keys(shuffled, keys, who, me), table.n_rows
    order, firsts, lasts, front = None, None, None, None
    if clear is not None:
        order, firsts = group_order(clear)
        lasts = np.concatenate([firsts[1:], np.ones(min(n, 1), np.bool_)])
        front = np.argsort(~lasts, kind="stable")
        if isinstance(who, AllKnow):  # the rest holds nothing, and all know how much that is
            front = front[: int(firsts[clear.is_there[order]].sum())]
    ordered = shuffled.with_shares(who.permute(list(shuffled.shares()), order, me))
    ends = who.bits(None if firsts is None or lasts is None else np.concatenate([firsts, lasts]), 2 * n, me)
    is_first, is_last = ends.split(2)
    return _Arranged(ordered, is_first, is_last, lambda columns: who.permute(columns, front, me))


def _running(
    specs: Sequence[AggregateSpec], counted: Mapping[str, Counted], is_first: BitShare, me: Party
) -> list[AShare]:
    """Return each aggregate up to every row: MIN and MAX since its group's start, the others since the table's."""
    extremes = [(counted[spec.over or ""], spec.function) for spec in specs if spec.function in ("min", "max")]
    lows = [column.candidates(function == "max", me) for column, function in extremes]
    bits = comparison_bits([column.column for column, _ in extremes])
    least = iter(segmented_minimum(lows, is_first, me, bits))
    position = public_share(np.arange(1, is_first.n + 1, dtype=np.uint64), is_first.n, me)
    running: list[AShare] = []
    for spec in specs:
        match spec.function:
            case "count_star":
                running.append(position)
            case "count":
                ones = counted[spec.over or ""].ones
                running.append(position if ones is None else ones.prefix_sums())
            case "sum":
                running.append(counted[spec.over or ""].addends(me).prefix_sums())
            case "min" | "max":
                running.append(next(least))
    return running


def differ_from_previous(words: Sequence[BShare], me: Party) -> BitShare:
    """Return, for rows 1 to n-1, whether any word differs from the row before.

    Reveals: nothing.
    """
    own, after = [], []
    for word in words:
        own.append(words_to_planes(word.own[1:] ^ word.own[:-1], word.bits))
        after.append(words_to_planes(word.next[1:] ^ word.next[:-1], word.bits))
    differences = Planes(np.concatenate(own), np.concatenate(after), words[0].n - 1)
    return all_ones(differences.invert(me), me).invert(me)


def _keep_last(
    keys: SecretTable,
    arranged: _Arranged,
    running: Sequence[AShare],
    counts: Sequence[AShare],
    me: Party,
) -> tuple[SecretTable, list[AShare], list[AShare]]:
    """Bring the last row of each group to the front; only those that are valid stay so."""
    valid = arranged.is_last if keys.valid is None else and_bits(arranged.is_last, keys.valid, me)
    groups = replace(keys, valid=valid)
    columns = list(groups.shares())
    moved = arranged.last_to_front([*columns, *running, *counts])
    numbers = [as_arithmetic(share) for share in moved[len(columns) :]]
    groups = groups.with_shares(moved[: len(columns)])
    return groups, numbers[: len(running)], numbers[len(running) :]
