"""Window functions under MPC against DuckDB over the same rows."""

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings

from conclave.ir.window import WindowOutput
from conclave.mpc.shares import BitShare
from conclave.operators.sort import SortKey
from conclave.operators.table import SecretColumn, SecretTable
from conclave.operators.window import window
from tests.conclave.mpc.three import run_three_parties
from tests.conclave.operators.tables import KEEP, bag, declare, keep_odd, kept, rows_of, run_tables

T = declare("t", "delta", {KEEP: True, "k": True, "j": False, "v": True}, k=3, j=3)
ROWS = rows_of(True, True, False, True, wide=True)
FRAMES = {
    "rows": "ROWS UNBOUNDED PRECEDING",
    "range": "RANGE UNBOUNDED PRECEDING",
    "partition": "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
}
AGGREGATES = [("sum", "v"), ("count", "v"), ("count", None), ("min", "v"), ("max", "v"), ("max", "j"), ("sum", "j")]
OUTPUTS = [
    *(WindowOutput(name, name) for name in ("row_number", "rank", "dense_rank")),
    *(WindowOutput(f"{f}{n}", f, "v", offset=n) for f in ("lag", "lead") for n in (0, 1, 3, 50)),
    *(WindowOutput(f"{f}_{over}_{frame}", f, over, frame) for f, over in AGGREGATES for frame in FRAMES),
]


def say(output, over):
    match output.function:
        case "lag" | "lead":
            return f"{output.function}({output.over}, {output.offset}) OVER ({over})"
        case "row_number" | "rank" | "dense_rank":
            return f"{output.function}() OVER ({over})"
    return f"{output.function}({output.over or '*'}) OVER ({over} {FRAMES[output.frame]})"


def expected(rows, over, outputs):
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (k BIGINT, j BIGINT, v BIGINT)")
        if rows:
            connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        found = connection.sql(f"SELECT k, j, v, {', '.join(say(o, over) for o in outputs)} FROM t").fetchall()
    return bag([tuple(map(wrapped, row)) for row in found])


def wrapped(value):
    return None if value is None else (value + (1 << 63)) % (1 << 64) - (1 << 63)


ORDERS = {
    "PARTITION BY k ORDER BY j NULLS LAST, v DESC NULLS FIRST": (["k"], [SortKey("j"), SortKey("v", True, True)]),
    "PARTITION BY k, j ORDER BY v NULLS LAST": (["k", "j"], [SortKey("v")]),
    "ORDER BY v NULLS LAST, j, k NULLS LAST": ([], [SortKey("v"), SortKey("j"), SortKey("k")]),
}


@pytest.mark.parametrize("over", ORDERS)
@given(rows=ROWS)
@example(rows=[])
@example(rows=[(1, None, 2, None)])
@example(rows=[(1, 2, 3, None)] * 5)
@example(rows=[(0, 2, 3, 4)] * 3)
@example(
    rows=[(1, 2, 3, (1 << 63) - 1), (1, 2, 3, -(1 << 63)), (1, 2, 3, None), (1, None, -4, -(1 << 63)), (0, 3, -4, 1)]
)
@settings(max_examples=8)
def test_window_functions_agree_with_duckdb(over, rows):
    by, keys = ORDERS[over]
    got = run_tables(lambda t, me: window(keep_odd(t, me), by, keys, OUTPUTS, me, {}), [(T, rows)])
    assert bag(got) == expected(kept(rows), over, OUTPUTS)
    # The same where all rows exist, which takes other paths: a table that is one run is known to be, for one.
    got = run_tables(lambda t, me: window(t.select(["k", "j", "v"]), by, keys, OUTPUTS, me, {}), [(T, rows)])
    assert bag(got) == expected([row[1:] for row in rows], over, OUTPUTS)


@pytest.mark.parametrize(("over", "by"), [("PARTITION BY k", ["k"]), ("", [])])
@given(rows=ROWS)
@example(rows=[])
@settings(max_examples=6)
def test_totals_without_an_order_agree_with_duckdb(over, by, rows):
    outputs = [output for output in OUTPUTS if output.frame == "partition" and output.function in dict(AGGREGATES)]
    got = run_tables(lambda t, me: window(keep_odd(t, me), by, [], outputs, me, {}), [(T, rows)])
    assert bag(got) == expected(kept(rows), over, outputs)


def every_function(a, bits, me):
    valid = bits if isinstance(bits, BitShare) else None
    table = SecretTable(a.n, {"k": SecretColumn(a, width=8), "v": SecretColumn(a + a), "j": SecretColumn(a)}, valid)
    done = window(table, ["k"], [SortKey("j")], OUTPUTS, me, {})
    return [done.columns[output.name].values for output in OUTPUTS]


def test_what_is_sent_does_not_depend_on_the_data():
    first = run_three_parties(every_function, np.arange(20), np.ones(20, bool))
    second = run_three_parties(every_function, np.zeros(20, np.int64), np.zeros(20, bool))
    assert first.transcripts == second.transcripts


def test_rounds_grow_with_the_logarithm_of_the_rows_and_bytes_with_their_number():
    small, large = (run_three_parties(every_function, np.arange(n), np.ones(n, bool)).cost for n in (256, 1024))
    per_level = large.rounds - small.rounds
    assert 0 < per_level <= 4 * 16  # two levels up and down for each doubling, in MIN and MAX alone
    assert large.bytes_sent < 4.5 * small.bytes_sent
