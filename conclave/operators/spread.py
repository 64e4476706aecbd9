"""Variance and standard deviation from a count, a sum and a sum of squares; nothing cancels.

With q near the mean and the rest r = S - qn, the squares' sum around q is E = Q - q(S + r), exactly, whatever q is, and
even where a product wraps on the way; the variance is E/n - (r/n)**2. Of whole numbers q is the mean cut off, and the
second part is below one; decimals are whole numbers of their smallest unit. Of doubles q is right to a few units of
2**-32, and the second part is nothing; what is left is the error that came in with the sums.

Values that do not differ have a variance of zero and not of a unit: of whole numbers E is zero then and else not; a
variance of doubles is zero where it is no larger than the error of the sums.
"""

from conclave.ir.expressions import SpreadFunction
from conclave.ir.types import Decimal, Double, Type
from conclave.mpc.bits import or_bits
from conclave.mpc.compare import is_negative, is_zero
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.divide import FRACTION_BITS, divide, divide_by, invert, multiply_fixed, truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.root import square_root
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic
from conclave.mpc.whole import divide_whole

# What a double holds, and how much finer what is compared with it is.
_LARGE_BITS, _SPARE_BITS = 30, 10
# The error of sums of doubles, in units of 2**-32 of their variance: owners round each sum, and it counts with twice the
# mean, the mean itself at most twice in a sample of two; squares lose two units each; and an owner's own sums are off by
# 2**-53 of themselves, and by as much again for each eighth of their addends.
_MEAN_CUT, _SQUARES_CUT, _UNITS = FRACTION_BITS - 2, 53, 16


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
        found, is_nothing = _of_doubles(count, degrees, total, squares, me)
    else:
        unit = 10**kind.scale if isinstance(kind, Decimal) else 1
        found, is_nothing, is_large = _of_whole_numbers(count, degrees, total, squares, unit, me)
        is_none = or_bits(is_none, is_large, me)
    differs = bit_to_arithmetic(is_nothing.invert(me), me)
    found = multiply(found, differs, me)
    if function in ("stddev_samp", "stddev_pop"):
        # The root of zero is a unit or two.
        found = multiply(square_root(found, me), differs, me)
    return found, is_none.invert(me)


def _of_whole_numbers(
    count: AShare, degrees: AShare, total: AShare, squares: AShare, unit: int, me: Party
) -> tuple[AShare, BitShare, BitShare]:
    """Return the variance of numbers of so many units each, where it is zero, and where it is too large."""
    mean, rest = divide_whole(total, count, me)
    around = squares - multiply(mean, total + rest, me)
    above = concat_arithmetic([around, rest, rest])
    below = concat_arithmetic([degrees * unit**2, degrees * unit, count * unit])
    main, first, second = divide(above, below, me, FRACTION_BITS).split(3)
    found = main - multiply_fixed(first, second, me)
    # A truncation may be one unit less; so that a single row passes, units are small beside the bound.
    parts = truncate(around, _LARGE_BITS - _SPARE_BITS, me).add_public(1, me)
    below_bound = parts - degrees * (unit**2 << _SPARE_BITS)
    is_small, is_below = is_negative(concat_arithmetic([below_bound, found]), me).split(2)
    # What is less than a unit may come out some units below zero.
    return found, or_bits(is_zero(around, me), is_below, me), is_small.invert(me)


def _of_doubles(count: AShare, degrees: AShare, total: AShare, squares: AShare, me: Party) -> tuple[AShare, BitShare]:
    """Return the variance of doubles, and where it is zero for all that is known."""
    by_count, by_degrees = invert(count, me), invert(degrees, me)
    mean = divide_by(total, by_count, me, 0)  # a double's own fraction bits stay
    rest = total - multiply(count, mean, me)
    around = squares - multiply_fixed(mean, total + rest, me)
    found = divide_by(around, by_degrees, me, 0)
    sign = (-2 * bit_to_arithmetic(is_negative(mean, me), me)).add_public(1, me)
    error = truncate(multiply(mean, sign, me), _MEAN_CUT, me) + truncate(squares, _SQUARES_CUT, me)
    return found, is_negative(found - error.add_public(_UNITS, me), me)
