"""A dataset in Dataverse: a file of one version, with its policy and signature as files of the same version.

Addresses of metadata are pyDataverse's; the requests are our own, since its requests have no time limit, hold whole
files in memory, and carry the token along when they are redirected.
"""

import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError
from pyDataverse.api import NativeApi

from worker.endpoints.dataverse_errors import judge, transport_problem
from worker.endpoints.dataverse_metadata import FileEntry, Form, Version, VersionAnswer, expected_of
from worker.endpoints.disk import disk_problem, incoming
from worker.endpoints.origin import (
    MAX_POLICY_BYTES,
    MAX_SIGNATURE_BYTES,
    POLICY_SUFFIX,
    SIGNATURE_SUFFIX,
    Beside,
)
from worker.endpoints.patience import Pace, Passing, Trying
from worker.endpoints.receipt import Receipt
from worker.endpoints.small import read_small
from worker.endpoints.store import Download
from worker.endpoints.web import RedirectRefused, Web
from worker.errors import BadDocument, StoreRefused, StoreUnavailable

TOKEN_HEADER = "X-Dataverse-key"  # noqa: S105 - the header's name
MAX_METADATA_BYTES = 64 << 20  # tens of thousands of files
WRONG_BYTES_ATTEMPTS = 2  # the same wrong bytes come again, and the file may be large
T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """Which file, and which sites it may come from. No secret."""

    url: str  # of the installation
    persistent_id: str
    version: str  # "1.0", ":latest", ":latest-published"
    file: str | int
    form: Form = "original"
    storage: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = self.file if isinstance(self.file, str) else f"file {self.file}"
        return f"{self.persistent_id} version {self.version}, {name}"


