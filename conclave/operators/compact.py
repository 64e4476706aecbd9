"""Rows that do not exist are dropped, where the plan tells their number: what comes after works on fewer rows."""

from dataclasses import replace

import numpy as np

from conclave.mpc.party import Party
from conclave.mpc.shares import open_bits
from conclave.operators.seen import shuffle_rows
from conclave.operators.table import SecretTable


def compact(table: SecretTable, me: Party, as_if_all_exist: bool = False) -> SecretTable:
    """Keep the rows that exist. Nothing is sent if the table has no others by its shape alone.

    `as_if_all_exist`, for rehearsals with rows that are made up: the same is opened, and every row is kept.

    Shapes:  as many rows as exist, in an order that nobody knows; all of them exist.
    Reveals: to all three, how many rows exist. Which they are is opened in a uniformly random order.
    """
    if table.valid is None:
        return table
    shuffled, _ = shuffle_rows(table, [], me)
    assert shuffled.valid is not None
    exists = open_bits(shuffled.valid, me)
    rows = np.arange(table.n_rows) if as_if_all_exist else np.flatnonzero(exists)
    return replace(shuffled, valid=None).take(rows)
