import numpy as np
import pytest
from hypothesis import given

from conclave.mpc.bits import and_bits, and_words, or_bits, select_bits
from conclave.mpc.carry import sign_of_sum
from conclave.mpc.compare import all_equal, equal, is_negative, is_zero, less_than
from conclave.mpc.convert import (
    arithmetic_to_bits,
    bit_to_arithmetic,
    bits_to_arithmetic,
    columns_to_planes,
    multiply_by_bit,
    select,
)
from conclave.mpc.deal import view_of
from conclave.mpc.errors import ProtocolError, ShapeError
from conclave.mpc.multiply import dot, multiply
from tests.conclave.mpc.strategies import LARGEST, SMALLEST, bool_vectors, int64_vectors
from tests.conclave.mpc.three import deal_words, run_three_parties

N = 67  # crosses a machine word of bits, and fills no byte


@given(x=int64_vectors(N), y=int64_vectors(N))
def test_multiply_agrees_with_numpy_at_its_declared_cost(x, y):
    run = run_three_parties(multiply, x, y)
    np.testing.assert_array_equal(run.opened.astype(np.int64), x * y)
    assert run.cost == multiply.cost(n=N)


@given(x=int64_vectors(N), y=int64_vectors(N))
def test_dot_adds_products_for_the_price_of_one(x, y):
    run = run_three_parties(lambda a, b, me: dot([a, b], [b, b], me), x, y)
    np.testing.assert_array_equal(run.opened.astype(np.int64), x * y + y * y)
    assert run.cost == dot.cost(n=N)


@given(x=int64_vectors(N), y=int64_vectors(N))
def test_linear_operations_are_local_and_agree_with_numpy(x, y):
    def work(a, b, me):
        return [a + b, a - b, -a, 3 * a, a.add_public(-7, me), a.invert(me), a.prefix_sums().differences()]

    run = run_three_parties(work, x, y)
    for got, expected in zip(run.opened, [x + y, x - y, -x, 3 * x, x - 7, ~x, x], strict=True):
        np.testing.assert_array_equal(got.astype(np.int64), expected)
    assert run.cost.rounds == 0


@given(x=bool_vectors(N), y=bool_vectors(N), z=bool_vectors(N))
def test_bit_operations_agree_with_numpy_at_their_declared_cost(x, y, z):
    for primitive, inputs, expected in (
        (and_bits, (x, y), x & y),
        (or_bits, (x, y), x | y),
        (select_bits, (x, y, z), np.where(x, y, z)),
    ):
        run = run_three_parties(primitive, *inputs)
        np.testing.assert_array_equal(run.opened, expected)
        assert run.cost == primitive.cost(n=N)


@given(x=int64_vectors(N), y=int64_vectors(N))
def test_and_words_agrees_with_numpy(x, y):
    run = run_three_parties(and_words, deal_words(x), deal_words(y))
    np.testing.assert_array_equal(run.opened.astype(np.int64), x & y)
    assert run.cost == and_words.cost(n=N)


@given(x=int64_vectors(N), y=int64_vectors(N), chosen=bool_vectors(N))
def test_conversions_of_bits_agree_with_numpy_at_their_declared_cost(x, y, chosen):
    for primitive, inputs, expected in (
        (bit_to_arithmetic, (chosen,), chosen),
        (multiply_by_bit, (x, chosen), np.where(chosen, x, 0)),
        (select, (chosen, x, y), np.where(chosen, x, y)),
        (bits_to_arithmetic, (deal_words(x),), x),
        (arithmetic_to_bits, (x,), x),
    ):
        run = run_three_parties(primitive, *inputs)
        np.testing.assert_array_equal(run.opened.astype(np.int64), expected)
        assert run.cost == primitive.cost(n=N)


