"""What the store says of an object before its bytes come: size, ETag, and what to hold the bytes to."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.endpoints.digests import Digests
from worker.endpoints.small import read_small
from worker.endpoints.swift_session import SwiftSession
from worker.errors import StoreRefused

SHA256_HEADER = "X-Object-Meta-Sha256"  # what whoever uploads may say, and we do
MAX_MANIFEST_BYTES = 8 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Segment:
    """A part of a static large object."""

    size_bytes: int
    md5: str | None  # None: its ETag is not the MD5 of its bytes
    path: str  # "/container/name"


@dataclass(frozen=True)
class Facts:
    """One version of an object."""

    size_bytes: int | None
    etag: str | None  # without quotes
    is_static: bool = False  # a static large object,
    is_dynamic: bool = False  # or a dynamic one
    sha256: str | None = None
    segments: tuple[Segment, ...] = ()  # if we may read them

    @property
    def if_match(self) -> dict[str, str]:
        """The header that asks for this version and no other."""
        return {"If-Match": f'"{self.etag}"'} if self.etag else {}

    def problem(self, digests: Digests) -> str | None:
        """Return what is wrong with bytes that came whole, or None."""
        if self.sha256 is not None:
            is_right = self.sha256 == digests.sha256
            return None if is_right else f"the bytes do not match the object's {SHA256_HEADER}"
        # The ETag of a large object is no MD5 of its bytes, nor is another software's.
        is_large = self.is_static or self.is_dynamic
        if not is_large and self.etag and _MD5.fullmatch(self.etag) and self.etag != digests.md5:
            return "the bytes do not match the store's ETag"
        for segment, md5 in zip(self.segments, digests.segment_md5s, strict=False):
            if segment.md5 is not None and segment.md5 != md5:
                return "the bytes of a segment do not match its ETag"
        return None

    def new_digests(self) -> Digests:
        """Return what `problem` needs. MD5 takes twice the time of SHA-256: where that is told, it says more alone."""
        return Digests([segment.size_bytes for segment in self.segments], with_md5=self.sha256 is None)


def facts_of(headers: Mapping[str, str]) -> Facts:
    """Return what the headers of a whole object say."""
    length, said = headers.get("Content-Length", ""), headers.get(SHA256_HEADER, "").lower()
    return Facts(
        size_bytes=int(length) if length.isascii() and length.isdigit() else None,
        etag=headers.get("ETag", "").removeprefix("W/").strip('"') or None,
        is_static=headers.get("X-Static-Large-Object", "").lower() == "true",
        is_dynamic="X-Object-Manifest" in headers,
        sha256=said if _SHA256.fullmatch(said) else None,
    )


def segments_of(session: SwiftSession, container: str, name: str, etag: str | None) -> tuple[Segment, ...]:
    """Return the segments of the static large object that has this ETag; none if the store will not tell or they are not plain.

    The ETag is computed from the segments' own, so a list that fits it is the list of these very bytes.
    """
    try:
        with session.send("GET", container, name, query="multipart-manifest=get") as answer:
            listed = _json(read_small(answer, MAX_MANIFEST_BYTES, session.trying.patience))
    except StoreRefused:
        return ()
    try:
        segments = tuple(_segment(each) for each in listed)
        computed = hashlib.md5("".join(each["hash"] for each in listed).encode(), usedforsecurity=False)
    except (KeyError, TypeError, ValueError):
        return ()
    return segments if computed.hexdigest() == etag else ()


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _segment(said: Any) -> Segment:
    if "range" in said or "data" in said:
        raise ValueError
    is_plain = not said.get("sub_slo") and _MD5.fullmatch(said["hash"])
    return Segment(int(said["bytes"]), said["hash"] if is_plain else None, str(said["name"]))
