"""Arithmetic on words: what `conclave.ir.expressions.Arithmetic` means under MPC.

`fit` says what follows from the sizes of the operands' types, and what has to be looked at (`conclave.ir.ranges`); a
result that is wrong for want of room is marked, and so is all that is computed of it.
"""

from dataclasses import replace

from conclave.ir.expressions import Arithmetic, Literal
from conclave.ir.ranges import Fit
from conclave.ir.types import Date, Decimal, Double, Integer, Type, common_type
from conclave.ir.words import FRACTION_BITS, word_of
from conclave.mpc.bits import and_bits, and_words
from conclave.mpc.compare import is_negative, is_zero
from conclave.mpc.convert import arithmetic_to_bits, bit_to_arithmetic, bits_to_arithmetic
from conclave.mpc.divide import divide
from conclave.mpc.fixed import WideShare, lift, multiply_and_truncate
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, BShare, concat_arithmetic, in_ring
from conclave.mpc.together import pair
from conclave.mpc.whole import DIVISOR_BITS, divide_whole, divide_whole_by
from conclave.operators.watch import outside
from conclave.operators.words import Words, both, convert, either, within

# Of a product this many bits are left out to see its size: what is left of any product fits a word, two units off.
_SEEN_FROM = 61
# Of a whole product two such units are too much already; of doubles, nearly 2**33: their product is cut by 32 bits.
_MOST_SEEN, _MOST_SEEN_OF_DOUBLES = 1, (1 << (62 + FRACTION_BITS - _SEEN_FROM)) - 4

# Of a quotient's whole part, as of any double's.
_QUOTIENT_BITS = 62 - FRACTION_BITS


def compute(expression: Arithmetic, left: Words, right: Words, fit: Fit, me: Party) -> Words:
    """Return `left operator right`; by zero any quotient is NULL.

    Reveals: nothing.
    """
    scaled = _times_constant(expression, left, right, fit, me)
    if scaled is not None:
        return scaled
    if fit.left is not None and fit.right is not None:
        left, right = pair(lambda lane: within(left, fit.left, lane), lambda lane: within(right, fit.right, lane), me)
    else:
        left, right = within(left, fit.left, me), within(right, fit.right, me)
    outgrown = either(left.outgrown, right.outgrown, me)
    present = both(left.present, right.present, me)
    match expression.operator:
        case "+" | "-":
            words = _sum(expression, left, right, me)
        case "*":
            words = _product(expression, left, right, fit, me)
        case "/":
            return _marked_before(_quotient(left, right, present, fit, me), outgrown, present, me)
        case "//" | "%":
            return _marked_before(_whole_quotient(expression, left, right, present, me), outgrown, present, me)
        case "&":
            words = Words(_and(expression, left.values, right.values, me), None, expression.type)
    return _marked_before(replace(words, present=present), outgrown, present, me)


def _marked_before(words: Words, outgrown: BitShare | None, present: BitShare | None, me: Party) -> Words:
    """Return a result that is marked for itself where it is there, marked also where both operands are and one of them was.

    Not only where the result is there: a divisor that is wrong may have become zero, and the quotient NULL with it.
    """
    own = both(words.outgrown, words.present, me) if words.outgrown is not None else None
    before = both(outgrown, present, me) if outgrown is not None else None
    return replace(words, outgrown=either(own, before, me))


def _sum(expression: Arithmetic, left: Words, right: Words, me: Party) -> Words:
    kind = expression.type
    if not isinstance(left.type, Date):  # of two dates the difference is in days, as the words are
        left, right = _as(kind, left, right, me)
    is_sum = expression.operator == "+"
    return Words(left.values + right.values if is_sum else left.values - right.values, None, kind)


def _product(expression: Arithmetic, left: Words, right: Words, fit: Fit, me: Party) -> Words:
    kind = expression.type
    is_double = isinstance(kind, Double)
    if is_double:
        left, right = _as(kind, left, right, me)
    if not is_double and fit.look is None:
        return Words(multiply(left.values, right.values, me), None, kind)  # scales of decimals add up by themselves
    a, b = _lifted(left.values, right.values, me)
    if fit.look is None:
        return Words(multiply_and_truncate(a, b, FRACTION_BITS if is_double else 0, me), None, kind)
    most = _MOST_SEEN_OF_DOUBLES if is_double else _MOST_SEEN
    values, outgrown = pair(
        lambda lane: multiply_and_truncate(a, b, FRACTION_BITS if is_double else 0, lane),
        lambda lane: outside(multiply_and_truncate(a, b, _SEEN_FROM, lane), most, lane),
        me,
    )
    return Words(values, None, kind, outgrown=outgrown)