@pytest.mark.parametrize("bits", [1, 2, 3, 17, 64])
def test_some_low_bits_come_out_for_several_columns_at_once(bits):
    x, y = np.array([0, -1, 5, SMALLEST] * 20), np.arange(80)
    mask = np.uint64((1 << bits) - 1)
    run = run_three_parties(lambda a, b, me: [planes.words() for planes in columns_to_planes([a, b], me, bits)], x, y)
    for got, expected in zip(run.opened, (x, y), strict=True):
        np.testing.assert_array_equal(got, expected.astype(np.uint64) & mask)
    assert run.cost == columns_to_planes.cost(n=80, columns=2, bits=bits)


@given(x=int64_vectors(N))
def test_lowest_bit_is_free(x):
    run = run_three_parties(lambda a, me: a.lowest_bit(), x)
    np.testing.assert_array_equal(run.opened, x & 1)
    assert run.cost.rounds == 0


@given(x=int64_vectors(N), y=int64_vectors(N))
def test_comparisons_agree_with_numpy_over_all_of_int64_at_their_declared_cost(x, y):
    y[::3] = x[::3]
    for primitive, inputs, expected in (
        (less_than, (x, y), x < y),
        (equal, (x, y), x == y),
        (is_zero, (x,), x == 0),
        (is_negative, (x,), x < 0),
    ):
        run = run_three_parties(primitive, *inputs)
        np.testing.assert_array_equal(run.opened, expected)
        assert run.cost == primitive.cost(n=N)


@given(x=int64_vectors(N, limit=(1 << 62) - 1), y=int64_vectors(N, limit=(1 << 62) - 1))
def test_less_than_of_narrow_numbers_costs_a_third(x, y):
    run = run_three_parties(less_than, x, y, bits=63)
    np.testing.assert_array_equal(run.opened, x < y)
    assert run.cost == less_than.cost(n=N, bits=63)


@pytest.mark.parametrize("bits", [1, 2, 5, 33])
def test_equality_looks_at_the_low_bits_only(bits):
    x, y = np.arange(40), np.arange(40)[::-1] + (1 << 40)
    run = run_three_parties(lambda a, b, me: all_equal([(a, b, bits), (a, a, 7)], me), x, y)
    np.testing.assert_array_equal(run.opened, (x ^ y) % (1 << bits) == 0)
    assert run.cost == all_equal.cost(n=40, bits=bits + 7)


# Within a group of rows, a whole one, the next one, and more than are worked on together.
SIZES = [1, 64, 70, 449, 512, 513, 1000, 33_000]


@pytest.mark.parametrize("n", SIZES)
def test_sign_of_a_sum_of_views_wherever_carries_end(n):
    rng = np.random.default_rng(n)
    # Numbers of every length, so that the carry into the sign starts, runs and dies in every block.
    x = rng.integers(SMALLEST, LARGEST, n) >> rng.integers(0, 64, n)
    run = run_three_parties(lambda a, me: sign_of_sum(view_of(a, me), me), x)
    np.testing.assert_array_equal(run.opened, x < 0)
    assert run.cost == sign_of_sum.cost(n=n)


@pytest.mark.parametrize("n", SIZES)
def test_less_than_wherever_numbers_begin_to_differ_and_carries_end(n):
    rng = np.random.default_rng(n)
    x = rng.integers(SMALLEST, LARGEST, n) >> rng.integers(0, 64, n)
    y = x ^ (rng.integers(SMALLEST, LARGEST, n) >> rng.integers(0, 64, n))
    y[::5] = x[::5]
    run = run_three_parties(less_than, x, y)
    np.testing.assert_array_equal(run.opened, x < y)
    assert run.cost == less_than.cost(n=n)


@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one_row_work(n):
    x = np.full(n, -5)
    for primitive in (multiply, less_than, equal):
        run = run_three_parties(primitive, x, x)
        assert run.opened.shape == (n,)
    assert run_three_parties(arithmetic_to_bits, x).opened.astype(np.int64).tolist() == x.tolist()


def test_operands_of_different_length_are_refused():
    with pytest.raises(ProtocolError):
        run_three_parties(multiply, np.arange(3), np.arange(4))
    with pytest.raises(ShapeError):
        run_three_parties(lambda a, me: a.split(2), np.arange(3))
