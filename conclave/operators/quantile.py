"""Quantiles by group: order the rows of each group, and let exactly those count that stand at the wanted places.

Every row is compared with the places that follow from the number of its group's values; the one that stands there is
what is added up, all others being NULL. So a quantile is a window and a sum. Reveals nothing of the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from conclave.ir.window import WindowOutput
from conclave.mpc.bits import and_bits
from conclave.mpc.compare import is_zero
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic
from conclave.mpc.whole import divide_whole_by
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.sort import SortKey
from conclave.operators.table import SecretColumn, SecretTable
from conclave.operators.window import window

# No column of a query can have such a name: one with a NUL is refused wherever names come in.
_ROW, _VALUES = "\0row", "\0values"


@dataclass(frozen=True)
class QuantileSpec:
    """Column `out` = the quantile of `over` at `fraction`: a value that is there, or between two of them."""

    out: str
    over: str
    fraction: Fraction
    is_between: bool

    @property
    def low(self) -> str:
        """The column with the value at the place, or below it."""
        return f"{self.out}\0low"

    @property
    def high(self) -> str:
        """The column with the value above it."""
        return f"{self.out}\0high"

    @property
    def rest(self) -> str:
        """The column that says how far between the two the place is, in parts of the fraction's denominator."""
        return f"{self.out}\0rest"

    def sums(self) -> list[AggregateSpec]:
        """Return what to add up by group."""
        names = [self.low, self.high, self.rest] if self.is_between else [self.low]
        return [AggregateSpec(name, "sum", name) for name in names]


def with_picks(
    table: SecretTable, keys: Sequence[str], specs: Sequence[QuantileSpec], me: Party, runs: Sequence[int] = ()
) -> SecretTable:
    """Return the table with columns that hold a value in one row of each group, and NULL in the others.

    `runs`: how many rows stand in the order of the keys and of the first column that a quantile is of, see
    `bring_in_order`.

    Shapes:  the rows of the table, in another order.
    Reveals: nothing.
    """
    for over in dict.fromkeys(spec.over for spec in specs):
        outputs = (WindowOutput(_ROW, "row_number"), WindowOutput(_VALUES, "count", over))
        table, runs = window(table, keys, [SortKey(over)], outputs, me, {}, runs=runs), ()
        row, n_values = table.columns[_ROW].values, table.columns[_VALUES].values
        table = table.select([name for name in table.columns if name not in (_ROW, _VALUES)])
        for spec in specs:
            if spec.over == over:
                table = table.with_columns(_picks(spec, row, n_values, table.columns[over], me))
    return table


def _picks(
    spec: QuantileSpec, row: AShare, n_values: AShare, column: SecretColumn, me: Party
) -> dict[str, SecretColumn]:
    a, b = spec.fraction.numerator, spec.fraction.denominator
    if not spec.is_between:  # the first value with at least this fraction at or below it
        place, _ = divide_whole_by((n_values * a).add_public(b - 1, me), b, me)
        place = place if a else place.add_public(1, me)
        return {spec.low: _only(is_zero(row - place, me), column.values, column.present, me)}
    below, rest = divide_whole_by((n_values * a).add_public(-a, me), b, me)
    is_low = is_zero((row - below).add_public(-1, me), me)
    is_high = is_zero((row - below).add_public(-2, me), me)
    return {
        spec.low: _only(is_low, column.values, column.present, me),
        spec.high: _only(is_high, column.values, column.present, me),
        spec.rest: _only(is_low, rest, column.present, me),
    }


def _only(chosen: BitShare, values: AShare, present: BitShare | None, me: Party) -> SecretColumn:
    return SecretColumn(values, chosen if present is None else and_bits(chosen, present, me))


def between(low: AShare, high: SecretColumn, rest: AShare, denominator: int, me: Party) -> AShare:
    """Return the double that lies `rest` parts of the way from `low` to `high`, cut off; `low` where there is no `high`.

    Shapes:  n doubles each, below 2**62 in size; n whole numbers below the denominator.
    Reveals: nothing.
    """
    if denominator == 1:  # the least or the largest: a value that is there
        return low
    upper = high.values
    if high.present is not None:
        upper = low + multiply(upper - low, bit_to_arithmetic(high.present, me), me)
    # Two doubles may be further apart than what can be divided, so each is by itself: of x = whole * denominator + left
    # the wholes' difference is taken `rest` times, wherever it wraps, and the lefts' is small. Halves are exact.
    whole, left = divide_whole_by(concat_arithmetic([low, upper]), denominator, me)
    (whole_low, whole_high), (left_low, left_high) = whole.split(2), left.split(2)
    steps = concat_arithmetic([whole_high - whole_low, left_high - left_low])
    of_whole, of_left = multiply(steps, concat_arithmetic([rest, rest]), me).split(2)
    return low + of_whole + divide_whole_by(of_left, denominator, me)[0]
