"""Vectors for property tests: small, and full of the numbers at which two's complement breaks."""

import numpy as np
from hypothesis import strategies as st

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1
EXTREMES = [0, 1, -1, 2, SMALLEST, SMALLEST + 1, LARGEST, LARGEST - 1, 1 << 62, -(1 << 62), 1 << 32, -(1 << 32)]


def int64_vectors(n: int, limit: int | None = None) -> st.SearchStrategy[np.ndarray]:
    """Signed numbers; with a limit, only those of at most that size."""
    low, high = (SMALLEST, LARGEST) if limit is None else (-limit, limit)
    near = [x for x in [*EXTREMES, limit or 0, -(limit or 0)] if low <= x <= high]
    numbers = st.one_of(st.sampled_from(near), st.integers(low, high), st.integers(-3, 3))
    return st.lists(numbers, min_size=n, max_size=n).map(lambda xs: np.array(xs, np.int64))


def bool_vectors(n: int) -> st.SearchStrategy[np.ndarray]:
    return st.lists(st.booleans(), min_size=n, max_size=n).map(lambda xs: np.array(xs, bool))