class DataverseOrigin:
    """A `worker.endpoints.origin.Origin`. The version's metadata are asked for once, so that all is of one version."""

    def __init__(
        self,
        address: Address,
        token: str | None = None,
        trust: ssl.SSLContext | None = None,
        trying: Trying | None = None,
    ) -> None:
        self._address, self._has_token, self._trying = address, token is not None, trying or Trying()
        sent = (TOKEN_HEADER, token) if token is not None else None
        self._web = Web(address.url, address.storage, sent, trust, self._trying.patience)

    @property
    def place(self) -> str:
        """Persistent identifier, version and file."""
        return str(self._address)

    def policy(self) -> Beside:
        """Return the policy."""
        return self._beside(POLICY_SUFFIX, MAX_POLICY_BYTES)

    def signature(self) -> Beside:
        """Return the policy's signature."""
        return self._beside(SIGNATURE_SUFFIX, MAX_SIGNATURE_BYTES)

    def download(self, path: Path) -> Download:
        """Stream the file to `path`, checked against the checksum that the metadata state, if they state one of it."""
        entry, form = self._entry, self._address.form
        expected = expected_of(entry, form)
        if expected is None and not (entry.data_file.is_ingested and form == "archival"):
            raise self._refused("Dataverse states no checksum of the file that is known here", self.place)
        try:
            with incoming(path) as file:
                receipt = Receipt(file, expected)
                self._until_done(lambda: self._transfer(entry, receipt), self.place, lambda: receipt.furthest)
        except OSError as error:
            raise disk_problem(error, self.place) from None
        checksum = expected.algorithm if expected else ""
        return Download(receipt.size_bytes, receipt.sha256, self._version.number, checksum)

    @cached_property
    def _version(self) -> Version:
        address = self._address
        place = f"{address.persistent_id} version {address.version}"
        api = _Addresses(address.url, lambda url: self._read(url, MAX_METADATA_BYTES, place))
        content = api.get_dataset_version(address.persistent_id, address.version)
        try:
            version = VersionAnswer.model_validate_json(content).data
        except ValidationError:
            what = "the answer is not what Dataverse's API answers"
            raise self._refused(what, place, f"check that {address.url} is a Dataverse installation") from None
        if (version.dataset_persistent_id or address.persistent_id).lower() != address.persistent_id.lower():
            raise self._refused("Dataverse answers with another dataset", place)
        if not version.is_published:
            fix = "publish it, and name the version in the party document"
            raise self._refused("the version is not published, so it may still change", place, fix)
        if not address.version.startswith(":") and version.number != address.version:
            raise self._refused(f"Dataverse answers with version {version.number}", place)
        return version

    @cached_property
    def _entry(self) -> FileEntry:
        entry = self._version.find(self._address.file, self._address.form)
        if entry is None:
            fix = (
                "name it as the dataset's page does, with its directory; a file that was ingested is called .tab there"
            )
            raise self._refused("there is no such file in this version", self.place, fix)
        if entry.restricted and not self._has_token:
            fix = "name a Secret with an API token in the party document: credentials"
            raise self._refused("the file is restricted, and there is no token to ask for it with", self.place, fix)
        return entry

    def _beside(self, suffix: str, limit_bytes: int) -> Beside:
        address = self._address
        name = address.file if isinstance(address.file, str) else self._entry.path
        place = f"{address.persistent_id} version {address.version}, {name}{suffix}"
        entry = self._version.find(name + suffix, "original")
        if entry is None:
            fix = "upload it to the same directory of the dataset, publish, and name the new version"
            raise self._refused("there is no such file in this version", place, fix)
        content = self._read(self._link(entry, "original"), limit_bytes, place)
        expected = expected_of(entry, "original")
        if expected is None or expected.digest(content) != expected.value:
            raise StoreUnavailable("the bytes do not have the checksum that Dataverse states", place)
        return Beside(place, content)

    def _link(self, entry: FileEntry, form: Form) -> str:
        original = "?format=original" if entry.data_file.is_ingested and form == "original" else ""
        return f"{self._address.url.rstrip('/')}/api/access/datafile/{entry.data_file.id}{original}"

    def _read(self, url: str, limit_bytes: int, place: str) -> bytes:
        """Return a body that must not be larger than `limit_bytes`."""

        def read() -> bytes:
            with self._answer(url, {}, place) as response:
                content = read_small(response, limit_bytes, self._trying.patience)
            if len(content) > limit_bytes:
                raise BadDocument(f"it is larger than {limit_bytes} bytes", place)
            return content

        return self._until_done(read, place)

    def _transfer(self, entry: FileEntry, receipt: Receipt) -> None:
        """Bring the file in, from where the last attempt stopped if that is possible."""
        resume_at = receipt.size_bytes if receipt.may_resume else 0
        headers = {"Range": f"bytes={resume_at}-"} if resume_at else {}
        with self._answer(self._link(entry, self._address.form), headers, self.place) as response:
            if resume_at and not _continues(response, resume_at):
                # Dataverse answers 206 to every Range, also where it sends the whole file.
                receipt.may_resume = False
                raise Passing("the transfer was cut short, and cannot be taken up again")
            if not resume_at:
                receipt.restart()
            if receipt.may_resume is False and not _is_framed(response):
                raise Passing("the answer does not say where it ends")
            pace, size_bytes = Pace(self._trying.patience), receipt.expected_bytes
            for chunk in response.iter_raw():
                pace.moved(len(chunk))
                receipt.write(chunk)
                self._trying.watch(receipt.size_bytes, size_bytes)
                if receipt.is_too_long:
                    break
        if receipt.is_too_long or not receipt.is_right:
            what = "the bytes do not have the checksum that Dataverse states"
            if receipt.reject() == WRONG_BYTES_ATTEMPTS:
                fix = "ask the installation's administrators to verify the file's integrity"
                raise StoreUnavailable(f"{what}, {WRONG_BYTES_ATTEMPTS} times", self.place, fix=fix)
            raise Passing(what)

    @contextlib.contextmanager
    def _answer(self, url: str, headers: dict[str, str], place: str) -> Iterator[httpx.Response]:
        """Give the answer to a GET if it is one that can be used; else raise Passing or StoreRefused."""
        try:
            with self._web.get(url, headers) as answer:
                judge(answer, place, self._has_token, is_range="Range" in headers)
                yield answer.response
        except RedirectRefused as refused:
            raise self._refused(f"Dataverse's answer cannot be followed: {refused.what}", place, refused.fix) from None
        except httpx.HTTPError as error:
            raise transport_problem(error, place) from None

    def _until_done(self, act: Callable[[], T], place: str, progress: Callable[[], int] = lambda: 0) -> T:
        return self._trying.until_done(act, place, f"check that {self._address.url} is up", progress)

    def _refused(self, what: str, place: str, fix: str = "") -> StoreRefused:
        return StoreRefused(what, place, fix=fix)


class _Addresses(NativeApi):  # type: ignore[misc]
    """pyDataverse's knowledge of addresses, with our own requests."""

    def __init__(self, url: str, ask: Callable[[str], bytes]) -> None:
        super().__init__(url)
        self._ask = ask

    def get_request(self, url: str, params: object = None, auth: object = None) -> Any:
        """Ask as we ask."""
        return self._ask(url)


def _continues(response: httpx.Response, at: int) -> bool:
    return response.status_code == 206 and response.headers.get("content-range", "").startswith(f"bytes {at}-")


def _is_framed(response: httpx.Response) -> bool:
    """Whether a cut could be told from the end; httpx holds an answer to either header."""
    return "content-length" in response.headers or "chunked" in response.headers.get("transfer-encoding", "").lower()
