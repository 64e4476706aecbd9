"""Canonical JSON (RFC 8785): one spelling per value: digests and signatures mean the same everywhere."""

import hashlib
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
    return rfc8785.dumps(_plain(value))


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON, in hex.

    >>> digest({})
    '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _plain(value: object) -> Any:
    match value:
        case BaseModel():
            return value.model_dump(mode="json", by_alias=True)
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
