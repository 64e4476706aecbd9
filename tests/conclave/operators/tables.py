"""Run operators among five parties, of which three compute, against plain Python over the same rows."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from conclave.mpc.party import Party
from conclave.mpc.twin import Twin
from conclave.operators.filter import filter_rows
from conclave.operators.input import InputColumn, InputTable, PlainTable, exchange_inputs, known_to_all
from conclave.operators.reveal import open_parts, receive_revealed, reveal_to
from conclave.operators.table import SecretTable
from conclave.twin import open_alone
from tests.conclave.mpc.three import NAMES, run_parties

ALL = (*NAMES, "delta", "echo")
OWNERS = ("delta", "bravo", "echo", "alpha")
RECIPIENTS = ("alpha", "echo")

Row = tuple[int | None, ...]


def declare(name: str, owner: str, columns: Mapping[str, bool], **widths: int) -> InputTable:
    """Declare a table; `columns` says which of them are nullable."""
    listed = tuple(InputColumn(c, nullable, widths.get(c, 64)) for c, nullable in columns.items())
    return InputTable(name, owner, listed, max_rows=1000)


def plain(table: InputTable, rows: Sequence[Row]) -> PlainTable:
    """Put rows of Python numbers in columns; what stands in place of a NULL is garbage."""
    columns = {}
    for k, column in enumerate(table.columns):
        values = np.array([77 if row[k] is None else row[k] for row in rows], np.int64)
        nulls = np.array([row[k] is None for row in rows], bool) if column.nullable else None
        columns[column.name] = (values, nulls)
    return columns


def run_tables(
    work: Callable[..., SecretTable],
    inputs: Sequence[tuple[InputTable, Sequence[Row]]],
    keep_order: bool = False,
    recipients: Sequence[str] = RECIPIENTS,
) -> list[Row]:
    """Share the inputs, run `work(*tables, me)`, reveal to the recipients, and return what they all got."""
    tables = [table for table, _ in inputs]

    def at_party(network: Any) -> Any:
        me = Party.setup(network, NAMES, b"test") if network.me in NAMES else None
        mine = {table.name: plain(table, rows) for table, rows in inputs if table.owner == network.me}
        shared = exchange_inputs(tables, mine, network, NAMES)
        if me is not None:
            result = work(*(shared[table.name] for table in tables), me)
            return reveal_to(result, recipients, me, keep_order)
        assert shared == {}
        return receive_revealed(network, NAMES, max_rows=10_000) if network.me in recipients else None

    results = run_parties(at_party, ALL)
    assert all(results[name] is None for name in ALL if name not in recipients)
    revealed = [to_rows(results[name]) for name in recipients]
    assert all(rows == revealed[0] for rows in revealed)
    return revealed[0]


def run_twin(
    work: Callable[..., SecretTable], inputs: Sequence[tuple[InputTable, Sequence[Row]]], keep_order: bool = False
) -> list[Row]:
    """Run `work(*tables, me)` by the plaintext twin, which `test_twin` holds to be the three parties' like."""
    me = Twin(NAMES, {open_parts: open_alone})
    tables = [known_to_all(table, plain(table, rows), me) for table, rows in inputs]
    return to_rows(reveal_to(work(*tables, me), NAMES[:1], me, keep_order))


def to_rows(revealed: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[Row]:
    columns = [
        [None if is_null else value for value, is_null in zip(values.tolist(), nulls.tolist(), strict=True)]
        for values, nulls in revealed.values()
    ]
    return list(zip(*columns, strict=True))


def bag(rows: Sequence[Row]) -> Counter[Row]:
    return Counter(rows)


def rows_of(*nullable: bool, max_size: int = 12, wide: bool = False) -> st.SearchStrategy[list[Row]]:
    """Few different small values, so that keys repeat; with `wide`, the ends of int64 too in the last column."""
    small = st.integers(-3, 3)
    cells = [st.one_of(st.none(), small) if can_be_null else small for can_be_null in nullable]
    if wide:
        ends = st.sampled_from([-(1 << 63), (1 << 63) - 1, 1 << 62, -(1 << 62)])
        cells[-1] = st.one_of(cells[-1], ends)
    return st.lists(st.tuples(*cells), max_size=max_size)


# The predicate of the tests: a row exists if the lowest bit of its first column is set. NULL drops it.
KEEP = "keep"


def kept(rows: Sequence[Row]) -> list[Row]:
    return [row[1:] for row in rows if row[0] is not None and row[0] % 2 == 1]


def keep_odd(table: SecretTable, me: Party) -> SecretTable:
    keep = table.columns[KEEP]
    rest = table.select([name for name in table.columns if name != KEEP])
    return filter_rows(rest, keep.values.lowest_bit(), me, keep.present)
