"""Order the rows of a table by several columns; rows that do not exist come last."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice, pairwise

from conclave.mpc.bits import and_planes
from conclave.mpc.convert import columns_to_planes
from conclave.mpc.merge import merge_permutation, pays
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, concat_planes, planes_of_bits
from conclave.mpc.shares import BShare, Share
from conclave.mpc.sort import sort_permutation
from conclave.mpc.together import for_each
from conclave.operators.table import InOrder, SecretColumn, SecretTable


@dataclass(frozen=True)
class SortKey:
    """One ORDER BY item; `words` are the columns with a long string's bytes, to order by in place of its code."""

    column: str
    descending: bool = False
    nulls_first: bool = False
    words: tuple[str, ...] = ()


def sort_existing(table: SecretTable, in_order: InOrder, me: Party) -> SecretTable:
    """Return rows that stand in order already, or those of them that exist, with rows that do not exist last.

    Shapes:  as many rows as before; nothing is sent if all stand in order, else it is a sort by one bit.
    Reveals: uniformly random permutations, nothing of the data.
    """
    return table if in_order == "all" else sort_table(table, [], me)


def sort_table(table: SecretTable, keys: Sequence[SortKey], me: Party) -> SecretTable:
    """Return the rows in ascending order of the keys, the first key first; stable; invalid rows last.

    Shapes:  as many rows as before; cost see `sort_permutation` for the sum of the keys' widths.
    Reveals: uniformly random permutations, nothing of the data.
    """
    planes = key_planes(table, keys, me)
    if planes is None:
        return table
    order = sort_permutation(planes, me)
    return table.with_shares(order.apply(list(table.shares()), me))


def bring_in_order(
    columns: Sequence[Share], key: Sequence[Planes], runs: Sequence[int], me: Party
) -> tuple[list[Share], list[list[BShare]]]:
    """Return columns in the ascending order of a key, and each part of the key as words, in that order too.

    `runs`: how many rows stand in order already, one run behind the other; none if that is not known. They are merged
    where that is faster. Equal rows then come in any order, else in the one that they had.

    Shapes:  n rows everywhere; of each part, least significant first, as many words as 64 go into its planes.
    Reveals: uniformly random permutations, nothing of the data.
    """
    whole, ends = concat_planes(key), list(accumulate((part.count for part in key), initial=0))
    if runs and pays(runs, whole.count):
        order, ordered = merge_permutation(whole, runs, me)
        return order.apply(columns, me), [words_of_planes(ordered[start:end]) for start, end in pairwise(ends)]
    words = [words_of_planes(part) for part in key]
    moved = iter(sort_permutation(whole, me).apply([*columns, *chain(*words)], me))
    first = list(islice(moved, len(columns)))
    return first, [[word for word in islice(moved, len(part)) if isinstance(word, BShare)] for part in words]


def words_of_planes(planes: Planes) -> list[BShare]:
    """Return bits as words of 64, and what is left over as one more."""
    return [planes[at : at + 64].words() for at in range(0, planes.count, 64)]


def key_planes(table: SecretTable, keys: Sequence[SortKey], me: Party) -> Planes | None:
    """Return bit planes that order, and tell apart, rows as the keys do; None for no keys.

    Planes come least significant first: values of the last key, its NULL bit, and so on to "invalid" on top.

    Reveals: nothing.
    """
    ordering = [(key, column) for key in keys for column in _ordering_columns(table, key)]
    values = column_planes([column for _, column in ordering], me)
    planes: list[Planes] = []
    for at, ((key, column), bits) in reversed(list(enumerate(zip(ordering, values, strict=True)))):
        planes.append(_ordered(bits, column.signed, key.descending, me))
        is_first = at == 0 or ordering[at - 1][0] is not key
        if is_first and column.present is not None:
            present = planes_of_bits([column.present])
            planes.append(present if key.nulls_first else present.invert(me))
    if table.valid is not None:
        planes.append(planes_of_bits([table.valid]).invert(me))
    return concat_planes(planes) if planes else None


def _ordering_columns(table: SecretTable, key: SortKey) -> list[SecretColumn]:
    """Return what a key is ordered by, most significant first; NULL where the key is NULL."""
    column = table.columns[key.column]
    if not key.words:
        return [column]
    return [SecretColumn(table.columns[word].values, column.present, signed=False) for word in key.words]


def column_planes(columns: Sequence[SecretColumn], me: Party) -> list[Planes]:
    """Return the bits of values, zeros for NULL, or NULLs would be ordered by what stands there.

    Shapes:  `width` planes for each column, all in the rounds of the widest.
    Reveals: nothing.
    """
    planes: dict[int, Planes] = {}

    def convert(width: int, lane: Party) -> None:
        places = [k for k, column in enumerate(columns) if column.width == width]
        converted = columns_to_planes([columns[k].values for k in places], lane, width)
        planes.update(zip(places, converted, strict=True))

    widths = sorted({column.width for column in columns})
    for_each(widths, convert, me)
    nullable = [(k, column.present) for k, column in enumerate(columns) if column.present is not None]
    if nullable:
        masks = [planes_of_bits([present] * planes[k].count) for k, present in nullable]
        masked = and_planes(concat_planes([planes[k] for k, _ in nullable]), concat_planes(masks), me)
        start = 0
        for k, _ in nullable:
            planes[k] = masked[start : start + planes[k].count]
            start += planes[k].count
    return [planes[k] for k in range(len(columns))]


def _ordered(bits: Planes, signed: bool, descending: bool, me: Party) -> Planes:
    """Invert the sign bit, so that unsigned order is the signed one, and everything if descending."""
    top = bits[-1:].invert(me) if signed != descending else bits[-1:]
    rest = bits[:-1].invert(me) if descending else bits[:-1]
    return concat_planes([rest, top])
