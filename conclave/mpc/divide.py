"""Division: normalise the divisor by its bits, iterate (Newton), scale back. After Catrina, Saxena, FC 2010."""

from dataclasses import dataclass

from conclave.mpc.adder import sklansky_levels
from conclave.mpc.bits import and_planes
from conclave.mpc.convert import arithmetic_to_planes, bit_to_arithmetic, bits_to_arithmetic
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.fixed import (
    FRACTION_BITS,
    WideShare,
    lift,
    multiply_and_truncate,
    multiply_fixed,
    multiply_wide,
    truncate,
    truncate_wide,
)
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.planes import Planes, concat_planes, planes_of_bits
from conclave.mpc.shares import AShare, public_bits

__all__ = [
    "FRACTION_BITS",
    "divide",
    "divide_by",
    "invert",
    "multiply_fixed",
    "normaliser",
    "prefix_or",
    "reciprocal",
    "truncate",
]

# Bits of a divisor's size, and of the fraction while iterating; numbers up to 2 stay below 2**62.
DIVISOR_BITS = 62
INNER_BITS = 60
# 2.9142 - 2c is within 8.6% of 1/c for c in [1/2, 1]; each step squares the error: 2**-56 after four.
START = round(2.9142 * (1 << INNER_BITS))
STEPS = 4
# The last product keeps this many bits below the result, so that what was cut before it costs half a unit.
GUARD_BITS = 63


def _prefix_or_cost(n: int, planes: int) -> Cost:
    total = Cost(0, 0)
    for upper, _ in sklansky_levels(planes):
        total += and_planes.cost(n=n, planes=len(upper))
    return total


@costs_as(_prefix_or_cost)
def prefix_or(x: Planes, me: Party) -> Planes:
    """Return, for each plane, the OR of it and all planes before it.

    Shapes:  `planes` planes of n bits.
    Reveals: nothing.
    """
    own, after = x.own.copy(), x.next.copy()
    for upper, lower in sklansky_levels(x.count):
        here, below = Planes(own[upper], after[upper], x.n), Planes(own[lower], after[lower], x.n)
        either = here ^ below ^ and_planes(here, below, me)
        own[upper], after[upper] = either.own, either.next
    return Planes(own, after, x.n)


def _normaliser_cost(n: int) -> Cost:
    parts = [
        arithmetic_to_planes.cost(n=n, bits=64),
        prefix_or.cost(n=n, planes=DIVISOR_BITS),
        bits_to_arithmetic.cost(n=n),
        bit_to_arithmetic.cost(n=n),
        multiply.cost(n=n),
    ]
    return sum(parts, Cost(0, 0))


@costs_as(_normaliser_cost)
def normaliser(b: AShare, me: Party) -> AShare:
    """Return the signed power of two that brings b into [2**61, 2**62].

    Shapes:  n signed secrets below 2**62 in size; for b == 0 the result has no meaning.
    Reveals: nothing.
    """
    planes = arithmetic_to_planes(b, me)
    sign = planes[63:]
    # b ^ sign is |b|, or |b| - 1 if negative: its highest one is at most one place too low, which [.., 2**62]
    # allows for. Setting the lowest bit makes -1, which becomes 0, behave like 1.
    size = concat_planes(
        [planes_of_bits([public_bits(1, b.n, me)])] + [planes[k : k + 1] ^ sign for k in range(1, DIVISOR_BITS)]
    )
    seen = prefix_or(size[::-1], me)
    highest = seen ^ concat_planes([seen[:1] ^ seen[:1], seen[:-1]])
    # The planes are upside down: the one at place k is now at place 61 - k, which is the power we want.
    power = bits_to_arithmetic(highest.words(), me)
    negative = bit_to_arithmetic(sign.bit(0), me)
    return power - 2 * multiply(power, negative, me)


def _reciprocal_cost(n: int) -> Cost:
    step = Cost(0, 0) + lift.cost(n=n).times(2) + multiply_and_truncate.cost(n=n).times(2)
    return truncate.cost(n=n) + lift.cost(n=n) + step.times(STEPS) + lift.cost(n=n)


@costs_as(_reciprocal_cost)
def reciprocal(c: AShare, me: Party) -> WideShare:
    """Return 2**60 / (c / 2**62), relative error below 2**-54.

    Shapes:  n secrets in [2**61, 2**62]; the result is lifted to 128 bits.
    Reveals: nothing.
    """
    # Minus one, because 2**62 itself is too large to truncate; relatively that is nothing.
    scaled = truncate(c.add_public(-1, me), DIVISOR_BITS - INNER_BITS, me)
    guess = (-2 * scaled).add_public(START, me)
    divisor = lift(scaled, me)
    for _ in range(STEPS):
        lifted = lift(guess, me)
        product = multiply_and_truncate(divisor, lifted, INNER_BITS, me)
        correction = lift((-product).add_public(2 << INNER_BITS, me), me)
        guess = multiply_and_truncate(lifted, correction, INNER_BITS, me)
    return lift(guess, me)


@dataclass(frozen=True, eq=False)
class Inverse:
    """What divisors have become, ready to divide by more than once; only `divide_by` looks inside."""

    power: WideShare
    reciprocal: WideShare

    def __getitem__(self, rows: slice) -> "Inverse":
        return Inverse(self.power[rows], self.reciprocal[rows])


def _invert_cost(n: int) -> Cost:
    parts = [normaliser.cost(n=n), multiply.cost(n=n), reciprocal.cost(n=n), lift.cost(n=n)]
    return sum(parts, Cost(0, 0))


@costs_as(_invert_cost)
def invert(b: AShare, me: Party) -> Inverse:
    """Prepare divisors: nearly all of a division's work.

    Shapes:  n signed secrets below 2**62 in size; for b == 0 the result has no meaning.
    Reveals: nothing.
    """
    power = normaliser(b, me)
    inverse = reciprocal(multiply(b, power, me), me)
    return Inverse(lift(power, me), inverse)


def _divide_by_cost(n: int) -> Cost:
    parts = [lift.cost(n=n), multiply_wide.cost(n=n), truncate_wide.cost(n=n), multiply_and_truncate.cost(n=n)]
    return sum(parts, Cost(0, 0))


@costs_as(_divide_by_cost)
def divide_by(a: AShare, b: Inverse, me: Party, places: int = FRACTION_BITS) -> AShare:
    """Return a / b * 2**places; see `divide`.

    Shapes:  n signed secrets below 2**62 in size, and n prepared divisors.
    Reveals: nothing.
    """
    quotient = multiply_wide(lift(a, me), b.reciprocal, me)
    # a / b = a * power / c. Too long for 128 bits; cut what is below half a unit even when b is 1.
    cut = INNER_BITS + DIVISOR_BITS - GUARD_BITS - places
    return multiply_and_truncate(truncate_wide(quotient, cut, me), b.power, GUARD_BITS, me)


def _divide_cost(n: int) -> Cost:
    return invert.cost(n=n) + divide_by.cost(n=n)


@costs_as(_divide_cost)
def divide(a: AShare, b: AShare, me: Party, places: int = FRACTION_BITS) -> AShare:
    """Return a / b * 2**places, with a relative error below 2**-50 and at most 2 units off on top.

    Shapes:  n signed secrets each, below 2**62 in size, and so must the result be (else it has no meaning,
             as it has none for b == 0: the caller masks those); 0 <= places <= 58.
    Reveals: nothing.
    """
    return divide_by(a, invert(b, me), me, places)
