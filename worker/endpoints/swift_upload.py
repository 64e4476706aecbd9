"""Writing an object once. A large one goes up in segments first; the object that joins them comes last, and once.

Segments are named by the content's SHA-256. So an attempt that comes after one that died takes up its segments, and a
writer that loses a race removes its own without touching the winner's, unless they are the same.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from worker.endpoints.patience import Pace
from worker.endpoints.store import PutResult
from worker.endpoints.swift_access import make_container
from worker.endpoints.swift_object import SHA256_HEADER, facts_of, segments_of
from worker.endpoints.swift_session import Content, SwiftSession

CHUNK_BYTES = 128 * 1024
ASK_FIRST_BYTES = 256 * 1024
MAX_SEGMENTS = 1000  # Swift's own limit for one manifest
ONCE = {"If-None-Match": "*"}


@dataclass(frozen=True)
class Sizes:
    """When an object is large, and what it is cut into."""

    large_bytes: int = 512 << 20
    segment_bytes: int = 256 << 20


@dataclass(frozen=True)
class _Part:
    """Bytes of a file that become one object."""

    start: int
    size_bytes: int
    md5: str


def put_once(
    session: SwiftSession, container: str, name: str, content: bytes | Path, readers: Sequence[str], sizes: Sizes
) -> PutResult:
    """Store an object unless there is one of that name; make its container, open to `readers`, if that is missing.

    An attempt whose answer was lost may have stored it: then the next one says `exists`, and the caller compares.
    """
    with _reader(content) as file:
        size_bytes = file.seek(0, io.SEEK_END)
        # Asked first: what is there already need not be sent to hear so, and a store may hang up on what it refuses.
        if size_bytes > ASK_FIRST_BYTES and session.until_done(
            partial(is_there, session, container, name), container, name
        ):
            return "exists"
        if size_bytes <= sizes.large_bytes:
            put = partial(_put_whole, session, container, name, file, _whole(file, size_bytes), readers)
            return session.until_done(put, container, name)
        return _put_segmented(session, container, name, file, size_bytes, readers, sizes)


def _put_whole(
    session: SwiftSession, container: str, name: str, file: BinaryIO, whole: tuple[_Part, str], readers: Sequence[str]
) -> PutResult:
    part, sha256 = whole
    return _put(
        session,
        container,
        name,
        {**_headers(part), **ONCE, SHA256_HEADER: sha256},
        _content(session, file, part),
        readers,
    )


def _put_segmented(
    session: SwiftSession,
    container: str,
    name: str,
    file: BinaryIO,
    size_bytes: int,
    readers: Sequence[str],
    sizes: Sizes,
) -> PutResult:
    parts, sha256 = _cut(file, size_bytes, max(sizes.segment_bytes, -(-size_bytes // MAX_SEGMENTS)))
    prefix = f"{name}.segments/{sha256}/"
    names = [f"{prefix}{number:04}" for number in range(len(parts))]
    for segment, part in zip(names, parts, strict=True):
        session.until_done(partial(_put_segment, session, container, segment, file, part, readers), container, segment)
    listed = [
        {"path": f"/{container}/{segment}", "etag": part.md5, "size_bytes": part.size_bytes}
        for segment, part in zip(names, parts, strict=True)
    ]
    text = json.dumps(listed).encode()
    headers = {**ONCE, SHA256_HEADER: sha256, "Content-Length": str(len(text))}
    put = partial(_put, session, container, name, headers, lambda: [text], readers, "multipart-manifest=put")
    done: PutResult = session.until_done(put, container, name)
    if done == "exists" and not session.until_done(
        partial(_is_ours, session, container, name, prefix), container, name
    ):
        for segment in names:
            session.until_done(partial(remove, session, container, segment), container, segment)
    return done


def is_there(session: SwiftSession, container: str, name: str) -> bool:
    """Whether an object is there."""
    return session.status("HEAD", container, name, allow=(HTTPStatus.NOT_FOUND,)) != HTTPStatus.NOT_FOUND


def remove(session: SwiftSession, container: str, name: str) -> None:
    """Delete an object if it is there."""
    session.status("DELETE", container, name, allow=(HTTPStatus.NOT_FOUND,))


def _put(
    session: SwiftSession,
    container: str,
    name: str,
    headers: dict[str, str],
    content: Content,
    readers: Sequence[str],
    query: str = "",
) -> PutResult:
    for is_retry in (False, True):
        allow = (HTTPStatus.PRECONDITION_FAILED, *(() if is_retry else (HTTPStatus.NOT_FOUND,)))
        with session.send("PUT", container, name, headers, query, content, allow) as answer:
            if answer.status_code == HTTPStatus.PRECONDITION_FAILED:
                return "exists"
            if answer.is_success:
                return "created"
        make_container(session, container, readers)
    raise AssertionError("unreachable")


def _put_segment(
    session: SwiftSession, container: str, name: str, file: BinaryIO, part: _Part, readers: Sequence[str]
) -> None:
    with session.send("HEAD", container, name, allow=(HTTPStatus.NOT_FOUND,)) as answer:
        facts = facts_of(answer.headers)
        if answer.is_success and (facts.size_bytes, facts.etag) == (part.size_bytes, part.md5):
            return
    _put(session, container, name, _headers(part), _content(session, file, part), readers)


def _is_ours(session: SwiftSession, container: str, name: str, prefix: str) -> bool:
    with session.send("HEAD", container, name, allow=(HTTPStatus.NOT_FOUND,)) as answer:
        etag = facts_of(answer.headers).etag
    segments = segments_of(session, container, name, etag)
    return any(segment.path.startswith(f"/{container}/{prefix}") for segment in segments)


def _headers(part: _Part) -> dict[str, str]:
    return {"Content-Length": str(part.size_bytes), "ETag": part.md5}


def _content(session: SwiftSession, file: BinaryIO, part: _Part) -> Content:
    """Return what sends the part's bytes, as often as it is asked to."""

    def chunks() -> Iterator[bytes]:
        pace, left = Pace(session.trying.patience), part.size_bytes
        size_bytes = file.seek(0, io.SEEK_END)
        file.seek(part.start)
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            yield chunk
            left -= len(chunk)
            pace.moved(len(chunk))
            session.trying.watch(part.start + part.size_bytes - left, size_bytes)

    return chunks


def _whole(file: BinaryIO, size_bytes: int) -> tuple[_Part, str]:
    parts, sha256 = _cut(file, size_bytes, max(size_bytes, 1))
    return (parts[0] if parts else _Part(0, 0, hashlib.md5(usedforsecurity=False).hexdigest())), sha256


def _cut(file: BinaryIO, size_bytes: int, segment_bytes: int) -> tuple[list[_Part], str]:
    """Return the file's parts and its SHA-256."""
    parts, sha256 = [], hashlib.sha256()
    file.seek(0)
    for start in range(0, size_bytes, segment_bytes):
        md5, left = hashlib.md5(usedforsecurity=False), min(segment_bytes, size_bytes - start)
        parts.append((start, left, md5))
        while left and (chunk := file.read(min(1 << 20, left))):
            md5.update(chunk)
            sha256.update(chunk)
            left -= len(chunk)
    return [_Part(start, size, md5.hexdigest()) for start, size, md5 in parts], sha256.hexdigest()


@contextmanager
def _reader(content: bytes | Path) -> Iterator[BinaryIO]:
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        yield file
