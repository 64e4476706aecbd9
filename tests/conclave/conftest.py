from itertools import combinations
from typing import Any

import numpy as np
import pytest

from conclave.mpc.compiled import Loop


@pytest.fixture(autouse=True)
def distinct_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold all callers of compiled loops to what the compiler relies on: what a loop writes to is no other array, too."""
    call = Loop.__call__

    def held(loop: Loop, *args: Any) -> int | None:
        arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
        shared = [array for pair in combinations(arrays, 2) if np.may_share_memory(*pair) for array in pair]
        before = [array.copy() for array in shared]
        result = call(loop, *args)
        for array, old in zip(shared, before, strict=True):
            assert np.array_equal(array, old), f"{loop.__name__} has written to an array that it was given twice"
        return result

    monkeypatch.setattr(Loop, "__call__", held)
