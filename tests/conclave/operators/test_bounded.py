"""Joins by keys that repeat on both sides, on one no more often than was said: against Python, and what they cost."""

from collections import Counter
from functools import partial
from math import ceil, log2

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.mpc.costs import Cost
from conclave.mpc.errors import ShapeError, TooManyMatches, TooManyPairs
from conclave.mpc.shares import public_share
from conclave.mpc.twin import Twin
from conclave.operators.bounded import join_bounded, left_join_bounded, refuse_more
from conclave.operators.join import join_nested, join_unique
from conclave.operators.match import refuse_repeated
from conclave.operators.table import SecretColumn, SecretTable
from tests.conclave.mpc.three import NAMES, run_three_parties
from tests.conclave.operators.tables import KEEP, bag, declare, keep_odd, kept, rows_of, run_tables, run_twin

T = declare("t", "delta", {KEEP: True, "k": True, "j": False, "v": True}, k=3, j=3)
R = declare("r", "echo", {KEEP: True, "rk": True, "rj": False, "w": True}, rk=3, rj=3)
ON = [("k", "rk"), ("j", "rj")]
ROWS = rows_of(True, True, False, True, wide=True)


def matching(left, right):
    return [a + b for a in left for b in right if None not in a[:2] and a[:2] == b[:2]]


def inner(left, right):
    return bag(matching(left, right))


def outer(left, right):
    return bag([pair for a in left for pair in (matching([a], right) or [(*a, None, None, None)])])


def most_of(rows):
    """How often a key without NULL comes."""
    return max(Counter(row[:2] for row in kept(rows) if None not in row[:2]).values(), default=0)


def bounded(join, most):
    return lambda t, r, me: join(keep_odd(t, me), keep_odd(r, me), ON, most, me, refuse_more)


ALIKE = [(1, 2, 3, 4)] * 5
EXTREMES = {
    "nothing": ([], []),
    "nothing on the right": (ALIKE, []),
    "nothing on the left": ([], ALIKE),
    "one row": (ALIKE[:1], ALIKE[:1]),
    "all alike": (ALIKE, ALIKE),
    "none that exists": ([(0, 2, 3, 4)] * 3, [(None, 2, 3, 4)] * 4),
    "NULLs": ([(1, None, 0, None)] * 3, [(1, None, 0, None)] * 4),
    "zeros, where nothing stands above": ([(1, 0, 0, 0)] * 2, [(0, 0, 0, 0)] * 3),
    "the ends": ([(1, 3, -4, -(1 << 63)), (1, -4, 3, (1 << 63) - 1)], [(1, 3, -4, (1 << 63) - 1)] * 2),
    "rows that do not exist between those that do": (ALIKE, [(1, 2, 3, 0), (0, 2, 3, 1), (1, 2, 3, 2), (0, 2, 3, 3)]),
}


@pytest.mark.parametrize("what", EXTREMES)
def test_the_extremes_agree_with_python(what):
    left, right = EXTREMES[what]
    for most in {max(most_of(right), 1), most_of(right) + 2}:
        for join, expected in ((join_bounded, inner), (left_join_bounded, outer)):
            got = run_tables(bounded(join, most), [(T, left), (R, right)])
            assert bag(got) == expected(kept(left), kept(right))


@given(left=ROWS, right=ROWS, spare=st.integers(0, 4))
@settings(max_examples=25)
def test_any_rows_agree_with_python(left, right, spare):
    most = max(most_of(right), 1) + spare
    for join, expected in ((join_bounded, inner), (left_join_bounded, outer)):
        got = run_twin(bounded(join, most), [(T, left), (R, right)])
        assert bag(got) == expected(kept(left), kept(right))


