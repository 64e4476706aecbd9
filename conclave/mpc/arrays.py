"""Arrays of whatever element type, and the layout that compiled loops want."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def dense(array: Array) -> Array:
    """Return the array itself, or a copy if its elements are not side by side or may not be written.

    >>> dense(np.broadcast_to(np.uint64(3), (2,))).flags.writeable
    True
    """
    return np.require(array, requirements=["C", "W"])
