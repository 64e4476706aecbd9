"""OpenStack Swift: one account, opened from a mounted Secret. A `worker.endpoints.store.Store`."""

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path

from worker.endpoints import swift_upload
from worker.endpoints.patience import Passing, Patience, Pause, Trying, Watch, unwatched
from worker.endpoints.small import read_small
from worker.endpoints.store import Download, PutResult
from worker.endpoints.swift_access import is_admitted, missing_readers
from worker.endpoints.swift_answers import place
from worker.endpoints.swift_download import download
from worker.endpoints.swift_listing import names
from worker.endpoints.swift_object import facts_of
from worker.endpoints.swift_secret import read_swift_secret
from worker.endpoints.swift_session import SwiftSession
from worker.errors import BadDocument

NEVER_THERE = ".ccd-nothing-is-ever-stored-here"


class SwiftStore:
    """Streams objects both ways."""

    def __init__(
        self,
        secrets: Path,
        secret: str,
        pause: Pause | None = None,
        patience: Patience | None = None,
        sizes: swift_upload.Sizes | None = None,
        watch: Watch = unwatched,
        account: str | None = None,
    ) -> None:
        trying = Trying(patience or Patience(), pause, watch)
        opened = read_swift_secret(secrets, secret)
        self._session, self._readers = SwiftSession(opened, trying, account), opened.readers
        self._sizes = sizes or swift_upload.Sizes()

    def download(self, container: str, name: str, path: Path) -> Download:
        """Stream an object to `path`; see `worker.endpoints.swift_download`."""
        return download(self._session, container, name, path)

    def digest(self, container: str, name: str) -> Download:
        """Read an object through and keep nothing of it."""
        return download(self._session, container, name, None)

    def get_small(self, container: str, name: str, limit_bytes: int) -> bytes:
        """Return an object; one larger than `limit_bytes` is refused before it is read."""

        content = self._get(container, name, limit_bytes, {})
        assert content is not None
        return content

    def get_newest(self, container: str, name: str, limit_bytes: int) -> bytes | None:
        """Return an object as whoever wrote it last left it, or None: all that should hold a copy are asked."""
        return self._get(container, name, limit_bytes, {"X-Newest": "true"}, (HTTPStatus.NOT_FOUND,))

    def _get(
        self, container: str, name: str, limit_bytes: int, headers: dict[str, str], allow: tuple[int, ...] = ()
    ) -> bytes | None:
        def get() -> bytes | None:
            with self._session.send("GET", container, name, headers, allow=allow) as answer:
                if answer.status_code in allow:
                    return None
                facts = facts_of(answer.headers)
                if facts.size_bytes is None or facts.size_bytes > limit_bytes:
                    raise BadDocument(f"the object is larger than {limit_bytes} bytes", place(container, name))
                if answer.status_code != HTTPStatus.OK:
                    raise Passing(f"the store answered {answer.status_code} to a request for the whole")
                content = read_small(answer, limit_bytes, self._session.trying.patience)
            if len(content) > limit_bytes:
                raise BadDocument(f"the object is larger than {limit_bytes} bytes", place(container, name))
            if len(content) != facts.size_bytes:
                raise Passing("the transfer was cut short")
            digests = facts.new_digests()
            digests.update(content)
            problem = facts.problem(digests)
            if problem is not None:
                raise Passing(problem)
            return content

        return self._session.until_done(get, container, name)

    def exists(self, container: str, name: str) -> bool:
        """Whether the object is there."""
        there = partial(swift_upload.is_there, self._session, container, name)
        return self._session.until_done(there, container, name)

    def names(self, container: str, prefix: str) -> list[str]:
        """Return the names of the objects that begin with `prefix`, in order."""
        return self._session.until_done(partial(names, self._session, container, prefix), container, prefix)

    def put_once(self, container: str, name: str, content: bytes | Path, readers: Sequence[str] = ()) -> PutResult:
        """Store an object once; see `worker.endpoints.swift_upload`.

        If the container is made, it is opened to those of `readers` whom the Secret names, too: what leads here is
        written by others than the account's owner.
        """
        admitted = [reader for reader in readers if is_admitted(reader, self._readers)]
        return swift_upload.put_once(self._session, container, name, content, admitted, self._sizes)

    def check_writable(self, container: str) -> None:
        """Raise StoreRefused if the container may not be written to, or made if it is missing."""
        # To delete takes the same right as to write, and what is not there can be deleted without a trace.
        self.remove(container, NEVER_THERE)

    def remove(self, container: str, name: str) -> None:
        """Delete an object; one that is not there is fine."""
        self._session.until_done(partial(swift_upload.remove, self._session, container, name), container, name)

    def missing_readers(self, container: str, readers: Sequence[str]) -> tuple[str, ...]:
        """Return which of `readers` the container's rules, as far as we are shown them, do not let read."""
        missing = partial(missing_readers, self._session, container, readers)
        return self._session.until_done(missing, container)
