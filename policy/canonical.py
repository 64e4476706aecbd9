"""Canonical JSON (RFC 8785): one spelling per value: digests and signatures mean the same everywhere."""

import hashlib
import json
from collections.abc import Iterable, Mapping
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
    text = _USUAL.encode(plain) if _is_usual(plain) else None
    return text.encode() if text is not None and text.isascii() else rfc8785.dumps(plain)


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
    """Whether all is usual but for characters beyond ASCII, which are looked for in the whole text at once."""
    # Of these types themselves: what derives from them may have an idea of its own of how it is written.
    if type(plain) is dict:
        return _are_texts(plain) and all(_is_usual(item) for item in plain.values() if type(item) is not str)
    if type(plain) is list:
        return all(_is_usual(item) for item in plain if type(item) is not str)
    if type(plain) is int:
        return -_MAX_INTEGER <= plain <= _MAX_INTEGER
    return plain is None or type(plain) is str or type(plain) is bool


def _are_texts(keys: Iterable[object]) -> bool:
    return set(map(type, keys)) <= {str}


def _plain(value: object) -> Any:
    if type(value) is dict:  # first of all, as most of what holds something is one
        return {key: item if type(item) is str else _plain(item) for key, item in value.items()}
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
