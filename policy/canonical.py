"""Canonical JSON (RFC 8785): one spelling per value: digests and signatures mean the same everywhere."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import rfc8785
from pydantic import BaseModel


def canonical_json(value: object) -> bytes:
    """Return the RFC 8785 bytes of `value`: JSON values, tuples as lists, pydantic models by their aliases.

    >>> canonical_json({"b": (1, 2.0), "a": None})
    b'{"a":null,"b":[1,2]}'

    Raises:  rfc8785.CanonicalizationError for what JSON cannot hold exactly: integers beyond 2**53 - 1, NaN,
             other types.
    """
    plain = _plain(value)
    return _USUAL.encode(plain).encode() if _is_usual(plain) else rfc8785.dumps(plain)


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON, in hex.

    >>> digest({})
    '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()


# What RFC 8785 is for: how fractions are written, and how keys beyond ASCII are sorted. Nearly all that we write has
# neither, and of that the standard encoder, twenty times as fast, makes the same bytes.
_USUAL = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_MAX_INTEGER = 2**53 - 1


def _is_usual(plain: object) -> bool:
    # Of these types themselves: what derives from them may have an idea of its own of how it is written.
    if type(plain) is str:
        return plain.isascii()
    if type(plain) is dict:
        return all(type(key) is str and key.isascii() and _is_usual(item) for key, item in plain.items())
    if type(plain) is list:
        return all(map(_is_usual, plain))
    return plain is None or type(plain) is bool or (type(plain) is int and -_MAX_INTEGER <= plain <= _MAX_INTEGER)


def _plain(value: object) -> Any:
    match value:
        case str() | int() | None:
            return value
        case float() if value.is_integer() and abs(value) <= _MAX_INTEGER:
            return int(value)  # as it is written, too
        case BaseModel():
            return _plain(value.model_dump(mode="json", by_alias=True))
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
