"""Division of whole numbers without error: a quotient that is a few units off, and comparisons that settle it.

A rest within three divisors of zero tells by how much: it is moved above zero and compared with each multiple of the
divisor, all at once.
"""

import numpy as np

from conclave.mpc.compare import is_negative
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.costs import Cost, costs_as
from conclave.mpc.divide import divide
from conclave.mpc.errors import ShapeError
from conclave.mpc.fixed import WideShare, lift, multiply_and_truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, concat_arithmetic, public_share

# Dividends are below 2**62 as for any division; six divisors must stay below 2**63.
DIVISOR_BITS = 60
_OFF, _MULTIPLES = 3, 6
_PLACES = 64


def _settle_cost(n: int) -> Cost:
    compared = n * _MULTIPLES
    return is_negative.cost(n=compared) + bit_to_arithmetic.cost(n=compared)


def _signs_cost(n: int) -> Cost:
    return is_negative.cost(n=n) + bit_to_arithmetic.cost(n=n) + multiply.cost(n=n)


def _by_secret_cost(n: int) -> Cost:
    parts = [
        _signs_cost(2 * n),
        (divide.cost(n=n) + multiply.cost(n=n)).times(2),
        _settle_cost(n),
        multiply.cost(n=n),
        multiply.cost(n=2 * n),
        multiply.cost(n=n),
    ]
    return sum(parts, Cost(0, 0))


@costs_as(_by_secret_cost)
def divide_whole(a: AShare, b: AShare, me: Party) -> tuple[AShare, AShare]:
    """Return the quotient, cut off towards zero, and the rest, which has the sign of a.

    Shapes:  n signed secrets each, a below 2**62 in size and b below 2**60; for b == 0 the results have no meaning.
    Reveals: nothing.
    Raises:  ShapeError if a and b differ in length.
    """
    if a.n != b.n:
        raise ShapeError(f"divide_whole needs equal lengths, got a: {a.n} and b: {b.n}")
    sizes, signs = _sizes_and_signs(concat_arithmetic([a, b]), me)
    (size, divisor), (sign_a, sign_b) = sizes.split(2), signs.split(2)
    quotient, rest = public_share(0, a.n, me), size
    # The first is off by 2**-50 of the quotient and two units, the second by two units.
    for _ in range(2):
        found = divide(rest, divisor, me, places=0)
        quotient, rest = quotient + found, rest - multiply(found, divisor, me)
    multiples = concat_arithmetic([k * divisor for k in range(1, _MULTIPLES + 1)])
    steps = _settle(rest + _OFF * divisor, multiples, me)
    rest = rest + _OFF * divisor - multiply(steps, divisor, me)
    quotient = (quotient + steps).add_public(-_OFF, me)
    signed = multiply(concat_arithmetic([quotient, rest]), concat_arithmetic([sign_a, sign_a]), me)
    quotient, rest = signed.split(2)
    return multiply(quotient, sign_b, me), rest


def _by_public_cost(n: int) -> Cost:
    parts = [
        _signs_cost(n),
        lift.cost(n=n),
        multiply_and_truncate.cost(n=n),
        _settle_cost(n),
        multiply.cost(n=2 * n),
    ]
    return sum(parts, Cost(0, 0))


@costs_as(_by_public_cost)
def divide_whole_by(a: AShare, b: int, me: Party) -> tuple[AShare, AShare]:
    """Return the quotient by a public number, cut off towards zero, and the rest, which has the sign of a.

    Shapes:  n signed secrets below 2**62 in size; 0 < b < 2**60 in size.
    Reveals: nothing.
    Raises:  ShapeError for another b.
    """
    divisor = abs(b)
    if not 0 < divisor < 1 << DIVISOR_BITS:
        raise ShapeError("divide_whole_by needs a divisor below 2**60 in size, other than zero")
    size, sign = _sizes_and_signs(a, me)
    inverse = (1 << _PLACES) // divisor - int(divisor == 1)  # of 1 it would not fit; one unit off is settled, too
    quotient = multiply_and_truncate(lift(size, me), _public_wide(inverse, a.n, me), _PLACES, me)
    rest = (size - divisor * quotient).add_public(_OFF * divisor, me)
    multiples = [public_share(k * divisor, a.n, me) for k in range(1, _MULTIPLES + 1)]
    steps = _settle(rest, concat_arithmetic(multiples), me)
    quotient, rest = (quotient + steps).add_public(-_OFF, me), rest - divisor * steps
    signed = multiply(concat_arithmetic([quotient, rest]), concat_arithmetic([sign, sign]), me)
    quotient, rest = signed.split(2)
    return (quotient if b > 0 else -quotient), rest


def _sizes_and_signs(x: AShare, me: Party) -> tuple[AShare, AShare]:
    """Return |x|, and 1 or -1."""
    sign = (-2 * bit_to_arithmetic(is_negative(x, me), me)).add_public(1, me)
    return multiply(x, sign, me), sign


def _settle(rest: AShare, multiples: AShare, me: Party) -> AShare:
    """Return how many of its multiples a rest reaches."""
    repeated = concat_arithmetic([rest] * _MULTIPLES)
    below = bit_to_arithmetic(is_negative(repeated - multiples, me), me)
    reached = public_share(_MULTIPLES, rest.n, me)
    for part in below.split(_MULTIPLES):
        reached = reached - part
    return reached


def _public_wide(value: int, n: int, me: Party) -> WideShare:
    low = public_share(value, n, me)
    zeros = np.zeros(n, np.uint64)
    return WideShare(np.stack([low.own, zeros]), np.stack([low.next, zeros]))
