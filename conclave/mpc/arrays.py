"""The type of an array of whatever element type."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
