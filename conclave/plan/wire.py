"""A plan as canonical JSON (RFC 8785). Two workers may run together only if their digests are equal."""

import datetime
import decimal
import hashlib
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

import rfc8785

from conclave.ir.errors import Position
from conclave.ir.types import Boolean, Date, Decimal, Double, Integer, Varchar
from conclave.plan.steps import Plan


def to_json(value: object) -> Any:
    """Return `value` (a plan, or any part of one) as JSON-ready data; positions in the query's text are left out.

    >>> to_json(Varchar(2)), to_json(decimal.Decimal("1.50"))
    ('varchar(2)', {'decimal': '1.50'})
    """
    match value:
        case None | bool() | str():
            return value
        case int():
            # Whole numbers as text: RFC 8785 numbers are doubles, exact only up to 2**53.
            return {"int": str(value)}
        case float():
            return {"double": value.hex()}
        case Fraction():
            return {"fraction": str(value)}
        case decimal.Decimal():
            return {"decimal": str(value)}
        case datetime.date():
            return {"date": value.isoformat()}
        case Integer() | Decimal() | Double() | Boolean() | Date() | Varchar():
            return str(value)
        case tuple():
            return [to_json(item) for item in value]
        case frozenset():
            return sorted(to_json(item) for item in value)
    if is_dataclass(value):
        named = {f.name: to_json(getattr(value, f.name)) for f in fields(value) if not _is_position(value, f.name)}
        return {"kind": type(value).__name__, **named}
    raise TypeError(f"a plan holds no {type(value).__name__}")


def encode(plan: Plan) -> bytes:
    """Return the plan's canonical bytes."""
    return rfc8785.dumps(to_json(plan))


def digest(plan: Plan) -> str:
    """Return the SHA-256 of the plan's canonical bytes, in hex."""
    return hashlib.sha256(encode(plan)).hexdigest()


def _is_position(value: object, name: str) -> bool:
    return name == "at" or isinstance(getattr(value, name), Position)
