"""Rows that do not exist are dropped: what is left are the rows, and nothing is told but how many they are."""

import numpy as np
import pytest
from hypothesis import example, given, settings

from conclave.mpc.costs import Cost
from conclave.mpc.shares import open_bits
from conclave.mpc.shuffle import shuffle
from conclave.operators import compact as module
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.compact import compact
from conclave.operators.groupby import group_by
from conclave.operators.join import anti_join
from conclave.operators.table import SecretColumn, SecretTable
from tests.conclave.mpc.three import run_three_parties
from tests.conclave.operators.tables import KEEP, bag, declare, keep_odd, kept, rows_of, run_tables

T = declare("t", "delta", {KEEP: True, "k": True, "j": False, "v": True}, k=3, j=3)
ROWS = rows_of(True, True, False, True, wide=True)
MOST, LEAST = (1 << 63) - 1, -(1 << 63)


@given(rows=ROWS)
@example(rows=[])
@example(rows=[(1, None, 2, None)])
@example(rows=[(0, 1, 2, 3)])
@example(rows=[(0, 1, 2, 3), (None, 1, 2, 3)] * 3)  # none exists
@example(rows=[(1, 1, 2, 3)] * 5)  # all exist, and are equal
@example(rows=[(1, None, -3, MOST), (0, 3, 3, MOST), (1, 3, 3, LEAST)])
@settings(max_examples=6)
def test_the_rows_that_exist_are_kept_and_no_other_is_carried(rows):
    sizes = []

    def work(table, me):
        left = compact(keep_odd(table, me), me)
        sizes.append((left.n_rows, left.valid))
        return left

    assert bag(run_tables(work, [(T, rows)])) == bag(kept(rows))
    assert sizes == [(len(kept(rows)), None)] * 3


@given(rows=ROWS)
@example(rows=[(0, 1, 2, 3)] * 4)
@settings(max_examples=4)
def test_what_comes_after_is_the_same_with_and_without(rows):
    spec = [AggregateSpec("n", "count_star"), AggregateSpec("s", "sum", "v")]

    def work(table, me):
        some = compact(keep_odd(table, me), me)
        alone = anti_join(some, some.rename({"k": "rk", "j": "rj", "v": "rv"}), [("k", "rk")], me)
        return group_by(alone, ["j"], spec, me)

    def without(table, me):
        some = keep_odd(table, me)
        alone = anti_join(some, some.rename({"k": "rk", "j": "rj", "v": "rv"}), [("k", "rk")], me)
        return group_by(alone, ["j"], spec, me)

    assert bag(run_tables(work, [(T, rows)])) == bag(run_tables(without, [(T, rows)]))


def opened(values, exists, me):
    table = SecretTable(values.n, {"v": SecretColumn(values)}, exists)
    return compact(table, me).columns["v"].values


def test_what_goes_over_the_wire_tells_the_number_of_rows_and_nothing_else():
    def transcripts(values, places):
        exists = np.zeros(30, bool)
        exists[places] = True

        def work(v, e, me):
            table = SecretTable(30, {"v": SecretColumn(v)}, e)
            return group_by(compact(table, me), ["v"], [AggregateSpec("n", "count_star")], me).columns["n"].values

        return run_three_parties(work, values, exists).transcripts

    first = transcripts(np.arange(30), range(7))
    assert transcripts(np.zeros(30, np.int64), range(23, 30)) == first
    assert transcripts(np.arange(30) % 2, range(0, 28, 4)) == first
    assert transcripts(np.arange(30), range(8)) != first


def test_which_rows_exist_is_opened_in_another_order_each_time(monkeypatch):
    """Thirty rows of which the first fifteen exist: in an order that nobody knows, those are hardly ever the same."""
    seen = []

    def noting(bits, me):
        found = open_bits(bits, me)
        if me.index == 0:
            seen.append(tuple(found.tolist()))
        return found

    monkeypatch.setattr(module, "open_bits", noting)
    exists = np.arange(30) < 15
    for _ in range(4):
        run = run_three_parties(opened, np.arange(30), exists)
        assert sorted(run.opened.tolist()) == list(range(15))
    assert len(set(seen)) == 4
    assert {sum(each) for each in seen} == {15}
    assert all(each != tuple(exists.astype(int).tolist()) for each in seen)


@pytest.mark.parametrize("n", [0, 1, 2, 100])
def test_it_costs_a_shuffle_of_the_table_and_a_bit_for_each_row(n):
    run = run_three_parties(opened, np.arange(n), np.ones(n, bool))
    moved = shuffle.cost(n=n, words=1, bits=1) if n > 1 else Cost(0, 0)
    assert run.cost == moved + open_bits.cost(n=n)


def test_a_table_that_says_by_its_shape_that_all_rows_exist_is_left_alone():
    def work(v, me):
        return compact(SecretTable(v.n, {"v": SecretColumn(v)}), me).columns["v"].values

    run = run_three_parties(work, np.arange(5))
    assert run.opened.tolist() == [0, 1, 2, 3, 4]
    assert run.cost == Cost(0, 0)
