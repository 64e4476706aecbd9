"""Reading an object as a stream: taken up again after a cut, if it is still the same object, and checked at its end."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from io import FileIO
from pathlib import Path

import httpx

from worker.endpoints.body import pour
from worker.endpoints.digests import Sink
from worker.endpoints.disk import disk_problem, incoming, no_room
from worker.endpoints.patience import Pace, Passing
from worker.endpoints.store import Download
from worker.endpoints.swift_answers import place
from worker.endpoints.swift_object import Facts, facts_of, segments_of
from worker.endpoints.swift_session import SwiftSession
from worker.errors import StoreUnavailable

MAX_SPOILT = 3  # whole transfers whose bytes are not what the store says
MAX_CHANGES = 1


def download(session: SwiftSession, container: str, name: str, path: Path | None) -> Download:
    """Stream an object to `path`, or to nowhere; nothing is left at `path` if that fails.

    Raises:  StoreUnavailable, also if the directory cannot take it: another node may have more room.
    """
    with _file(path) as file:
        sink = Sink(file)
        try:
            incoming = _Incoming(session, container, name, sink, path)
            return session.until_done(incoming.attempt, container, name, lambda: incoming.furthest)
        except OSError as error:
            raise disk_problem(error, place(container, name)) from None
        finally:
            sink.close()


class _Incoming:
    """One object on its way, over as many attempts as it takes."""

    def __init__(self, session: SwiftSession, container: str, name: str, sink: Sink, path: Path | None) -> None:
        self._session, self._container, self._name, self._sink, self._path = session, container, name, sink, path
        self._facts: Facts | None = None
        self._n_changes = self._n_spoilt = 0
        self._received = 0  # of this version
        self.furthest = 0  # byte that any attempt came to: what counts as progress

    def attempt(self) -> Download:
        """Bring what is missing; raise Passing if that was cut off or was not what it should be."""
        digests = self._sink.settle()
        if self._facts is None or not self._facts.etag or digests.size_bytes != self._facts.size_bytes:
            self._transfer(digests.size_bytes)
        digests = self._sink.settle()
        assert self._facts is not None
        if self._facts.size_bytes is not None and digests.size_bytes != self._facts.size_bytes:
            raise Passing("the transfer was cut short")
        problem = self._facts.problem(digests)
        if problem is not None:
            raise self._spoilt(problem)
        return Download(digests.size_bytes, digests.sha256)

    def _transfer(self, n_there: int) -> None:
        headers: dict[str, str] = {}
        allow: tuple[int, ...] = ()
        if n_there and self._facts is not None and self._facts.etag:
            headers = {"Range": f"bytes={n_there}-", **self._facts.if_match}
            allow = (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        with self._session.send("GET", self._container, self._name, headers, allow=allow) as answer:
            if answer.status_code in allow:
                raise self._changed()
            if headers and answer.status_code == HTTPStatus.PARTIAL_CONTENT:
                self._check_goes_on(answer, n_there)
            else:
                self._start(answer)
            pace, total = Pace(self._session.trying.patience), self._facts.size_bytes if self._facts else None
            for n_bytes in pour(answer, self._sink, self._session.trying.patience.idle_s):
                pace.moved(n_bytes)
                self._received += n_bytes
                self.furthest = max(self.furthest, self._received)
                self._session.trying.watch(self._received, total)
                if self._is_too_long:
                    raise self._spoilt("more bytes came than the store had said")

    @property
    def _is_too_long(self) -> bool:
        # Whoever sends chunks beside a length is read to the last of them.
        size_bytes = self._facts.size_bytes if self._facts is not None else None
        return size_bytes is not None and self._received > size_bytes

    def _start(self, answer: httpx.Response) -> None:
        facts = facts_of(answer.headers)
        has_end = facts.size_bytes is not None or answer.headers.get("Transfer-Encoding") == "chunked"
        if answer.status_code != HTTPStatus.OK or not has_end:
            # A part, or a body of which nobody could say whether it came whole.
            raise Passing(f"the store answered {answer.status_code} without the object's length")
        if facts.is_static and facts.sha256 is None:
            segments = segments_of(self._session, self._container, self._name, facts.etag)
            facts = replace(facts, segments=segments)
        self._facts, self._received = facts, 0
        self._sink.restart(facts.new_digests())
        if self._path is not None and facts.size_bytes is not None:
            free_bytes = shutil.disk_usage(self._path.parent).free
            if facts.size_bytes > free_bytes:
                raise no_room(place(self._container, self._name), f": {facts.size_bytes} bytes, {free_bytes} are free")

    def _check_goes_on(self, answer: httpx.Response, n_there: int) -> None:
        """Make sure that a part is the rest of what we have."""
        assert self._facts is not None
        first, _, total = answer.headers.get("Content-Range", "").partition("/")
        is_rest = first.startswith(f"bytes {n_there}-") and total == str(self._facts.size_bytes)
        if not is_rest or facts_of(answer.headers).etag != self._facts.etag:
            raise self._changed()

    def _changed(self) -> Exception:
        self._facts = None
        self._n_changes += 1
        if self._n_changes <= MAX_CHANGES:
            return Passing("the object was replaced while it was read")
        fix = "let uploads end before a run, or upload under a new name"
        where = place(self._container, self._name)
        return StoreUnavailable("the object was replaced while it was read, again and again", where, fix=fix)

    def _spoilt(self, problem: str) -> Exception:
        self._facts = None
        self._n_spoilt += 1
        if self._n_spoilt < MAX_SPOILT:
            return Passing(problem)
        fix = "upload the object again; if that does not help, have the store's disks and the network checked"
        where = place(self._container, self._name)
        return StoreUnavailable(f"{problem}, {MAX_SPOILT} times", where, fix=fix)


@contextmanager
def _file(path: Path | None) -> Iterator[FileIO | None]:
    if path is None:
        yield None
        return
    with incoming(path) as file:
        yield file
