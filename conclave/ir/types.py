"""The types of the relational IR: SQL's own names, each held in one signed 64-bit word under MPC.

Integers are themselves, `decimal(p,s)` is its unscaled integer, `double` is fixed point with `FRACTION_BITS` bits after
the point, a date is its days since 1970-01-01, a boolean is 0 or 1, and a varchar is a code (see `conclave.operators.encode`).
"""

import re
from dataclasses import dataclass
from typing import assert_never

from conclave.ir.errors import Position, TypeProblem

MAX_DECIMAL_DIGITS = 18  # 10**18 < 2**63: what one signed word holds
DEFAULT_VARCHAR_BYTES = 64


@dataclass(frozen=True, slots=True)
class Integer:
    """A signed integer of 8, 16, 32 or 64 bits."""

    bits: int = 64

    def __str__(self) -> str:
        return _INTEGER_NAMES[self.bits]


@dataclass(frozen=True, slots=True)
class Decimal:
    """An exact number of at most `precision` digits, `scale` of them after the point."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class Double:
    """A real number; under MPC fixed point, so its range is bounded by 2**(62 - FRACTION_BITS)."""

    def __str__(self) -> str:
        return "double"


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""

    def __str__(self) -> str:
        return "boolean"


@dataclass(frozen=True, slots=True)
class Date:
    """A calendar day."""

    def __str__(self) -> str:
        return "date"


@dataclass(frozen=True, slots=True)
class Varchar:
    """A string of at most `max_bytes` bytes of UTF-8. The bound is public: it is the width that MPC pads to."""

    max_bytes: int = DEFAULT_VARCHAR_BYTES

    def __str__(self) -> str:
        return f"varchar({self.max_bytes})"


Type = Integer | Decimal | Double | Boolean | Date | Varchar

_INTEGER_NAMES = {8: "tinyint", 16: "smallint", 32: "integer", 64: "bigint"}
_BY_NAME: dict[str, Type] = {
    **{name: Integer(bits) for bits, name in _INTEGER_NAMES.items()},
    "int": Integer(32),
    "double": Double(),
    "boolean": Boolean(),
    "date": Date(),
    "varchar": Varchar(),
}
_WITH_ARGUMENTS = re.compile(r"(decimal|varchar)\s*\(\s*([0-9]{1,9})\s*(?:,\s*([0-9]{1,9})\s*)?\)")
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 18}


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a schema."""

    name: str
    type: Type
    nullable: bool = True

    def __str__(self) -> str:
        return f"{self.name} {self.type}{'' if self.nullable else ' not null'}"


Schema = tuple[Field, ...]


def parse_type(text: str) -> Type:
    """Return the type that `text` names; `str()` of the result is its normal spelling.

    >>> str(parse_type("DECIMAL(12, 2)")), str(parse_type("int")), str(parse_type("varchar"))
    ('decimal(12,2)', 'integer', 'varchar(64)')

    Raises:  TypeProblem for a name or size that has no meaning here.
    """
    normal = text.strip().lower()
    if normal in _BY_NAME:
        return _BY_NAME[normal]
    match = _WITH_ARGUMENTS.fullmatch(normal)
    if match is None:
        known = ", ".join([*_BY_NAME, "decimal(p,s)", "varchar(n)"])
        raise TypeProblem(f"unknown type {text!r}", fix=f"use one of {known}")
    name, first, second = match[1], int(match[2]), int(match[3] or 0)
    if name == "varchar":
        if match[3] is not None or not 1 <= first <= 4096:
            raise TypeProblem(f"{text!r}: varchar takes one size, 1 to 4096 bytes")
        return Varchar(first)
    if not (1 <= first <= MAX_DECIMAL_DIGITS and second <= first):
        raise TypeProblem(f"{text!r}: decimal holds 1 to {MAX_DECIMAL_DIGITS} digits, the scale at most as many")
    return Decimal(first, second)


def is_numeric(kind: Type) -> bool:
    """Whether arithmetic is defined on the type."""
    return isinstance(kind, Integer | Decimal | Double)


AS_CONDITION = "compare it, as in x <> 0"


def as_number(kind: Type) -> str:
    """Return what a query can write where numbers are asked for, in the place of what is none."""
    match kind:
        case Boolean():
            return "write CASE WHEN … THEN 1 ELSE 0 END"
        case Date():
            return "take the days since one: … - DATE '2000-01-31'"
    return "take a column of numbers"


def as_decimal(kind: Integer | Decimal) -> Decimal:
    """Return the decimal type that holds every value of `kind`."""
    return kind if isinstance(kind, Decimal) else Decimal(_DIGITS[kind.bits], 0)


def common_type(left: Type, right: Type) -> Type:
    """Return the type that both sides are read as when they are compared or become one column.

    >>> str(common_type(Integer(32), Decimal(4, 2))), str(common_type(Integer(8), Double()))
    ('decimal(12,2)', 'double')

    Raises:  TypeProblem if there is none.
    """
    if left == right:
        return left
    match left, right:
        case Integer(a), Integer(b):
            return Integer(max(a, b))
        case Varchar(a), Varchar(b):
            return Varchar(max(a, b))
        case ((Integer() | Decimal()), (Integer() | Decimal())):
            first, second = as_decimal(left), as_decimal(right)
            scale = max(first.scale, second.scale)
            whole = max(first.precision - first.scale, second.precision - second.scale)
            return Decimal(min(whole + scale, MAX_DECIMAL_DIGITS), scale)
    if is_numeric(left) and is_numeric(right):
        return Double()
    raise TypeProblem(f"{left} and {right} have no common type")


def sum_type(kind: Type) -> Type:
    """Return the type of a sum of values of `kind`."""
    match kind:
        case Integer():
            return Integer(64)
        case Decimal(_, scale):
            return Decimal(MAX_DECIMAL_DIGITS, scale)
    return kind


MOST_SQUARED_DECIMALS = 4  # a variance is divided by their square, and the count by that


def squares_type(kind: Type, at: Position | None) -> Type:
    """Return the type of a sum of squares of values of `kind`.

    Raises:  TypeProblem for decimals whose squares would have too many decimals.
    """
    if not isinstance(kind, Decimal):
        return sum_type(kind)
    if kind.scale > MOST_SQUARED_DECIMALS:
        what = f"a variance of decimals with more than {MOST_SQUARED_DECIMALS} decimals, got {kind}"
        raise TypeProblem(what, at, "cast them to double")
    return Decimal(MAX_DECIMAL_DIGITS, 2 * kind.scale)


def key_bits(kind: Type) -> int:
    """Return how many bits order and tell apart all values of `kind`: what a radix sort has to look at."""
    match kind:
        case Integer(bits):
            return bits
        case Boolean():
            return 1
        case Date():
            return 32
        case Varchar(max_bytes) if is_packed(kind):
            return 8 * max_bytes
        case Varchar() | Decimal() | Double():
            return 64
        case _ as never:
            assert_never(never)


def is_packed(kind: Varchar) -> bool:
    """Whether strings of the type fit a word themselves, in order; longer ones are represented by a hash."""
    return kind.max_bytes <= 7
