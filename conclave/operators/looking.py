"""How a step looks at what it adds up: beside a sum, the sum of the high parts, which cannot outgrow a word.

A sum of words is right as long as the true sum is below 2**63 in size, whatever it passes through. The high parts, less
their lowest bits, add up to that many bits less, off by two units for each row: so they tell.
"""

from dataclasses import dataclass, replace

from conclave.ir.expressions import Column
from conclave.ir.ranges import LIFT_MOST, Ranges
from conclave.mpc.fixed import truncate
from conclave.mpc.party import Party
from conclave.mpc.together import for_each, pair
from conclave.operators.evaluate import Rows, watch_rows, words_of
from conclave.operators.table import SecretColumn, SecretTable
from conclave.operators.watch import Watch, outside
from conclave.operators.words import Words, both, within
from conclave.plan.steps import Checked

_LOW_BITS, _HIGH_BITS = 31, 31


@dataclass(frozen=True)
class Looking:
    """What a step has to look at, and where it says what it has found."""

    ranges: Ranges
    sums: frozenset[str]
    watch: Watch

    @staticmethod
    def of(checked: Checked | None, watch: Watch) -> "Looking | None":
        """Return what the plan says is to be looked at."""
        if checked is None:
            return None
        means = {(total, count): most for total, count, most in checked.means}
        return Looking(Ranges(dict(checked.columns), means), frozenset(checked.sums), watch)

    def at_rows(self, words: Words, table: SecretTable, me: Party) -> None:
        """Note what outgrew its word in a row that exists."""
        watch_rows(words.outgrown, table, self.watch, me)

    def as_double(self, column: Column, rows: Rows) -> Words:
        """Return a column, looked at for becoming doubles."""
        return within(words_of(column, rows), self.ranges.as_double(column).left, rows.me)

    def high_part(self, over: str | None, column: Column, table: SecretTable, me: Party) -> SecretColumn:
        """Return the high parts of what is added up: `over` holds it, of the size of `column` or its square."""
        added = table.columns[over or ""]
        if over == column.name:
            most = self.ranges.limited(column, LIFT_MOST).left
            self.at_rows(within(Words(added.values, added.present, column.type), most, me), table, me)
        return SecretColumn(truncate(added.values, _LOW_BITS, me), added.present)

    def settle(self, table: SecretTable, n_added: int, me: Party) -> SecretTable:
        """Note which sums outgrew their words, in rows and values that still exist, and drop their high parts."""
        # More rows than that would leave no room for what they are off by; no machine here holds them.
        most = max((1 << _HIGH_BITS) - 2 * n_added - 2, 1)

        def look(name: str, lane: Party) -> None:
            total, high = table.columns[name], table.columns[high_name(name)]
            is_outside, there = pair(
                lambda one: outside(high.values, most, one),
                lambda other: both(total.present, high.present, other),
                lane,
            )
            watch_rows(both(is_outside, there, lane), table, self.watch, lane)

        for_each(sorted(self.sums), look, me)
        return replace(table, columns={n: c for n, c in table.columns.items() if n not in map(high_name, self.sums)})


def high_name(name: str) -> str:
    """Return the column with the high part of a sum; no column of a query has a NUL in its name."""
    return f"{name}\0high"
