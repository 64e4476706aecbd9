"""A table of secrets: what the relational operators take and give. Nothing here sends a message.

The number of rows is public. Which of them exist is not: a row whose `valid` bit is 0 does not exist, and a
value whose `present` bit is 0 is NULL, whatever the number beside it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from conclave.mpc.arrays import Array
from conclave.mpc.bits import and_bits
from conclave.mpc.errors import ShapeError
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, Share, concat_arithmetic, concat_bits, public_bits

# Which rows stand already as they would be sorted: none that is known, those that exist, or all, those that do not last.
InOrder = Literal["no", "existing", "all"]
AnyShare = TypeVar("AnyShare", bound=Share)


@dataclass(frozen=True, eq=False)
class SecretColumn:
    """A column; `present` None means that no value is NULL.

    `width` is the number of low bits in which values may differ, sign bit included: what a sort or an
    equality has to look at. A signed value is sign-extended to 64 bits.
    """

    values: AShare
    present: BitShare | None = None
    width: int = 64
    signed: bool = True

    def map(self, change: Callable[[Share], Share]) -> "SecretColumn":
        """Return the column with the same local change of rows made to values and present bits."""
        present = None if self.present is None else as_bits(change(self.present))
        return replace(self, values=as_arithmetic(change(self.values)), present=present)

    def present_bits(self, me: Party) -> BitShare:
        """Return the present bits, public ones if no value is NULL."""
        return self.present if self.present is not None else public_bits(1, self.values.n, me)


@dataclass(frozen=True, eq=False)
class SecretTable:
    """Columns by name, all of `n_rows`; `valid` None means that all rows exist."""

    n_rows: int
    columns: Mapping[str, SecretColumn]
    valid: BitShare | None = None

    def __post_init__(self) -> None:
        if any(share.n != self.n_rows for share in self.shares()):
            raise ShapeError(f"a table of {self.n_rows} rows has columns of other lengths")

    def shares(self) -> Iterator[Share]:
        """Yield every vector of the table, in the order that `with_shares` takes them back."""
        for column in self.columns.values():
            yield column.values
            if column.present is not None:
                yield column.present
        if self.valid is not None:
            yield self.valid

    def with_shares(self, shares: Sequence[Share]) -> "SecretTable":
        """Return a table of the same schema over other vectors, such as the same ones after a shuffle."""
        left = iter(shares)
        columns = {
            name: replace(
                column,
                values=as_arithmetic(next(left)),
                present=None if column.present is None else as_bits(next(left)),
            )
            for name, column in self.columns.items()
        }
        valid = None if self.valid is None else as_bits(next(left))
        return SecretTable(shares[0].n if shares else self.n_rows, columns, valid)

    def valid_bits(self, me: Party) -> BitShare:
        """Return the valid bits, public ones if all rows exist."""
        return self.valid if self.valid is not None else public_bits(1, self.n_rows, me)

    def select(self, names: Sequence[str]) -> "SecretTable":
        """Return these columns only, in this order."""
        return replace(self, columns={name: self.columns[name] for name in names})

    def with_columns(self, columns: Mapping[str, SecretColumn]) -> "SecretTable":
        """Return the table with columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    def rename(self, names: Mapping[str, str]) -> "SecretTable":
        """Return the table with columns renamed; those not in `names` keep theirs."""
        renamed = {names.get(name, name): column for name, column in self.columns.items()}
        if len(renamed) != len(self.columns):
            raise ShapeError("two columns would get the same name")
        return replace(self, columns=renamed)

    def take(self, rows: Array) -> "SecretTable":
        """Return the rows at public places."""
        return self._map(lambda share: share.take(rows), len(rows))

    def first(self, count: int) -> "SecretTable":
        """Return the first `count` rows, or all if there are fewer."""
        return self._map(lambda share: share[:count], min(count, self.n_rows))

    def repeat(self, times: int) -> "SecretTable":
        """Return every row `times` times, copies beside each other."""
        return self._map(lambda share: share.repeat(times), self.n_rows * times)

    def tile(self, times: int) -> "SecretTable":
        """Return the whole table `times` times, one copy below the other."""
        return self._map(lambda share: share.tile(times), self.n_rows * times)

    def _map(self, change: Callable[[Share], Share], n_rows: int) -> "SecretTable":
        columns = {name: column.map(change) for name, column in self.columns.items()}
        return SecretTable(n_rows, columns, None if self.valid is None else as_bits(change(self.valid)))


def concat(tables: Sequence[SecretTable], me: Party) -> SecretTable:
    """Return the rows of all tables, which have the same column names, one table below the other.

    Reveals: nothing.
    """
    names = list(tables[0].columns)
    if any(list(table.columns) != names for table in tables):
        raise ShapeError("tables to concatenate have different columns")
    valid = None
    if any(table.valid is not None for table in tables):
        valid = concat_bits([table.valid_bits(me) for table in tables])
    columns = {name: concat_columns([table.columns[name] for table in tables], me) for name in names}
    return SecretTable(sum(table.n_rows for table in tables), columns, valid)


def concat_columns(parts: Sequence[SecretColumn], me: Party) -> SecretColumn:
    """Return one column below the other, as wide as the widest.

    Reveals: nothing.
    """
    present = None
    if any(part.present is not None for part in parts):
        present = concat_bits([part.present_bits(me) for part in parts])
    return SecretColumn(
        concat_arithmetic([part.values for part in parts]),
        present,
        common_width(parts),
        any(part.signed for part in parts),
    )


def common_width(parts: Sequence[SecretColumn]) -> int:
    """Return in how many low bits values of different columns may differ.

    A signed value is sign-extended, so beside unsigned ones all 64 bits count.
    """
    return max(part.width for part in parts) if len({part.signed for part in parts}) == 1 else 64


def both(x: BitShare | None, y: BitShare | None, me: Party) -> BitShare | None:
    """Return the AND of optional bits, None standing for all ones; one round only if there are two.

    Reveals: nothing.
    """
    if x is None or y is None:
        return y if x is None else x
    return and_bits(x, y, me)


def both_in_one_round(pairs: Sequence[tuple[BitShare | None, BitShare | None]], me: Party) -> list[BitShare | None]:
    """Return `both` of each pair, all of them in one round at most.

    Reveals: nothing.
    """
    secret = [(x, y) for x, y in pairs if x is not None and y is not None]
    if not secret:
        return [y if x is None else x for x, y in pairs]
    joined = and_bits(concat_bits([x for x, _ in secret]), concat_bits([y for _, y in secret]), me)
    ends = np.cumsum([x.n for x, _ in secret])
    done = iter([joined[int(end) - x.n : int(end)] for (x, _), end in zip(secret, ends, strict=True)])
    return [next(done) if x is not None and y is not None else (y if x is None else x) for x, y in pairs]


def as_arithmetic(share: Share) -> AShare:
    """Tell the type checker what kind a moved column is."""
    if not isinstance(share, AShare):
        raise ShapeError("expected arithmetic shares")
    return share


def as_bits(share: Share) -> BitShare:
    """Tell the type checker what kind a moved column is."""
    if not isinstance(share, BitShare):
        raise ShapeError("expected bits")
    return share
