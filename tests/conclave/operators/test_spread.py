"""Variances and quantiles under MPC, against exact fractions and DuckDB."""

import decimal
import math
from fractions import Fraction
from functools import partial

import duckdb
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.ir.nodes import AggregateOutput
from conclave.ir.types import Decimal, Double, Field, Integer
from conclave.mpc.shares import BitShare
from conclave.operators.aggregates_of import aggregate_rows
from conclave.operators.quantile import between
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
        found = spread(function, n, total, squares, kind, me)
        return found.small, found.large or 0 * found.small, found.present

    small, large, present = run_three_parties(work, *inputs).opened
    assert not np.logical_and(small, large).any(), "one of the two parts is 0"
    found = small.astype(np.int64) / ONE + large.astype(np.int64)
    return [value if there else None for value, there in zip(found.tolist(), present.tolist(), strict=True)]


def small_of(function, n, total, squares, kind, me):
    found = spread(function, n, total, squares, kind, me)
    return found.small, found.present


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


def owners_sums(values, cut):
    """Counts, sums and sums of squares as two owners bring them in, who add up doubles first, each its own."""
    sums = [[0, 0, 0], [0, 0, 0]]
    for part, row in zip((values[:cut], values[cut:]), sums, strict=True):
        row[0], row[1] = len(part), round(sum(part) * ONE)
        row[2] = round(sum(x * x for x in part) * ONE)
    return [sum(column) for column in zip(*sums, strict=True)]


@pytest.mark.parametrize("function", FUNCTIONS)
@given(
    samples=st.lists(
        st.tuples(st.floats(-30000, 30000, width=64), st.integers(2, 40), st.integers(0, 40)), min_size=1, max_size=6
    )
)
@example(samples=[(0.1, 10, 3), (1e-9, 2, 1), (-29999.99, 2, 1), (1 / 3, 40, 20), (5461.3, 35, 17)])
@settings(max_examples=8)
def test_doubles_that_do_not_differ_have_no_spread_at_all(function, samples):
    fitting = [(x, n, cut) for x, n, cut in samples if x * x * n < 2**30]
    sums = [owners_sums([x] * n, cut) for x, n, cut in fitting]
    inputs = [np.array(column, np.int64).reshape(-1) for column in zip(*sums, strict=True)]
    if not inputs:
        return
    run = run_three_parties(lambda n, s, q, me: small_of(function, n, s, q, Double(), me), *inputs)
    assert run.opened[0].tolist() == [0] * len(fitting)
    assert run.opened[1].tolist() == [1] * len(fitting)


@pytest.mark.parametrize("function", FUNCTIONS)
@given(samples=st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(2, 10**6)), min_size=1, max_size=6))
@example(samples=[(2**31 - 1, 1), (-(2**31), 1), (0, 1), (0, 10**6), (1, 2), (-1, 10**6)])
@settings(max_examples=8)
def test_whole_numbers_that_do_not_differ_have_no_spread_at_all(function, samples):
    samples = [(x, n) for x, n in samples if x * x * n < 2**62 and (n > 1 or function.endswith("pop"))]
    sums = [[n, x * n, x * x * n] for x, n in samples]
    inputs = [np.array(column, np.int64).reshape(-1) for column in zip(*sums, strict=True)]
    for kind in (Integer(64), Decimal(18, 2)):
        if inputs:
            run = run_three_parties(lambda n, s, q, me, kind=kind: small_of(function, n, s, q, kind, me), *inputs)
            assert run.opened[0].tolist() == [0] * len(samples)
            assert run.opened[1].tolist() == [1] * len(samples)


