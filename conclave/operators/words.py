"""A column of words and what is known of each: whether it is there, and whether it outgrew its word on the way."""

from dataclasses import dataclass, replace

from conclave.ir.ranges import Fit
from conclave.ir.types import Decimal, Double, Integer, Type, Varchar, is_packed
from conclave.ir.words import FRACTION_BITS, n_text_words
from conclave.mpc.bits import and_bits, or_bits
from conclave.mpc.divide import divide
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, public_share
from conclave.operators.watch import outside


@dataclass(frozen=True)
class Words:
    """A column of values; `present` is None where none is NULL. `texts` are the bytes of long strings, if at hand.

    `outgrown` says which are wrong for want of room, theirs or that of what they were computed from; None: none is.
    """

    values: AShare
    present: BitShare | None
    type: Type
    texts: tuple[AShare, ...] = ()
    outgrown: BitShare | None = None


def both(left: BitShare | None, right: BitShare | None, me: Party) -> BitShare | None:
    """Return where both bits are set; None stands for a bit that is set everywhere.

    Reveals: nothing.
    """
    if left is None or right is None:
        return right if left is None else left
    return and_bits(left, right, me)


def either(left: BitShare | None, right: BitShare | None, me: Party) -> BitShare | None:
    """Return where one of the bits is set; None stands for a bit that is set nowhere.

    Reveals: nothing.
    """
    if left is None or right is None:
        return right if left is None else left
    return or_bits(left, right, me)


def within(words: Words, most: int | None, me: Party) -> Words:
    """Return the words, marked where they are there and larger in size than `most`, which is below 2**62.

    Reveals: nothing.
    """
    if most is None:
        return words
    return marked(words, outside(words.values, most, me), me)


def marked(words: Words, outgrown: BitShare, me: Party) -> Words:
    """Return the words, also marked where they are there and the bit is set.

    Reveals: nothing.
    """
    there = both(outgrown, words.present, me)
    return replace(words, outgrown=either(words.outgrown, there, me))


def convert(words: Words, target: Type, me: Party, fit: Fit | None = None) -> Words:
    """Return the same values as words of a wider type; `fit` says whether they have to be looked at first.

    Reveals: nothing.
    """
    words = within(words, fit.left if fit else None, me)
    if words.type == target:
        return words
    match words.type, target:
        case Integer(), (Integer() | Decimal(_, 0)):
            values = words.values
        case Integer(), Decimal(_, scale):
            values = words.values * 10**scale
        case Decimal(_, before), Decimal(_, after):
            values = words.values * 10 ** (after - before)
        case Integer(), Double():
            values = words.values * 2**FRACTION_BITS
        case Decimal(_, scale), Double():
            power = public_share(10**scale, words.values.n, me)
            values = divide(words.values, power, me, FRACTION_BITS)
        case Varchar(before), Varchar(after) if is_packed(words.type) and is_packed(target):
            values = words.values * 256 ** (after - before)
        case Varchar(), Varchar():
            values = words.values
        case _:
            raise AssertionError(f"{words.type} is no part of {target}")
    texts = words.texts
    if isinstance(target, Varchar) and texts:
        zero = public_share(0, words.values.n, me)
        texts += (zero,) * (n_text_words(target.max_bytes) - len(texts))
    return replace(words, values=values, type=target, texts=texts)
