"""Keep the rows for which a predicate holds: rows are not taken out, they stop being valid."""

from dataclasses import replace

from conclave.mpc.bits import and_bits
from conclave.mpc.party import Party
from conclave.mpc.shares import BitShare
from conclave.operators.table import SecretTable, both


def filter_rows(table: SecretTable, keep: BitShare, me: Party, keep_present: BitShare | None = None) -> SecretTable:
    """Return the table with rows invalid where `keep` is 0 or, as in SQL, NULL.

    Shapes:  n bits; the result has as many rows as the table. At most 2 rounds of n bits.
    Reveals: nothing, not even how many rows are kept.
    """
    if keep_present is not None:
        keep = and_bits(keep, keep_present, me)
    return replace(table, valid=both(table.valid, keep, me))
