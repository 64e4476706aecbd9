"""The first k rows in an order; k is public."""

from collections.abc import Sequence

from conclave.mpc.party import Party
from conclave.operators.sort import SortKey, sort_table
from conclave.operators.table import SecretTable


def top_k(table: SecretTable, keys: Sequence[SortKey], k: int, me: Party) -> SecretTable:
    """Return the first k rows by the keys; with no keys, k rows that exist, if there are so many.

    Shapes:  min(k, n) rows, of which the last are invalid if fewer than k exist.
    Reveals: nothing; see `sort_table`.
    """
    return sort_table(table, keys, me).first(k)