def _as(kind: Type, left: Words, right: Words, me: Party) -> tuple[Words, Words]:
    """Return both operands as words of one type."""
    if isinstance(kind, Double) and isinstance(left.type, Decimal) and isinstance(right.type, Decimal):
        return pair(lambda lane: convert(left, kind, lane), lambda lane: convert(right, kind, lane), me)
    return convert(left, kind, me), convert(right, kind, me)  # at most one of them takes rounds


def _lifted(x: AShare, y: AShare, me: Party) -> tuple[WideShare, WideShare]:
    wide, n = lift(concat_arithmetic([x, y]), me), x.n
    return wide[:n], wide[n:]


def _times_constant(expression: Arithmetic, left: Words, right: Words, fit: Fit, me: Party) -> Words | None:
    """Multiply by a whole constant without a round: the word is scaled where it lies."""
    if expression.operator != "*":
        return None
    sides = ((expression.left, right, fit.right), (expression.right, left, fit.left))
    for literal, words, limit in sides:
        if not isinstance(literal, Literal) or literal.value is None or isinstance(literal.type, Double):
            continue
        if isinstance(words.type, Double):
            if literal.value != int(literal.value):  # type: ignore[arg-type]
                return None
            factor = int(literal.value)  # type: ignore[arg-type]
        else:
            factor = word_of(literal.value, literal.type)
        words = within(words, limit, me)
        return replace(words, values=words.values * factor, type=expression.type)
    return None


def _quotient(left: Words, right: Words, present: BitShare | None, fit: Fit, me: Party) -> Words:
    zero = is_zero(right.values, me)
    is_left_real, is_right_real = isinstance(left.type, Double), isinstance(right.type, Double)
    fraction_bits = FRACTION_BITS
    if is_left_real and isinstance(right.type, Integer):
        fraction_bits = 0  # the dividend's own fraction bits become the quotient's
    elif is_left_real or is_right_real:
        left, right = _as(Double(), left, right, me)
    else:
        common = common_type(left.type, right.type)
        left, right = _as(common, left, right, me)
    # A divisor of 1 in place of 0 keeps the division in its range; the row is NULL anyway.
    divisor = right.values + bit_to_arithmetic(zero, me)
    values = divide(left.values, divisor, me, fraction_bits)
    outgrown = None if fit.look is None else _is_too_large(left.values, divisor, me)
    return Words(values, both(present, zero.invert(me), me), Double(), outgrown=outgrown)


def _is_too_large(x: AShare, y: AShare, me: Party) -> BitShare:
    """Return whether |x / y| is 2**30 and more; both are below 2**62 in size, and y is not zero."""
    parts = concat_arithmetic([x, y])
    sign = (-2 * bit_to_arithmetic(is_negative(parts, me), me)).add_public(1, me)
    dividend, divisor = multiply(parts, sign, me).split(2)
    # A large divisor makes any quotient small, and need not be multiplied.
    asked = concat_arithmetic(
        [divisor.add_public(-(1 << (62 - _QUOTIENT_BITS)), me), dividend - divisor * (1 << _QUOTIENT_BITS)]
    )
    is_small, is_below = is_negative(asked, me).split(2)
    return and_bits(is_small, is_below.invert(me), me)


def _and(expression: Arithmetic, x: AShare, y: AShare, me: Party) -> AShare:
    """Return the AND of bits; by a constant it needs no product."""
    for literal, other in ((expression.left, y), (expression.right, x)):
        if isinstance(literal, Literal) and isinstance(literal.value, int):
            mask, bits = in_ring(literal.value), arithmetic_to_bits(other, me)
            return bits_to_arithmetic(BShare(bits.own & mask, bits.next & mask), me)
    both_bits = arithmetic_to_bits(concat_arithmetic([x, y]), me)
    return bits_to_arithmetic(and_words(both_bits[: x.n], both_bits[x.n :], me), me)


def _whole_quotient(expression: Arithmetic, left: Words, right: Words, present: BitShare | None, me: Party) -> Words:
    divisor = expression.right.value if isinstance(expression.right, Literal) else None
    if isinstance(divisor, int) and 0 < abs(divisor) < 1 << DIVISOR_BITS:
        quotient, rest = divide_whole_by(left.values, divisor, me)
    else:
        zero = is_zero(right.values, me)
        # As for any division.
        quotient, rest = divide_whole(left.values, right.values + bit_to_arithmetic(zero, me), me)
        present = both(present, zero.invert(me), me)
    return Words(quotient if expression.operator == "//" else rest, present, Integer(64))
