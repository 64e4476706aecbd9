"""OpenStack Swift, version 1 authentication: one account, opened from a mounted Secret.

swiftclient's exceptions carry URLs, headers and parts of answers, and its loggers print requests. None of that leaves
this file: an error names the container, the object, the Secret and the HTTP status, and the loggers are off.
"""

import contextlib
import hashlib
import io
import logging
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeVar

import requests
import swiftclient
from swiftclient.exceptions import ClientException
from urllib3.exceptions import HTTPError

from worker.endpoints.store import Download, PutResult
from worker.errors import BadDocument, StoreRefused, StoreUnavailable
from worker.mounts import read_secret

KEYS = ("ST_AUTH", "ST_USER", "ST_KEY")
CHUNK_BYTES = 1 << 20
ATTEMPTS = 6
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
REQUEST_TIMEOUT_S = 60

_ADVICE = {
    401: "check ST_USER and ST_KEY in the Secret",
    403: "give the Secret's user access to this container",
    404: "check the name in the party document, or upload the object",
}
T = TypeVar("T")

for _name in ("swiftclient", "urllib3", "requests"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class _Passing(Exception):
    """An answer that may be different next time."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class SwiftStore:
    """A `worker.endpoints.store.Store`."""

    def __init__(self, secrets: Path, secret: str, pause: Callable[[float], object] | None = None) -> None:
        values = {key: read_secret(secrets, secret, key) for key in KEYS}
        self._secret = secret
        self._pause = pause or threading.Event().wait
        # Its own retries are off: they cannot restart a download into the same file, and they sleep without jitter.
        self._connection = swiftclient.Connection(
            authurl=values["ST_AUTH"],
            user=values["ST_USER"],
            key=values["ST_KEY"],
            auth_version="1",
            retries=0,
            starting_backoff=0,
            timeout=REQUEST_TIMEOUT_S,
        )

    def download(self, container: str, name: str, path: Path) -> Download:
        """Stream an object to `path`, checked against its ETag and length."""
        return self._try(container, name, lambda: self._download(container, name, path))

    def get_small(self, container: str, name: str, limit_bytes: int) -> bytes:
        """Return an object; one larger than `limit_bytes` is refused before it is read."""

        def get() -> bytes:
            with self._open(container, name) as (headers, chunks):
                if int(headers.get("content-length", limit_bytes + 1)) > limit_bytes:
                    raise BadDocument(f"the object is larger than {limit_bytes} bytes", f"{container}/{name}")
                return b"".join(chunks)

        return self._try(container, name, get)

    def exists(self, container: str, name: str) -> bool:
        """Whether the object is there."""

        def head() -> bool:
            try:
                self._connection.head_object(container, name)
            except ClientException as error:
                if error.http_status == 404:
                    return False
                raise
            return True

        return self._try(container, name, head)

    def put_once(self, container: str, name: str, content: bytes | Path) -> PutResult:
        """Store an object with `If-None-Match: *`.

        An attempt whose answer was lost may have stored it: then the next one says `exists`, and the caller compares.
        """
        return self._try(container, name, lambda: self._put_once(container, name, content))

    def _download(self, container: str, name: str, path: Path) -> Download:
        sha256, md5, size_bytes = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with self._open(container, name) as (headers, chunks), path.open("wb") as file:
            for chunk in chunks:
                sha256.update(chunk)
                md5.update(chunk)
                size_bytes += len(chunk)
                file.write(chunk)
        if size_bytes != int(headers.get("content-length", size_bytes)):
            raise _Passing("the transfer was cut short")
        # The ETag of a large object made of segments is not the MD5 of its bytes.
        is_segmented = "x-static-large-object" in headers or "x-object-manifest" in headers
        if not is_segmented and headers.get("etag", "").strip('"') != md5.hexdigest():
            raise _Passing("the bytes do not match the store's ETag")
        return Download(size_bytes, sha256.hexdigest())

    @contextlib.contextmanager
    def _open(self, container: str, name: str) -> Iterator[tuple[dict[str, str], Iterator[bytes]]]:
        headers, body = self._connection.get_object(container, name, resp_chunk_size=CHUNK_BYTES)
        try:
            yield headers, body
        finally:
            body.close()

    def _put_once(self, container: str, name: str, content: bytes | Path) -> PutResult:
        for is_retry in (False, True):
            try:
                with _reader(content) as (body, size_bytes, md5):
                    headers = {"If-None-Match": "*"}
                    self._connection.put_object(
                        container, name, body, content_length=size_bytes, etag=md5, headers=headers
                    )
                return "created"
            except ClientException as error:
                if error.http_status == 412:
                    return "exists"
                if error.http_status != 404 or is_retry:
                    raise
                self._connection.put_container(container)
        raise AssertionError("unreachable")

    def _try(self, container: str, name: str, act: Callable[[], T]) -> T:
        why, pause_s = "", FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            try:
                if not self._connection.token:
                    # Here, not within an upload: refused there, swiftclient would only say that it cannot rewind.
                    self._connection.get_auth()
                return act()
            except ClientException as error:
                why = self._judge(error, container, name)
            except _Passing as passing:
                why = passing.why
            except (requests.RequestException, OSError, HTTPError) as error:
                why = f"no answer ({type(error).__name__})"
            self._connection.close()
        raise StoreUnavailable(
            f"the store did not serve the request in {ATTEMPTS} attempts: {why}",
            f"{container}/{name}",
            fix=f"check that ST_AUTH in the Secret {self._secret!r} is right and that the store is up",
        ) from None

    def _judge(self, error: ClientException, container: str, name: str) -> str:
        status = error.http_status
        if status in _ADVICE:
            raise StoreRefused(
                f"the store answered {status} to the Secret {self._secret!r}",
                f"{container}/{name}",
                fix=_ADVICE[status],
            ) from None
        if status is not None and 400 <= status < 500 and status not in (408, 422, 429, 498, 499):
            raise StoreRefused(f"the store answered {status}", f"{container}/{name}") from None
        return f"the store answered {status}" if status else "no usable answer"


@contextlib.contextmanager
def _reader(content: bytes | Path) -> Iterator[tuple[IO[bytes], int, str]]:
    """Give what is to be sent, with its length and MD5, which the store checks against what arrives."""
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        size_bytes = file.seek(0, io.SEEK_END)
        file.seek(0)
        yield file, size_bytes, md5