@given(right=ROWS, most=st.integers(1, 4))
@example(right=[(1, 2, 3, 4)] * 3 + [(1, 2, 2, 4)] * 2, most=2)
@example(right=[(1, 2, 3, 4)] * 2 + [(0, 2, 3, 4), (1, None, 3, 4), (1, None, 3, 4)], most=2)
@settings(max_examples=25)
def test_a_key_that_comes_more_often_than_was_said_ends_the_protocol_and_no_other_does(right, most):
    run = partial(run_twin, bounded(join_bounded, most), [(T, ALIKE), (R, right)])
    if most_of(right) <= most:
        assert bag(run()) == inner(kept(ALIKE), kept(right))
    else:
        with pytest.raises(TooManyMatches, match=f"rk, rj: more than {most} rows have the same value"):
            run()


def test_three_parties_find_together_that_a_key_comes_too_often():
    with pytest.raises(TooManyMatches):
        run_tables(bounded(left_join_bounded, 4), [(T, ALIKE), (R, ALIKE)])


def test_many_copies_are_made_one_after_the_other(monkeypatch):
    monkeypatch.setattr("conclave.operators.bounded.MOST_ROWS_AT_ONCE", 20)
    got = run_tables(bounded(join_bounded, 5), [(T, ALIKE), (R, ALIKE)])
    assert bag(got) == inner(kept(ALIKE), kept(ALIKE))


def table(names, values, valid=None):
    return SecretTable(values.n, {name: SecretColumn(values) for name in names}, valid)


def test_what_cannot_be_joined_is_refused(monkeypatch):
    def work(names, a, me):
        return join_bounded(table(["x"], a), table(names, a), [("x", names[0])], 2, me, refuse_more)

    with pytest.raises(ShapeError, match="both sides"):
        run_three_parties(partial(work, ["x"]), np.arange(3))
    monkeypatch.setattr("conclave.operators.bounded.MOST_PAIRS", 5)
    with pytest.raises(TooManyPairs, match="compare 3 rows with 3, which are to match up to 2 times each"):
        run_three_parties(partial(work, ["y"]), np.arange(3))


def test_what_is_sent_does_not_depend_on_the_data():
    def work(a, bits, me):
        left, right = table(["x", "v"], a, bits), table(["y", "w"], a, bits)
        return left_join_bounded(left, right, [("x", "y")], 20, me, refuse_more).columns["w"].present

    first = run_three_parties(work, np.arange(20), np.ones(20, bool))
    second = run_three_parties(work, np.zeros(20, np.int64), np.zeros(20, bool))
    assert first.transcripts == second.transcripts


def cost_of(join, n):
    """What the twin counts of a join of n rows with n by a key of 8 bits, and a value beside it on both sides."""
    me, numbers = Twin(NAMES, {}), np.arange(n, dtype=np.uint64)
    key, value = (SecretColumn(public_share(numbers, n, me), width=width) for width in (8, 64))
    left, right = (SecretTable(n, {k: key, v: value}) for k, v in ("xv", "yw"))
    join(left, right, [("x", "y")], me)
    return Cost(me.network.rounds, me.network.bytes_sent)


def of_most(most, n):
    return cost_of(lambda a, b, on, me: join_bounded(a, b, on, most, me, refuse_more), n)


def test_it_costs_what_a_join_of_unique_keys_does_and_a_few_bytes_for_each_further_match():
    n = 64
    unique = cost_of(lambda a, b, on, me: join_unique(a, b, on, me, refuse_repeated), n)
    once = of_most(1, n)
    assert once.rounds == unique.rounds
    assert unique.bytes_sent <= once.bytes_sent <= unique.bytes_sent + n
    # The value and a bit, of the rows of both sides, to their places and back; two bits more to compare.
    further = of_most(2, n).bytes_sent - once.bytes_sent
    assert further <= 82 * n
    for most in (2, 3, 4, 9, 16):
        rounds = once.rounds + 1 + ceil(log2(most))
        assert of_most(most, n) == Cost(rounds, once.bytes_sent + (most - 1) * further)


def test_it_is_never_quadratic():
    few, many = of_most(4, 128), of_most(4, 512)
    assert few.rounds == many.rounds
    assert many.bytes_sent <= 4 * few.bytes_sent
    nested = [cost_of(lambda a, b, on, me: join_nested(a, b, on, me), n).bytes_sent for n in (128, 512)]
    assert nested[1] == 16 * nested[0] > many.bytes_sent
