import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.mpc.errors import ShapeError
from conclave.mpc.whole import DIVISOR_BITS, divide_whole, divide_whole_by
from tests.conclave.mpc.strategies import int64_vectors
from tests.conclave.mpc.three import run_three_parties

N = 40
LIMIT = (1 << 62) - 1
MOST = (1 << DIVISOR_BITS) - 1
ENDS = [1, 2, 3, 7, 10, 1 << 31, (1 << 31) - 1, 10**9, 1 << 59, MOST, MOST - 1]


def truncated(a, b):
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - quotient * b


def opened(run):
    quotients, rests = (part.astype(np.int64).tolist() for part in run.opened)
    return list(zip(quotients, rests, strict=True))


@given(a=int64_vectors(N, LIMIT), b=int64_vectors(N, MOST))
@settings(max_examples=20)
def test_whole_division_by_secret_numbers_is_exact_at_its_declared_cost(a, b):
    b[b == 0] = 1
    b[: len(ENDS)] = ENDS
    run = run_three_parties(divide_whole, a, b)
    assert opened(run) == [truncated(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert run.cost == divide_whole.cost(n=N)


@given(
    a=int64_vectors(N, LIMIT), b=st.one_of(st.sampled_from(ENDS), st.integers(1, 1000)), sign=st.sampled_from([1, -1])
)
@settings(max_examples=20)
def test_whole_division_by_a_public_number_is_exact_at_its_declared_cost(a, b, sign):
    run = run_three_parties(divide_whole_by, a, sign * b)
    assert opened(run) == [truncated(x, sign * b) for x in a.tolist()]
    assert run.cost == divide_whole_by.cost(n=N)


@pytest.mark.parametrize("b", [1, 3, 1 << 20, MOST])
def test_whole_division_next_to_every_multiple(b):
    near = [k * b + d for k in (0, 1, 2, LIMIT // b) for d in (-1, 0, 1) if abs(k * b + d) <= LIMIT]
    a = np.array([*near, *(-x for x in near)], np.int64)
    expected = [truncated(x, b) for x in a.tolist()]
    assert opened(run_three_parties(divide_whole, a, np.full(len(a), b))) == expected
    assert opened(run_three_parties(divide_whole_by, a, b)) == expected


def test_no_numbers_are_divided_as_any_others():
    none = np.zeros(0, np.int64)
    assert (
        opened(run_three_parties(divide_whole, none, none)) == opened(run_three_parties(divide_whole_by, none, 3)) == []
    )


def test_what_whole_division_sends_does_not_depend_on_the_numbers():
    first = run_three_parties(divide_whole, np.full(9, LIMIT), np.full(9, 1))
    assert first.transcripts == run_three_parties(divide_whole, np.full(9, -3), np.full(9, MOST)).transcripts


@pytest.mark.parametrize("b", [0, 1 << DIVISOR_BITS])
def test_divisors_that_would_not_be_settled_are_refused(b):
    with pytest.raises(ShapeError):
        run_three_parties(divide_whole_by, np.arange(3), b)
