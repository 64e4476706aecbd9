"""LIKE for a whole text or how it begins: a text of up to 7 bytes is a number, and those that begin alike a range of them.

Of a longer one the code says whether it is another; how it begins, its bytes say, eight to a word.
"""

from collections.abc import Callable

from conclave.ir.patterns import Pattern
from conclave.ir.types import Varchar, is_packed, key_bits
from conclave.ir.words import BYTES_PER_WORD, hash_string, pack_string, text_words
from conclave.mpc.bits import and_bits
from conclave.mpc.compare import all_equal, is_negative, is_zero
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, public_bits, public_share
from conclave.mpc.together import together
from conclave.operators.words import Words


def fits(words: Words, pattern: Pattern, me: Party) -> BitShare:
    """Return which texts fit the pattern; of NULL it may be anything.

    Shapes:  n texts; n bits. An equality, or two signs; of a long string's beginning, those and two rounds more.
    Reveals: nothing.
    """
    kind, n = words.type, words.values.n
    assert isinstance(kind, Varchar)
    if not pattern.may_fit(kind):
        return public_bits(0, n, me)
    if not pattern.text and pattern.is_prefix:
        return public_bits(1, n, me)
    if pattern.is_whole(kind):
        code = pack_string(pattern.text, kind.max_bytes) if is_packed(kind) else hash_string(pattern.text)
        return is_zero(words.values.add_public(-code, me), me, key_bits(kind))
    if is_packed(kind):
        return _is_within(words.values, pattern.text, kind.max_bytes, me)
    return _begins(words.texts, pattern.text, me)


def _is_within(values: AShare, text: bytes, max_bytes: int, me: Party) -> BitShare:
    """Return which numbers are those of texts that begin so: none is near the ends of its word, so that signs tell."""
    low, count = pack_string(text, max_bytes), 256 ** (max_bytes - len(text))
    ends = [values.add_public(-low, me), values.add_public(-low - count, me)]
    is_below, is_below_end = is_negative(concat_arithmetic(ends), me).split(2)
    return is_below ^ is_below_end


def _begins(texts: tuple[AShare, ...], text: bytes, me: Party) -> BitShare:
    """Return which texts of whole words begin so: all words but the last are equal, and of that the first bytes."""
    assert texts, "the plan has the bytes shared of strings whose beginning it asks for"
    n_whole, rest = divmod(len(text), BYTES_PER_WORD)
    wanted = text_words(text, len(text))
    bits: list[BitShare] = []

    def are_equal(lane: Party) -> None:
        pairs = [(texts[k], public_share(wanted[k], texts[k].n, lane), 64) for k in range(n_whole)]
        bits.append(all_equal(pairs, lane))

    def is_in_range(lane: Party) -> None:
        # Words have no sign: what is not negative after the first is taken away is below 2**63, and then the second
        # difference has one only if it is less than as many as begin so.
        above = texts[n_whole].add_public(-wanted[n_whole], lane)
        count = 256 ** (BYTES_PER_WORD - rest)
        is_far, is_near = is_negative(concat_arithmetic([above, above.add_public(-count, lane)]), lane).split(2)
        bits.append(and_bits(is_far.invert(lane), is_near, lane))

    asked: list[tuple[int, Callable[[Party], None]]] = [(n_whole, are_equal), (rest, is_in_range)]
    together([protocol for needed, protocol in asked if needed], me)
    return bits[0] if len(bits) == 1 else and_bits(bits[0], bits[1], me)
