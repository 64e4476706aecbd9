from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given

from conclave.mpc import wide
from conclave.mpc.divide import divide, multiply_fixed, prefix_or, truncate
from conclave.mpc.planes import planes_of_bits
from tests.conclave.mpc.strategies import int64_vectors
from tests.conclave.mpc.three import run_three_parties

N = 40
LIMIT = (1 << 62) - 1


@given(x=int64_vectors(N, LIMIT))
def test_truncate_never_errs_by_more_than_one_unit(x):
    for places in (0, 1, 32, 62):
        run = run_three_parties(truncate, x, places)
        assert set(((x >> places) - run.opened.astype(np.int64)).tolist()) <= {0, 1}
        assert run.cost == truncate.cost(n=N)


@given(x=int64_vectors(N, LIMIT), y=int64_vectors(N, LIMIT))
def test_multiply_fixed_is_right_where_the_product_passes_64_bits(x, y):
    x, y = x >> 15, y >> 15  # 47 bits each: the product has 94, the result 62
    run = run_three_parties(multiply_fixed, x, y, places=32)
    for a, b, got in zip(x.tolist(), y.tolist(), run.opened.astype(np.int64).tolist(), strict=True):
        assert abs(Fraction(a * b, 1 << 32) - got) <= 2
    assert run.cost == multiply_fixed.cost(n=N)


@given(a=int64_vectors(N, LIMIT), b=int64_vectors(N, LIMIT))
def test_divide_keeps_its_stated_error(a, b):
    for places in (0, 32, 58):
        run = run_three_parties(divide, a, b, places=places)
        assert run.cost == divide.cost(n=N)
        for x, y, got in zip(a.tolist(), b.tolist(), run.opened.astype(np.int64).tolist(), strict=True):
            if y == 0 or abs(x << places) >= abs(y) << 62:
                continue  # no meaning promised
            exact = Fraction(x << places, y)
            assert abs(exact - got) <= 2 + abs(exact) / (1 << 50)


@pytest.mark.parametrize("sign", [1, -1])
def test_divide_by_every_power_of_two_and_its_neighbours(sign):
    powers = [1 << k for k in range(62)]
    b = np.array([sign * x for p in powers for x in (p - 1, p, p + 1) if 0 < x <= LIMIT], np.int64)
    a = np.full(len(b), 1 << 29)
    got = run_three_parties(divide, a, b, places=32).opened.astype(np.int64)
    for divisor, quotient in zip(b.tolist(), got.tolist(), strict=True):
        exact = Fraction(1 << 61, divisor)
        assert abs(exact - quotient) <= 2 + abs(exact) / (1 << 50)


def test_prefix_or_of_one_plane_costs_nothing():
    bits = np.array([True, False, True])
    run = run_three_parties(lambda x, me: prefix_or(planes_of_bits([x]), me).bit(0), bits)
    assert run.opened.tolist() == [1, 0, 1]
    assert run.cost == prefix_or.cost(n=3, planes=1)


@given(a=int64_vectors(8), b=int64_vectors(8))
def test_wide_arithmetic_agrees_with_python(a, b):
    low, high = a.astype(np.uint64), b.astype(np.uint64)
    x, y = np.stack([low, high]), np.stack([high, low[::-1]])

    def number(limbs, k):
        return int(limbs[0][k]) + (int(limbs[1][k]) << 64)

    for k in range(8):
        p, q = number(x, k), number(y, k)
        assert number(wide.multiply(x, y), k) == p * q % (1 << 128)
        assert number(wide.add(x, y), k) == (p + q) % (1 << 128)
        assert number(wide.subtract(x, y), k) == (p - q) % (1 << 128)
        for places in (0, 1, 63, 64, 100, 127):
            assert number(wide.shift_right(x, places), k) == p >> places
