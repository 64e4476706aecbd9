"""FLOOR, CEIL and ROUND under MPC, against exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.ir.ranges import ROUNDED_MOST
from conclave.ir.types import Decimal, Double
from conclave.operators.rounding import MOST_DECIMALS, NEAR, rounded
from conclave.operators.words import Words
from tests.conclave.mpc.three import run_three_parties

ONE = 1 << 32
DOUBLES = st.lists(st.integers(-ROUNDED_MOST, ROUNDED_MOST) | st.integers(-9 * ONE, 9 * ONE), min_size=1, max_size=9)
# Where steps are, and as far beside them as quotients are off.
ENDS = [k * ONE // 2 + off for k in (-5, -4, -1, 0, 1, 3, 4, 5) for off in (-2, 0, 2)] + [ROUNDED_MOST, -ROUNDED_MOST]


def run(function, values, kind, decimals, into):
    def work(x, me):
        return rounded(function, Words(x, None, kind), decimals, into, me).values

    return run_three_parties(work, np.array(values, np.int64)).opened.astype(np.int64).tolist()


def exact(function, x, decimals):
    """The rounded value in units of its last decimal."""
    match function:
        case "floor":
            return math.floor(x)
        case "ceil":
            return math.ceil(x)
    size = math.floor(abs(x) * 10**decimals + Fraction(1, 2))
    return size if x >= 0 else -size


@pytest.mark.parametrize("function", ["floor", "ceil", "round"])
@given(values=DOUBLES)
@example(values=ENDS)
@settings(max_examples=10)
def test_a_double_goes_to_the_whole_number_that_it_would_go_to_if_a_step_were_a_little_nearer(function, values):
    for got, value in zip(run(function, values, Double(), 0, Double()), values, strict=True):
        towards = -1 if function == "ceil" or (function == "round" and value < 0) else 1
        nudged = Fraction(value + towards * NEAR, ONE)
        assert got == exact(function, nudged, 0) * ONE, value


@pytest.mark.parametrize("decimals", [1, 2, 5, MOST_DECIMALS])
@given(values=DOUBLES)
@example(values=ENDS)
@settings(max_examples=6)
def test_a_double_is_rounded_to_decimals_and_held_as_the_nearest_word(decimals, values):
    for got, value in zip(run("round", values, Double(), decimals, Double()), values, strict=True):
        nudged = Fraction(value + (NEAR if value >= 0 else -NEAR), ONE)
        wanted = Fraction(exact("round", nudged, decimals) * ONE, 10**decimals)
        assert abs(got - wanted) <= Fraction(1, 2), value


def test_more_decimals_than_a_double_has_change_nothing():
    assert run("round", ENDS, Double(), MOST_DECIMALS + 1, Double()) == ENDS


@pytest.mark.parametrize("function", ["floor", "ceil", "round"])
@given(values=st.lists(st.integers(-(10**18), 10**18), min_size=1, max_size=9), scale=st.sampled_from([1, 2, 6]))
@example(values=[-250, -150, -149, -50, -1, 0, 1, 49, 50, 149, 150, 10**18, -(10**18)], scale=2)
@settings(max_examples=10)
def test_decimals_are_rounded_exactly(function, values, scale):
    for decimals in range(scale if function == "round" else 1):
        into = Decimal(18, decimals)
        for got, value in zip(run(function, values, Decimal(18, scale), decimals, into), values, strict=True):
            assert got == exact(function, Fraction(value, 10**scale), decimals), value


def test_what_rounding_sends_does_not_depend_on_the_number():
    def work(x, me):
        return rounded("round", Words(x, None, Double()), 2, Double(), me).values

    first = run_three_parties(work, np.zeros(9, np.int64))
    assert first.transcripts == run_three_parties(work, np.full(9, -ROUNDED_MOST)).transcripts
