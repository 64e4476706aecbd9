"""An owner's numbers, held to their limits before they are shared.

Reveals: that they are too large, if they are; the run ends with that.
"""

import numpy as np

from conclave.ir.types import Decimal, Double, Type
from conclave.ir.words import FRACTION_BITS
from conclave.limits import Bound
from conclave.local.encode import EncodedTable, Words
from conclave.local.errors import EncodeProblem
from conclave.plan.steps import ShareStep


def check_bounds(table: EncodedTable, step: ShareStep, wanted: tuple[Bound, ...]) -> None:
    """Check the words that `step` is about to share.

    Raises:  EncodeProblem, naming the column and the bound, and no value.
    """
    kinds = {f.name: f.type for f in step.schema}
    for bound in wanted:
        if bound.share != step.name:
            continue
        sizes = np.abs(table.columns[bound.column].words).view(np.uint64)  # right for -2**63, too
        if bound.is_total:
            is_kept = is_within(table.columns[bound.column].words, bound.most, is_total=True)
        else:
            counts = table.columns[bound.per].words.view(np.uint64) if bound.per else np.ones(1, np.uint64)
            # By division: the product of a count and `most` may pass 64 bits.
            is_kept = bool(np.all(_divide_up(sizes, bound.most) <= np.maximum(counts, 1)))
        if not is_kept:
            raise EncodeProblem(bound.column, _say(bound, kinds[bound.column]))


def is_within(words: Words, most: int, is_total: bool, is_squared: bool = False) -> bool:
    """Whether each word is at most so large in size, or all of their sizes together are, or their squares."""
    sizes = np.abs(words).view(np.uint64)
    if is_squared:
        return float(np.square(sizes.astype(np.float64)).sum()) <= most * (1 - 1e-6)  # more than rounding makes of it
    return _exact_sum(sizes) <= most if is_total else bool(np.all(sizes <= np.uint64(most)))


def _exact_sum(sizes: np.typing.NDArray[np.uint64]) -> int:
    half = np.uint64(32)
    return (int((sizes >> half).sum()) << 32) + int((sizes & np.uint64(0xFFFFFFFF)).sum())


def _divide_up(sizes: np.typing.NDArray[np.uint64], by: int) -> np.typing.NDArray[np.uint64]:
    return np.asarray(sizes // np.uint64(by) + (sizes % np.uint64(by) != 0), np.uint64)


def _say(bound: Bound, kind: Type) -> str:
    match kind:
        case Double():
            most = f"{bound.most >> FRACTION_BITS}"
        case Decimal(_, scale):
            most = f"{bound.most // 10**scale}"
        case _:
            most = f"{bound.most}"
    what = "has numbers whose sizes add up to more" if bound.is_total else "has a number larger in size"
    if bound.per:
        what = "has a mean larger in size"
    return f"{what} than {most}, beyond which this query's numbers would not fit the 64-bit words of MPC"
