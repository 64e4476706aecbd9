"""SUM, COUNT, MIN and MAX of a whole table, and what grouped and ungrouped aggregation have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from conclave.mpc.compare import is_zero, less_than
from conclave.mpc.convert import bit_to_arithmetic, select
from conclave.mpc.errors import ShapeError
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, concat_bits, public_share
from conclave.operators.table import SecretColumn, SecretTable, both_in_one_round

# Numbers of at most this width can be subtracted without overflow, which makes comparing them three times cheaper.
NARROW_BITS = 62
Function = Literal["sum", "count", "count_star", "min", "max"]


@dataclass(frozen=True)
class AggregateSpec:
    """One aggregate: column `out` = function(`over`); `over` is None for count_star only."""

    out: str
    function: Function
    over: str | None = None

    def __post_init__(self) -> None:
        if (self.over is None) != (self.function == "count_star"):
            raise ShapeError(f"{self.function} over {self.over} is no aggregate")


@dataclass(frozen=True, eq=False)
class Counted:
    """A column that is aggregated, and which of its rows count: `ones` as numbers; None if all rows do."""

    column: SecretColumn
    ones: AShare | None

    def addends(self, me: Party) -> AShare:
        """Return the values, zero where a row does not count. One round if some may not."""
        return self.column.values if self.ones is None else multiply(self.column.values, self.ones, me)

    def ones_or_public(self, me: Party) -> AShare:
        """Return 1 for rows that count."""
        return self.ones if self.ones is not None else public_share(1, self.column.values.n, me)

    def candidates(self, largest: bool, me: Party) -> AShare:
        """Return numbers whose minimum is the answer: inverted for MAX, largest where not counted."""
        values = self.column.values.invert(me) if largest else self.column.values
        if self.ones is None:
            return values
        limit = largest_candidate([self.column])
        return multiply(values.add_public(-limit, me), self.ones, me).add_public(limit, me)


def comparison_bits(columns: Sequence[SecretColumn]) -> int:
    """Return as signed numbers of how many bits the columns' candidates can be compared."""
    return NARROW_BITS + 1 if all(column.width <= NARROW_BITS for column in columns) else 64


def largest_candidate(columns: Sequence[SecretColumn]) -> int:
    """Return a number that no candidate exceeds."""
    return (1 << (comparison_bits(columns) - 1)) - 1


def counted_columns(
    table: SecretTable, specs: Sequence[AggregateSpec], valid: BitShare | None, me: Party
) -> dict[str, Counted]:
    """Return, for each aggregated column, which rows count: those valid and not NULL. At most 3 rounds.

    Reveals: nothing.
    """
    names = sorted({spec.over for spec in specs if spec.over is not None})
    pairs = [(valid, table.columns[name].present) for name in names]
    masks = dict(zip(names, both_in_one_round(pairs, me), strict=True))
    secret = {name: mask for name, mask in masks.items() if mask is not None}
    ones: dict[str, AShare] = {}
    if secret:
        numbers = bit_to_arithmetic(concat_bits(list(secret.values())), me)
        ones = dict(zip(secret, numbers.split(len(secret)), strict=True))
    return {name: Counted(table.columns[name], ones.get(name)) for name in names}


def finish(
    specs: Sequence[AggregateSpec],
    results: Sequence[AShare],
    counts: Mapping[str, AShare],
    table: SecretTable,
    me: Party,
) -> dict[str, SecretColumn]:
    """Return the result columns: SUM, MIN, MAX are NULL where nothing was counted; MAX is inverted back.

    Reveals: nothing.
    """
    needed = {spec.over for spec in specs if spec.function in ("sum", "min", "max")}
    names = [name for name in sorted(counts) if name in needed]
    some: dict[str | None, BitShare] = {}
    if names:
        zero = is_zero(concat_arithmetic([counts[name] for name in names]), me)
        some = dict(zip(names, zero.invert(me).split(len(names)), strict=True))
    columns = {}
    for spec, result in zip(specs, results, strict=True):
        if spec.function in ("count", "count_star"):
            columns[spec.out] = SecretColumn(result)
            continue
        values = result.invert(me) if spec.function == "max" else result
        column = table.columns[spec.over or ""]
        keeps_range = spec.function != "sum" and spec.over not in some
        width, signed = (column.width, column.signed) if keeps_range else (64, True)
        columns[spec.out] = SecretColumn(values, some.get(spec.over), width, signed)
    return columns


def aggregate(table: SecretTable, specs: Sequence[AggregateSpec], me: Party) -> SecretTable:
    """Aggregate all valid rows into a table of one row.

    Shapes:  one row, always valid. SUM, MIN and MAX of nothing are NULL; counts of nothing are 0. Sums wrap
             at 64 bits.
    Reveals: nothing.
    """
    counted = counted_columns(table, specs, table.valid, me)
    counts = {name: c.ones_or_public(me).total() for name, c in counted.items()}
    extremes = [(counted[spec.over or ""], spec.function) for spec in specs if spec.function in ("min", "max")]
    lows = [column.candidates(function == "max", me) for column, function in extremes]
    bits = comparison_bits([column.column for column, _ in extremes])
    least = iter(_minimum(lows, bits, me))
    results = []
    for spec in specs:
        match spec.function:
            case "count_star" if table.valid is None:
                results.append(public_share(table.n_rows, 1, me))
            case "count_star":
                results.append(bit_to_arithmetic(table.valid_bits(me), me).total())
            case "count":
                results.append(counts[spec.over or ""])
            case "sum":
                results.append(counted[spec.over or ""].addends(me).total())
            case "min" | "max":
                results.append(next(least))
    # Without rows everything is empty; with rows that all count, nothing is, and no NULL bit is needed.
    may_be_empty = {n: c for n, c in counts.items() if counted[n].ones is not None or table.n_rows == 0}
    return SecretTable(1, finish(specs, results, may_be_empty, table, me))


def _minimum(columns: Sequence[AShare], bits: int, me: Party) -> list[AShare]:
    """Return the signed minimum of each column, by halves: log n comparisons one after the other."""
    if not columns:
        return []
    if columns[0].n == 0:
        return [public_share(0, 1, me) for _ in columns]  # to be NULL, whatever it is
    while columns[0].n > 1:
        half = columns[0].n // 2
        x = concat_arithmetic([c[:half] for c in columns])
        y = concat_arithmetic([c[half : 2 * half] for c in columns])
        lower = select(less_than(x, y, me, bits), x, y, me).split(len(columns))
        columns = [concat_arithmetic([low, c[2 * half :]]) for low, c in zip(lower, columns, strict=True)]
    return list(columns)
