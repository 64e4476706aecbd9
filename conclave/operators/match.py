"""Which row of the right each left row meets: the sort-merge core of the joins.

All rows are sorted by key, within a key the right rows first, and each left row copies the nearest right row above it.
The copies go back to where the left rows were, and match if the keys are equal.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from conclave.mpc.bits import and_bits
from conclave.mpc.compare import all_equal, is_zero
from conclave.mpc.convert import bit_to_arithmetic, columns_to_planes
from conclave.mpc.errors import RepeatedKeys, ShapeError
from conclave.mpc.known import accumulate, differences, pad
from conclave.mpc.merge import merge_permutation, pays
from conclave.mpc.party import Party
from conclave.mpc.planes import concat_planes, planes_of_bits
from conclave.mpc.shares import AShare, BitShare, Share, concat_arithmetic, concat_bits, open_bits, public_bits
from conclave.mpc.sort import Order, partition, sort_permutation
from conclave.mpc.together import for_each
from conclave.operators.sort import SortKey, key_planes
from conclave.operators.table import SecretTable, both, common_width, concat

On = Sequence[tuple[str, str]]
OnRepeated = Callable[[tuple[str, ...]], None]  # takes the names of the keys


def refuse_repeated(keys: tuple[str, ...]) -> None:
    """End the protocol because rows that were declared to be different agree in their keys."""
    raise RepeatedKeys(keys)


def match_rows(
    left: SecretTable,
    right: SecretTable,
    on: On,
    me: Party,
    on_repeated: OnRepeated | None = None,
    runs: Sequence[int] = (),
) -> tuple[SecretTable, BitShare]:
    """Return beside each left row one right row of equal keys, if a valid one is there, and whether it is.

    Where several right rows have the key, it is one of them, the same for all left rows of that key. Rows that do not
    exist and NULLs among the keys match nothing. `runs`: how many rows of the left, then of the right, stand in the order
    of their keys already, see `bring_in_order`.

    Shapes:  as many rows as `left`, in its order; the columns of `right`, which hold anything where nothing matches.
    Reveals: nothing, not even the number of matches; with `on_repeated`, whether two right rows have the same keys.
             It is called if they do.
    """
    right_usable = usable(right, [r for _, r in on], me)
    order = order_both(left, right, right_usable, on, me, runs)
    # Also where all right rows are usable: what stands above the first of them copies zeros, which may be its key.
    is_there = public_bits(1, right.n_rows, me) if right_usable is None else right_usable
    marked = replace(right, valid=is_there)
    together, places = right_rows_in_order(list(marked.shares()), left.n_rows, order, me)
    if on_repeated is not None and _repeat(marked.with_shares(together), [r for _, r in on], me):
        on_repeated(tuple(r for _, r in on))
    beside = marked.with_shares(copy_down(together, left.n_rows, order, places, me))
    equal = all_equal(key_pairs(left, beside, on), me)
    exist = both(usable(left, [name for name, _ in on], me), beside.valid, me)
    matched = equal if exist is None else and_bits(equal, exist, me)
    if right.n_rows == 0:  # public: there was nothing to copy, so nothing can match
        matched = public_bits(0, left.n_rows, me)
    return replace(beside, valid=None), matched


def usable(table: SecretTable, keys: Sequence[str], me: Party) -> BitShare | None:
    """Return which rows may match at all: valid, with no NULL among the keys. None stands for all.

    Reveals: nothing.
    """
    rows = table.valid
    for key in keys:
        rows = both(rows, table.columns[key].present, me)
    return rows


def key_pairs(left: SecretTable, right: SecretTable, on: On) -> list[tuple[AShare, AShare, int]]:
    """Return for each pair of keys both sides' values, and how many low bits of them can differ."""
    columns = [(left.columns[name], right.columns[other]) for name, other in on]
    return [(x.values, y.values, common_width([x, y])) for x, y in columns]


