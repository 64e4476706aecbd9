"""Runs of neighbouring rows, of which nobody knows where they begin: what the first or last row of each holds, for all.

As joins copy right rows down (`match`): the marked rows are brought together, their differences put back where they
were, and added up. Linear in the number of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conclave.mpc.bits import or_bits
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, BShare, concat_arithmetic, concat_bits, public_bits
from conclave.mpc.sort import Order, partition
from conclave.operators.groupby import differ_from_previous
from conclave.operators.table import as_arithmetic


@dataclass(frozen=True, eq=False)
class Runs:
    """Which rows begin and end a run of neighbours, and whether the table as a whole is one run, which is public."""

    is_first: BitShare
    is_last: BitShare
    is_whole: bool


def runs_of(words: Sequence[BShare], n_rows: int, me: Party) -> Runs:
    """Return the runs of rows that agree in all words.

    Reveals: nothing.
    """
    if not words:
        return whole_run(n_rows, me)
    changes, end = differ_from_previous(words, me), public_bits(1, 1, me)
    return Runs(concat_bits([end, changes]), concat_bits([changes, end]), is_whole=False)


def whole_run(n_rows: int, me: Party) -> Runs:
    """Return the one run of all rows.

    Reveals: nothing.
    """
    ends = np.zeros(n_rows, np.uint8)
    ends[:1] = 1
    return Runs(public_bits(ends, n_rows, me), public_bits(ends[::-1].copy(), n_rows, me), is_whole=True)


def copy_to_runs(columns: Sequence[AShare], runs: Runs, me: Party, from_last: bool = False) -> list[AShare]:
    """Return for every row what each column holds in the first row of its run, or in the last one.

    Shapes:  n secrets in each column. Nothing is sent if the table is one run.
    Reveals: nothing but the shuffled places, a uniform permutation.
    """
    n = runs.is_first.n
    if not columns or n == 0:
        return list(columns)
    if from_last:
        flipped = Runs(_flip(runs.is_last), _flip(runs.is_first), runs.is_whole)
        return [_flip_numbers(c) for c in copy_to_runs([_flip_numbers(c) for c in columns], flipped, me)]
    if runs.is_whole:
        return [column.take(np.zeros(n, np.int64)) for column in columns]
    moved, places = partition(runs.is_first.invert(me), [runs.is_first, *columns], me)
    is_marked, *together = moved
    assert isinstance(is_marked, BitShare)
    steps = concat_arithmetic([as_arithmetic(column).differences() for column in together])
    ones = bit_to_arithmetic(is_marked, me)
    kept = multiply(steps, concat_arithmetic([ones] * len(columns)), me).split(len(columns))
    return [as_arithmetic(column).prefix_sums() for column in Order(places).apply(kept, me)]


def ends_within(ends: BitShare, step: int, forward: bool, me: Party) -> BitShare:
    """Return whether a run ends between a row and the one `step` rows away: the OR of `step` bits, by doubling.

    Reveals: nothing.
    """
    n = ends.n
    reach, found = 1, ends
    while reach < step:
        more = min(reach, step - reach)
        rows = np.arange(n) + more if forward else np.arange(n) - more
        found = or_bits(found, found.take(rows.clip(0, n - 1)), me)
        reach += more
    return found


def _flip(bits: BitShare) -> BitShare:
    flipped = bits.take(np.arange(bits.n)[::-1])
    assert isinstance(flipped, BitShare)
    return flipped


def _flip_numbers(column: AShare) -> AShare:
    return as_arithmetic(column.take(np.arange(column.n)[::-1]))
