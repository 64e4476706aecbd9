"""FLOOR, CEIL and ROUND of shared numbers: decimals exactly, doubles as far as fixed point tells them apart.

A quotient is up to two units of 2**-32 off, so that the mean of 2 and 3 may be held as a little less than 2.5, and that of
3 and 3 as a little less than 3. What is within `NEAR` of where a step is counts as being there, and takes it.
"""

from dataclasses import replace

from conclave.ir.expressions import LocalFunction
from conclave.ir.types import Decimal, Double, Type
from conclave.mpc.compare import is_negative
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.fixed import FRACTION_BITS, truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, concat_arithmetic
from conclave.mpc.whole import divide_whole_by
from conclave.operators.words import Words

NEAR = 1 << (FRACTION_BITS - 26)
MOST_DECIMALS = 9  # a double's own are no more: 2**-32 is 0.00000000023
_ONE = 1 << FRACTION_BITS


def rounded(function: LocalFunction, words: Words, decimals: int, kind: Type, me: Party) -> Words:
    """Return the next whole number below or above, or the nearest number of so many decimals, halves away from zero.

    Shapes:  words of decimals, or of doubles below `conclave.ir.ranges.ROUNDED_MOST` in size; for FLOOR and CEIL
             `decimals` is 0.
    Reveals: nothing.
    """
    match words.type, function:
        case Decimal(_, scale), _:
            values = _of_decimals(function, words.values, 10 ** (scale - decimals), me)
        case Double(), "floor":
            values = _whole_and_rest(words.values.add_public(NEAR, me), me)[0] * _ONE
        case Double(), "ceil":
            values = -(_whole_and_rest((-words.values).add_public(NEAR, me), me)[0] * _ONE)
        case Double(), "round":
            values = _nearest(words.values, decimals, me)
        case _:
            raise AssertionError(f"no {function} of {words.type}")
    return replace(words, values=values, type=kind)


def _of_decimals(function: str, x: AShare, unit: int, me: Party) -> AShare:
    """Return x in whole units, each of so many of its own."""
    quotient, rest = divide_whole_by(x, unit, me)  # cut off towards zero
    match function:
        case "floor":
            return quotient - bit_to_arithmetic(is_negative(rest, me), me)
        case "ceil":
            return quotient + bit_to_arithmetic(is_negative(-rest, me), me)
    half = unit // 2
    short = concat_arithmetic([rest.add_public(-half, me), (-rest).add_public(-half, me)])
    not_up, not_down = bit_to_arithmetic(is_negative(short, me), me).split(2)
    return quotient + not_down - not_up


def _nearest(x: AShare, decimals: int, me: Party) -> AShare:
    if decimals > MOST_DECIMALS:
        return x
    sign = (-2 * bit_to_arithmetic(is_negative(x, me), me)).add_public(1, me)
    size = multiply(x, sign, me)
    if decimals == 0:
        whole, _ = _whole_and_rest(size.add_public(_ONE // 2 + NEAR, me), me)
        return multiply(whole * _ONE, sign, me)
    power = 10**decimals
    whole, rest = _whole_and_rest(size, me)
    steps, _ = _whole_and_rest((rest * power).add_public(_ONE // 2 + NEAR * power, me), me)
    # The double that is nearest to so many tenths, hundredths...
    fraction, _ = divide_whole_by((steps * _ONE).add_public(power // 2, me), power, me)
    return multiply(whole * _ONE + fraction, sign, me)


def _whole_and_rest(x: AShare, me: Party) -> tuple[AShare, AShare]:
    """Return the next whole number at or below x, and what is left of it: 0 <= rest < 1, in units."""
    whole = truncate(x, FRACTION_BITS, me)  # or one less
    rest = x - whole * _ONE
    is_within = bit_to_arithmetic(is_negative(rest.add_public(-_ONE, me), me), me)
    missing = (-is_within).add_public(1, me)
    return whole + missing, rest - missing * _ONE
