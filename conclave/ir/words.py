"""How one value of each type is held in MPC's signed 64-bit word. `conclave.local.encode` does it for whole columns."""

import datetime
import decimal
import hashlib
from typing import assert_never

from conclave.ir.errors import TypeProblem
from conclave.ir.expressions import Literal, Value
from conclave.ir.types import Boolean, Date, Decimal, Double, Integer, Type, Varchar, is_packed

FRACTION_BITS = 32  # of a double in fixed point: 2.3e-10 apart, and below 2**30 in size
BYTES_PER_WORD = 8
_MOST_REAL = 2.0 ** (62 - FRACTION_BITS)
_EPOCH = datetime.date(1970, 1, 1)


def word_of(value: Value, kind: Type) -> int:
    """Return the word for a value of the given type; NULL is word 0 (its absence is held apart).

    >>> word_of(decimal.Decimal("1.5"), Decimal(10, 2)), word_of(True, Boolean()), word_of("UA", Varchar(2))
    (150, 1, 21825)

    Raises:  TypeProblem if the type cannot hold the value.
    """
    if value is None:
        return 0
    match kind:
        case Integer():
            return _checked(int(_number(value)), kind)
        case Boolean():
            return int(bool(value))
        case Decimal(_, scale):
            exact = decimal.Decimal(str(_number(value))).scaleb(scale)
            if exact != exact.to_integral_value():
                raise TypeProblem(f"a constant has more decimals than {kind} holds")
            return _checked(int(exact), kind)
        case Double():
            real = float(_number(value))
            if not abs(real) < _MOST_REAL:  # larger ones could become infinite below
                raise TypeProblem(f"a constant is out of range for {kind} under MPC")
            return _checked(round(real * 2**FRACTION_BITS), kind)
        case Date():
            assert isinstance(value, datetime.date)
            return (value - _EPOCH).days
        case Varchar():
            text = str(value).encode()
            if len(text) > kind.max_bytes:
                raise TypeProblem(f"a constant is longer than {kind}")
            return pack_string(text, kind.max_bytes) if is_packed(kind) else hash_string(text)
        case _ as never:
            assert_never(never)


def constant_word(constant: Literal, kind: Type) -> int:
    """Return the word of a constant of the query's text. Raises: TypeProblem, with its place, if there is none."""
    try:
        return word_of(constant.value, kind)
    except TypeProblem as problem:
        raise TypeProblem(problem.what, constant.at, "count in larger units: of `x / 1000`, say") from problem


def pack_string(text: bytes, max_bytes: int) -> int:
    """Return the string itself as a number, padded with zero bytes on the right: numbers order as strings do."""
    return int.from_bytes(text.ljust(max_bytes, b"\0"), "big")


def hash_string(text: bytes) -> int:
    """Return the 63-bit code of a string too long to pack. It is only ever held in shares, so it needs no key."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def text_words(text: bytes, max_bytes: int) -> tuple[int, ...]:
    """Return the string's bytes, padded with zeros to `max_bytes`, as words of 8 bytes (unsigned, big endian)."""
    padded = text.ljust(n_text_words(max_bytes) * BYTES_PER_WORD, b"\0")
    return tuple(
        int.from_bytes(padded[start : start + BYTES_PER_WORD], "big") for start in range(0, len(padded), BYTES_PER_WORD)
    )


def n_text_words(max_bytes: int) -> int:
    """Return how many words hold a string of at most `max_bytes` bytes."""
    return -(-max_bytes // BYTES_PER_WORD)


def text_column(name: str, index: int) -> str:
    """Return the name of the shared column that holds a long string's `index`-th word beside its code.

    No column of a query can have it: a name with a NUL is refused wherever names come in.
    """
    return f"{name}\0{index}"


def _number(value: Value) -> int | float | decimal.Decimal:
    assert isinstance(value, int | float | decimal.Decimal)
    return value


def _checked(word: int, kind: Type) -> int:
    if not -(2**62) < word < 2**62:
        raise TypeProblem(f"a constant is out of range for {kind} under MPC")
    return word
