"""Variance and standard deviation from a count, a sum and a sum of squares; nothing cancels.

With q near the mean and the rest r = S - qn, the squares' sum around q is E = Q - q(S + r), exactly, whatever q is, and
even where a product wraps on the way; the variance is E/n - (r/n)**2. Of whole numbers q is the mean cut off, and the
second part is below one; decimals are whole numbers of their smallest unit. Of doubles q is right to a few units of
2**-32, and the second part is nothing; what is left is the error that came in with the sums.

A variance of whole numbers may be larger than a double is here. Where it is, a whole number takes its place, and the root
is taken of that: a few units off, and the second part is less than one, so by some 2**-28 of itself.

Values that do not differ have a variance of zero and not of a unit: of whole numbers E is zero then and else not; a
variance of doubles is zero where it is no larger than the error of the sums.
"""

from dataclasses import dataclass

from conclave.ir.expressions import SpreadFunction
from conclave.ir.types import Decimal, Double, Type
from conclave.mpc.bits import or_bits
from conclave.mpc.compare import is_negative, is_zero
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.divide import FRACTION_BITS, divide_by, invert, multiply_fixed, truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.root import square_root
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, concat_bits
from conclave.mpc.together import pair
from conclave.mpc.whole import divide_whole

# What a double holds, and how much finer at most what is compared with it is.
_LARGE_BITS, _SPARE_BITS = 30, 10
# No count has more bits; what is compared stays below 2**62.
_COUNT_BITS, _WORD_BITS = 31, 62
# The error of sums of doubles, in units of 2**-32 of their variance: owners round each sum, and it counts with twice the
# mean, the mean itself at most twice in a sample of two; squares lose two units each; and an owner's own sums are off by
# 2**-53 of themselves, and by as much again for each eighth of their addends.
_MEAN_CUT, _SQUARES_CUT, _UNITS = FRACTION_BITS - 2, 53, 16


@dataclass(frozen=True)
class Variances:
    """Variances or deviations: the sum of `small`, doubles, and `large`, whole numbers; one of the two is 0 in each row.

    `large` is None of what is never large. `is_large` says where it is not 0.
    """

    small: AShare
    large: AShare | None
    is_large: BitShare | None
    present: BitShare


def spread(function: SpreadFunction, count: AShare, total: AShare, squares: AShare, kind: Type, me: Party) -> Variances:
    """Return the variance or deviation, and where there is one; `kind` is that of the sum.

    Shapes:  n words each: counts, sums, and sums of squares below 2**62; for a deviation of whole numbers below 2**60.
             A variance within a 32nd of 2**30 may be large or not.
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
        made = _of_doubles(count, degrees, total, squares, me)
    else:
        unit = 10**kind.scale if isinstance(kind, Decimal) else 1
        made = _of_whole_numbers(count, degrees, total, squares, unit, me)
    if function in ("var_samp", "var_pop"):
        large = made.large
        return Variances(made.small, large, None if large is None else made.is_large, is_none.invert(me))
    return Variances(_root(made, me), None, None, is_none.invert(me))


@dataclass(frozen=True)
class _Found:
    """What is left of variances after those that are nothing, or large, were taken out; `is_small` is of the others."""

    small: AShare
    is_small: AShare
    large: AShare | None = None
    is_large: BitShare | None = None
    weight_of_large: AShare | None = None


def _root(found: _Found, me: Party) -> AShare:
    """Return roots. A whole number is taken for a double 2**32 times smaller, whose root is 2**16 times smaller."""
    of, weight = found.small, found.is_small
    if found.large is not None and found.weight_of_large is not None:
        of, weight = of + found.large, weight + found.weight_of_large * (1 << (FRACTION_BITS // 2))
    # The root of zero is a unit or two.
    return multiply(square_root(of, me), weight, me)


def _of_whole_numbers(count: AShare, degrees: AShare, total: AShare, squares: AShare, unit: int, me: Party) -> _Found:
    """Return the variance of numbers of so many units each."""
    mean, rest = divide_whole(total, count, me)
    around = squares - multiply(mean, total + rest, me)
    above = concat_arithmetic([around, rest, rest])
    by = invert(concat_arithmetic([degrees * unit**2, degrees * unit, count * unit]), me)
    quotients, whole = pair(
        lambda lane: divide_by(above, by, lane, FRACTION_BITS),
        lambda lane: divide_by(around, by[: count.n], lane, 0),
        me,
    )
    main, first, second = quotients.split(3)
    found = main - multiply_fixed(first, second, me)
    # A truncation may be one unit less; so that a single row passes, units are small beside the bound.
    spare = min(_SPARE_BITS, _WORD_BITS - _COUNT_BITS - (unit**2).bit_length())
    parts = truncate(around, _LARGE_BITS - spare, me).add_public(1, me)
    is_small, is_below = is_negative(
        concat_arithmetic([parts - degrees * (unit**2 << spare), found]), me
    ).split(2)  # fmt: skip
    is_large = is_small.invert(me)
    # What is less than a unit may come out some units below zero. Of what is large the quotient may be anything.
    is_gone = or_bits(or_bits(is_zero(around, me), is_below, me), is_large, me)
    weights = bit_to_arithmetic(concat_bits([is_gone.invert(me), is_large]), me)
    small, large = multiply(concat_arithmetic([found, whole]), weights, me).split(2)
    kept, weight = weights.split(2)
    return _Found(small, kept, large, is_large, weight)


def _of_doubles(count: AShare, degrees: AShare, total: AShare, squares: AShare, me: Party) -> _Found:
    """Return the variance of doubles, zero where it is that for all that is known."""
    by_count, by_degrees = invert(count, me), invert(degrees, me)
    mean = divide_by(total, by_count, me, 0)  # a double's own fraction bits stay
    rest = total - multiply(count, mean, me)
    around = squares - multiply_fixed(mean, total + rest, me)
    found = divide_by(around, by_degrees, me, 0)
    sign = (-2 * bit_to_arithmetic(is_negative(mean, me), me)).add_public(1, me)
    error = truncate(multiply(mean, sign, me), _MEAN_CUT, me) + truncate(squares, _SQUARES_CUT, me)
    differs = bit_to_arithmetic(is_negative(found - error.add_public(_UNITS, me), me).invert(me), me)
    return _Found(multiply(found, differs, me), differs)