@given(
    samples=st.lists(
        st.tuples(st.floats(-1000, 1000), st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.integers(0, 8)),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=10)
def test_a_variance_of_doubles_is_off_by_its_error_and_no_more(samples):
    """The error does not grow with what cancels: it is what the owners' rounding leaves, 2**-30 of the mean."""
    numbers = [([mean + x for x in around], cut) for mean, around, cut in samples]
    inputs = [np.array(column, np.int64) for column in zip(*(owners_sums(*each) for each in numbers), strict=True)]
    run = run_three_parties(lambda n, s, q, me: small_of("var_pop", n, s, q, Double(), me), *inputs)
    for got, (values, _) in zip(run.opened[0].astype(np.int64) / ONE, numbers, strict=True):
        wanted, mean = exact("var_pop", [Fraction(x) for x in values]), abs(sum(values) / len(values))
        assert got == pytest.approx(wanted, rel=1e-9, abs=(mean + 8) * 2**-30)


LARGE = [[0, 2 * n] for n in (32700, 32768, 10**6, 2**28)] + [[10**9], [10**9, 10**9 + 2], [-(2**29), 2**29 - 3]]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_variance_that_no_double_holds_under_mpc_is_a_whole_number_and_its_root_a_double(function):
    for got, sample in zip(spreads(function, LARGE, Integer(64)), LARGE, strict=True):
        wanted = exact(function, [Fraction(x) for x in sample])
        assert got == (wanted if wanted is None else pytest.approx(wanted, rel=2**-28, abs=5e-5))
    for got, sample in zip(spreads(function, LARGE, Decimal(18, 4)), LARGE, strict=True):
        wanted = exact(function, [Fraction(x, 10**4) for x in sample])
        assert got == (wanted if wanted is None else pytest.approx(wanted, rel=2**-28, abs=5e-5))


@pytest.mark.parametrize("scale", [0, 2, 4])
@given(
    samples=st.lists(
        st.tuples(st.integers(10**6, 2**30), st.integers(-(2**20), 2**20), st.integers(1, 2**20)),
        min_size=1,
        max_size=6,
    )
)
@example(samples=[(2**30, 0, 2**20), (46340, 2**20, 2**28), (2**29, 1, 1)])
@settings(max_examples=8)
def test_a_variance_of_many_is_right_whether_a_double_holds_it_or_not(scale, samples):
    """Half of the rows are the mean less `around`, half the mean and as much more: the sums are known without the rows."""
    exact_sums = [(2 * n, 2 * n * mean, 2 * n * (mean**2 + around**2), around) for around, mean, n in samples]
    fitting = [(n, s, q, around) for n, s, q, around in exact_sums if q < 2**60]
    inputs = [np.array(column, np.int64).reshape(-1) for column in zip(*(each[:3] for each in fitting), strict=True)]
    if not inputs:
        return

    def work(function, kind, n, s, q, me):
        found = spread(function, n, s, q, kind, me)
        return found.small, found.large or 0 * found.small

    for function in FUNCTIONS:
        small, large = run_three_parties(partial(work, function, Decimal(18, scale)), *inputs).opened
        for got, (n, _, _, around) in zip(small.astype(np.int64) / ONE + large.astype(np.int64), fitting, strict=True):
            variance = Fraction(around**2 * n, (n - ("samp" in function)) * 10 ** (2 * scale))
            wanted = float(variance) if "var" in function else math.sqrt(variance)
            assert got == pytest.approx(wanted, rel=2**-28, abs=5e-5)


def test_of_no_groups_there_are_no_spreads():
    none = np.zeros(0, np.int64)
    run = run_three_parties(lambda n, s, q, me: small_of("stddev_samp", n, s, q, Integer(64), me), none, none, none)
    assert [len(part) for part in run.opened] == [0, 0]


def test_what_a_spread_sends_does_not_depend_on_the_numbers():
    def work(n, total, squares, me):
        return small_of("stddev_samp", n, total, squares, Integer(64), me)

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


DOUBLES = st.one_of(st.integers(1 - 2**62, 2**62 - 1), st.sampled_from([1 - 2**62, 2**62 - 1, 0, -1]))


@pytest.mark.parametrize("denominator", [2, 3, 10**6])
@given(pairs=st.lists(st.tuples(DOUBLES, DOUBLES, st.integers(0, 10**6)), min_size=1, max_size=30))
@example(pairs=[(1 - 2**62, 2**62 - 1, 1)] * 30)
@settings(max_examples=8)
def test_what_lies_between_two_doubles_is_right_however_far_they_are_apart(denominator, pairs):
    low, high, rest = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    rest %= denominator

    def work(low, high, rest, me):
        return between(low, SecretColumn(high), rest, denominator, me)

    got = run_three_parties(work, low, high, rest).opened
    for found, a, b, part in zip(
        got.astype(np.int64).tolist(), low.tolist(), high.tolist(), rest.tolist(), strict=True
    ):
        wanted = a + Fraction((b - a) * part, denominator)
        assert abs(found - wanted) < 3
        assert denominator != 2 or found in (math.floor(wanted), math.ceil(wanted))


@pytest.mark.parametrize("keys", [[], ["k"], ["k", "j"]])
@given(rows=rows_of(True, True, False, True, wide=True))
@example(rows=[])
@example(rows=[(1, None, 2, None)])
@example(rows=[(1, 2, j, v) for j, v in ((1, 5), (2, 5), (3, 9), (1, -4), (2, None))])
@example(rows=[(1, 2, -4, (1 << 63) - 1), (1, 2, 3, -(1 << 63)), (1, 2, 3, None), (0, 2, 3, 1), (1, None, 3, None)])
@example(rows=[(0, 2, 3, 4), (None, 2, 3, 4)])
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
