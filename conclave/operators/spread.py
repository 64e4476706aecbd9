"""Variance and standard deviation from a count, a sum and a sum of squares; nothing cancels for whole numbers.

With the mean cut off to a whole q and the rest r = S - qn, the squares' sum around q is E = Q - q(S + r), exactly, even
where a product wraps on the way; the variance is E/n - (r/n)**2, and the second part is below one. Decimals are whole
numbers of their smallest unit. Doubles are taken as they are: their mean's error of 2**-32 counts twice the mean.
"""

from conclave.ir.expressions import SpreadFunction
from conclave.ir.types import Decimal, Double, Type
from conclave.mpc.bits import or_bits
from conclave.mpc.compare import is_negative, is_zero
from conclave.mpc.convert import bit_to_arithmetic, select
from conclave.mpc.divide import FRACTION_BITS, divide, multiply_fixed, truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.root import square_root
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, public_share
from conclave.mpc.whole import divide_whole

# What a double holds, and how much finer what is compared with it is.
_LARGE_BITS, _SPARE_BITS = 30, 10


def spread(
    function: SpreadFunction, count: AShare, total: AShare, squares: AShare, kind: Type, me: Party
) -> tuple[AShare, BitShare]:
    """Return the variance or deviation as doubles, and where there is one; `kind` is that of the sum.

    Shapes:  n words each: counts, sums, and sums of squares below 2**62. A variance of 2**30 and more, which no double
             holds, is there as little as one of no values (one within a thousandth of it may be, too).
    Reveals: nothing.
    """
    is_sample = function in ("var_samp", "stddev_samp")
    # Of no rows there is no variance, of one no sample variance.
    is_none = is_zero(count, me)
    if is_sample:
        is_none = or_bits(is_none, is_zero(count.add_public(-1, me), me), me)
    weight = bit_to_arithmetic(is_none, me)
    degrees = count.add_public(-1, me) if is_sample else count
    # Where there is none, 2 divides as well as any other: it is neither zero nor one less than one.
    count, degrees = (x + multiply(weight, (-x).add_public(2, me), me) for x in (count, degrees))
    if isinstance(kind, Double):
        found = _of_doubles(count, degrees, total, squares, me)
    else:
        unit = 10**kind.scale if isinstance(kind, Decimal) else 1
        found, is_large = _of_whole_numbers(count, degrees, total, squares, unit, me)
        is_none = or_bits(is_none, is_large, me)
    # What is zero may come out some units below.
    found = select(is_negative(found, me), public_share(0, found.n, me), found, me)
    if function in ("stddev_samp", "stddev_pop"):
        found = square_root(found, me)
    return found, is_none.invert(me)


def _of_whole_numbers(
    count: AShare, degrees: AShare, total: AShare, squares: AShare, unit: int, me: Party
) -> tuple[AShare, BitShare]:
    """Return the variance of numbers of so many units each, and where it is too large."""
    mean, rest = divide_whole(total, count, me)
    around = squares - multiply(mean, total + rest, me)
    above = concat_arithmetic([around, rest, rest])
    below = concat_arithmetic([degrees * unit**2, degrees * unit, count * unit])
    main, first, second = divide(above, below, me, FRACTION_BITS).split(3)
    # A truncation may be one unit less; so that a single row passes, units are small beside the bound.
    parts = truncate(around, _LARGE_BITS - _SPARE_BITS, me).add_public(1, me)
    is_small = is_negative(parts - degrees * (unit**2 << _SPARE_BITS), me)
    return main - multiply_fixed(first, second, me), is_small.invert(me)


def _of_doubles(count: AShare, degrees: AShare, total: AShare, squares: AShare, me: Party) -> AShare:
    above = concat_arithmetic([squares, total, total])
    below = concat_arithmetic([degrees, degrees, count])
    main, first, second = divide(above, below, me, 0).split(3)  # a double's own fraction bits stay
    return main - multiply_fixed(first, second, me)
