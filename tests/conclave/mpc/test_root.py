from decimal import Decimal, getcontext

import numpy as np
from hypothesis import given, settings

from conclave.mpc.root import square_root
from tests.conclave.mpc.strategies import int64_vectors
from tests.conclave.mpc.three import run_three_parties

N = 40
LIMIT = (1 << 62) - 1
getcontext().prec = 60


def assert_roots(radicands):
    got = run_three_parties(square_root, radicands).opened.astype(np.int64)
    for x, root in zip(radicands.tolist(), got.tolist(), strict=True):
        exact = (Decimal(x) * (1 << 32)).sqrt()
        assert abs(exact - root) <= 2 + exact / (1 << 48), x


@given(x=int64_vectors(N, LIMIT))
@settings(max_examples=15)
def test_roots_keep_their_stated_error_at_their_declared_cost(x):
    assert_roots(np.abs(x))
    assert run_three_parties(square_root, np.abs(x)).cost == square_root.cost(n=N)


def test_roots_of_every_power_of_two_and_its_neighbours():
    near = {(1 << k) + d for k in range(62) for d in (-1, 0, 1)} | {3 << k for k in range(60)}
    assert_roots(np.array(sorted(x for x in near if 0 <= x <= LIMIT), np.int64))


def test_of_no_numbers_there_are_no_roots():
    assert_roots(np.zeros(0, np.int64))


def test_what_a_root_sends_does_not_depend_on_the_number():
    first = run_three_parties(square_root, np.zeros(9, np.int64))
    assert first.transcripts == run_three_parties(square_root, np.full(9, LIMIT)).transcripts
