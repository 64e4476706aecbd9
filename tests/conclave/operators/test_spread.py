"""Variances and quantiles under MPC, against exact fractions and DuckDB."""

import decimal
import math
from fractions import Fraction

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.ir.nodes import AggregateOutput
from conclave.ir.types import Decimal, Double, Field, Integer
from conclave.mpc.shares import BitShare
from conclave.operators.aggregates_of import aggregate_rows
from conclave.operators.spread import spread
from conclave.operators.table import SecretColumn, SecretTable
from tests.conclave.mpc.three import run_three_parties
from tests.conclave.operators.tables import KEEP, bag, declare, keep_odd, kept, rows_of, run_tables

FUNCTIONS = ("var_samp", "var_pop", "stddev_samp", "stddev_pop")
ONE = 1 << 32
SAMPLES = st.lists(st.integers(-1000, 1000), max_size=8)


def exact(function, values):
    degrees = len(values) - (function in ("var_samp", "stddev_samp"))
    if degrees <= 0 or not values:
        return None
    mean = Fraction(sum(values), len(values))
    variance = sum((x - mean) ** 2 for x in values) / degrees
    return math.sqrt(variance) if function.startswith("stddev") else float(variance)


def spreads(function, samples, kind):
    """What comes out for each sample; a value counts in units of its kind."""
    unit = ONE if isinstance(kind, Double) else 1
    sums = [[len(s), sum(s) * unit, sum(x * x for x in s) * unit] for s in samples]
    inputs = [np.array(column, np.int64) for column in zip(*sums, strict=True)]

    def work(n, total, squares, me):
        return spread(function, n, total, squares, kind, me)

    values, present = run_three_parties(work, *inputs).opened
    found = values.astype(np.int64) / ONE
    return [value if there else None for value, there in zip(found.tolist(), present.tolist(), strict=True)]


@pytest.mark.parametrize("function", FUNCTIONS)
@given(samples=st.lists(SAMPLES, min_size=1, max_size=6), offset=st.sampled_from([0, 10**6, -(10**8)]))
@example(samples=[[], [7], [7, 7, 7], [-1000, 1000]], offset=0)
@settings(max_examples=8)
def test_a_spread_of_whole_numbers_does_not_suffer_from_a_large_mean(function, samples, offset):
    samples = [[x + offset for x in sample] for sample in samples]
    for kind, scale in ((Integer(64), 1), (Decimal(18, 2), 100)):
        for got, sample in zip(spreads(function, samples, kind), samples, strict=True):
            wanted = exact(function, [Fraction(x, scale) for x in sample])
            assert got == (wanted if wanted is None else pytest.approx(wanted, rel=1e-7, abs=5e-5))


@pytest.mark.parametrize("function", FUNCTIONS)
@given(samples=st.lists(st.lists(st.integers(-100, 100), max_size=8), min_size=1, max_size=6))
@settings(max_examples=5)
def test_a_spread_of_doubles_keeps_the_error_that_its_mean_allows(function, samples):
    for got, sample in zip(spreads(function, samples, Double()), samples, strict=True):
        wanted = exact(function, sample)
        assert got == (wanted if wanted is None else pytest.approx(wanted, rel=1e-6, abs=1e-3))


def test_a_variance_that_no_double_holds_is_none_and_one_that_it_just_holds_is_there():
    samples = [[0, 2 * n] for n in (32700, 32768, 10**6)] + [[10**9], [10**9, 10**9 + 2]]
    assert spreads("var_pop", samples, Integer(64)) == [
        pytest.approx(32700**2), None, None, pytest.approx(0, abs=1e-8), pytest.approx(1),
    ]  # fmt: skip
    assert spreads("stddev_pop", samples, Decimal(18, 2))[:2] == [pytest.approx(327.0), pytest.approx(327.68)]


def test_of_no_groups_there_are_no_spreads():
    none = np.zeros(0, np.int64)
    run = run_three_parties(lambda n, s, q, me: spread("stddev_samp", n, s, q, Integer(64), me), none, none, none)
    assert [len(part) for part in run.opened] == [0, 0]


def test_what_a_spread_sends_does_not_depend_on_the_numbers():
    def work(n, total, squares, me):
        return spread("stddev_samp", n, total, squares, Integer(64), me)

    first = run_three_parties(work, np.zeros(4, np.int64), np.zeros(4, np.int64), np.zeros(4, np.int64))
    second = run_three_parties(work, np.full(4, 9), np.full(4, 10**6), np.full(4, 10**12))
    assert first.transcripts == second.transcripts


T = declare("t", "delta", {KEEP: True, "k": True, "j": False, "v": True}, k=3, j=3)
SCHEMA = (Field("k", Integer()), Field("j", Integer(), nullable=False), Field("v", Integer()))
QUANTILES = [("quantile_disc", over, p) for over in ("v", "j") for p in ("0", "0.1", "0.5", "0.75", "1")]
CONTINUOUS = [("quantile_cont", "j", p) for p in ("0", "0.25", "0.5", "0.9", "1")]
OUTPUTS = [
    AggregateOutput(f"{function}_{over}_{n}", function, over, fraction=decimal.Decimal(p))
    for n, (function, over, p) in enumerate(QUANTILES + CONTINUOUS)
]
SUMS = [AggregateOutput("n", "count", None), AggregateOutput("least", "min", "v"), AggregateOutput("s", "sum", "j")]


def expected(rows, keys):
    calls = ["COUNT(*)", "MIN(v)", "SUM(j)", *(f"{o.function}({o.over}, {o.fraction})" for o in OUTPUTS)]
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (k BIGINT, j BIGINT, v BIGINT)")
        if rows:
            connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        found = connection.sql(f"SELECT {', '.join([*keys, *calls])} FROM t{group}").fetchall()
    n_continuous = len(CONTINUOUS)
    return bag([(*row[:-n_continuous], *(_near(v, ONE) for v in row[-n_continuous:])) for row in found])


def _near(value, unit):
    return None if value is None else round(value * unit / 64)


@pytest.mark.parametrize("keys", [[], ["k"], ["k", "j"]])
@given(rows=rows_of(True, True, False, True, wide=True))
@example(rows=[])
@example(rows=[(1, None, 2, None)])
@example(rows=[(1, 2, j, v) for j, v in ((1, 5), (2, 5), (3, 9), (1, -4), (2, None))])
@settings(max_examples=6)
def test_quantiles_agree_with_duckdb(keys, rows):
    def work(t, me):
        return aggregate_rows(keep_odd(t, me), SCHEMA, keys, [*SUMS, *OUTPUTS], [], me)

    got = run_tables(work, [(T, rows)])
    n_continuous = len(CONTINUOUS)
    near = [(*row[:-n_continuous], *(_near(v, 1) for v in row[-n_continuous:])) for row in got]
    assert bag(near) == expected(kept(rows), keys)


def test_what_quantiles_send_does_not_depend_on_the_data():
    def work(a, bits, me):
        valid = bits if isinstance(bits, BitShare) else None
        table = SecretTable(a.n, {name: SecretColumn(a) for name in ("k", "j", "v")}, valid)
        return [c.values for c in aggregate_rows(table, SCHEMA, ["k"], OUTPUTS, [], me).columns.values()]

    first = run_three_parties(work, np.arange(20), np.ones(20, bool))
    assert first.transcripts == run_three_parties(work, np.zeros(20, np.int64), np.zeros(20, bool)).transcripts