def order_both(
    left: SecretTable,
    right: SecretTable,
    right_usable: BitShare | None,
    on: On,
    me: Party,
    runs: Sequence[int] = (),
) -> Order:
    """Order the rows of both by key; within a key unusable right rows, usable ones, left rows.

    Reveals: nothing.
    """
    n_left, n_right = left.n_rows, right.n_rows
    is_left = np.concatenate([np.ones(n_left, np.uint8), np.zeros(n_right, np.uint8)])
    tags = [public_bits(is_left, n_left + n_right, me)]
    if right_usable is not None:
        tags.insert(0, concat_bits([public_bits(0, n_left, me), right_usable]))
    planes = [planes_of_bits(tags)]
    if runs:
        both_keys = _keys_of_both(left, right, on, me)
        ordered = key_planes(both_keys, [SortKey(name) for name in both_keys.columns], me)
        if ordered is not None and pays(runs, planes[0].count + ordered.count):
            return merge_permutation(concat_planes([*planes, ordered]), runs, me)[0]
    pairs = [(concat_arithmetic([x, y]), width) for x, y, width in key_pairs(left, right, on)]
    for keys in for_each(pairs, lambda pair, lane: columns_to_planes([pair[0]], lane, pair[1]), me):
        planes += keys
    return sort_permutation(concat_planes(planes), me)


def _keys_of_both(left: SecretTable, right: SecretTable, on: On, me: Party) -> SecretTable:
    """Return the keys of the left rows, and below them those of the right."""
    return concat(
        [
            SecretTable(table.n_rows, {f"key {k}": table.columns[name] for k, name in enumerate(names)}, table.valid)
            for table, names in ((left, [a for a, _ in on]), (right, [b for _, b in on]))
        ],
        me,
    )


def right_rows_in_order(payload: Sequence[Share], n_left: int, order: Order, me: Party) -> tuple[list[Share], AShare]:
    """Return the right rows' payload in the order of their keys, and the way there from `order`.

    Reveals: nothing.
    """
    n_right = payload[0].n
    is_left = np.concatenate([np.ones(n_left, np.uint8), np.zeros(n_right, np.uint8)])
    below = [pad(column, before=n_left, after=0) for column in payload]
    flags, *ordered = order.apply([public_bits(is_left, n_left + n_right, me), *below], me)
    if not isinstance(flags, BitShare):
        raise ShapeError("flags are bits")
    together, places = partition(flags, ordered, me)
    return [column[:n_right] for column in together], places


def copy_down(together: Sequence[Share], n_left: int, order: Order, places: AShare, me: Party) -> list[Share]:
    """Return, for each left row in its old place, the payload of the nearest right row above it in `order`.

    Of the right rows, brought together in their order, take the differences; put each difference back where
    its row was, zeros elsewhere, and add up from the top: every row then holds the latest right row's
    payload.

    Reveals: nothing.
    """
    steps = [pad(differences(column), before=0, after=n_left) for column in together]
    copies = [accumulate(column) for column in Order(places).apply(steps, me)]
    return [column[:n_left] for column in order.undo(copies, me)]


def like_the_one_above(ordered: SecretTable, keys: Sequence[str], me: Party) -> BitShare:
    """Return for rows in the order of their keys, but the first, whether they and the row above are usable and agree in them.

    Shapes:  one bit less than there are rows, of which there are two or more; `valid` says which are usable.
    Reveals: nothing.
    """
    above, below = ordered.take(np.arange(ordered.n_rows - 1)), ordered.take(np.arange(1, ordered.n_rows))
    equal = all_equal(key_pairs(above, below, [(key, key) for key in keys]), me)
    alike = both(equal, both(above.valid, below.valid, me), me)
    assert alike is not None
    return alike


def is_any(bits: BitShare, me: Party) -> bool:
    """Open whether any of the bits is set.

    Shapes:  one bit or more.
    Reveals: that, to all three.
    """
    total = bit_to_arithmetic(bits, me).prefix_sums()[-1:]
    return not open_bits(is_zero(total, me), me)[0]


def _repeat(ordered: SecretTable, keys: Sequence[str], me: Party) -> bool:
    """Open whether two neighbours of rows in the order of their keys are usable and agree in all of them."""
    return ordered.n_rows > 1 and is_any(like_the_one_above(ordered, keys, me), me)
