"""The API over HTTP, with faults to order, and a second site to which downloads may be redirected."""

import email.parser
import email.policy
import json
import secrets
import ssl
import threading
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.dataverse.model import Dataset, FileMetadata, Installation

TOKEN = "X-Dataverse-key"


@dataclass
class Asked:
    """A request, as a site saw it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next request for a path that holds `where`."""

    where: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None  # bytes of the body, then the connection ends
    change: Callable[[bytes], bytes] = bytes  # of the body
    drips_after: int | None = None  # bytes of the body, then the rest byte by byte, or not at all
    drips: bool = True
    hides_length: bool = False  # neither length nor chunks: the end is the end


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        return  # clients that hang up in the middle are what is tested


class Site:
    """An HTTP server on loopback that notes what it is asked for."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.faults: deque[Fault] = deque()
        site = self

        class Handler(_Handler):
            released = self.released = threading.Event()

            def answer(self) -> None:
                site.asked.append(self.asked())
                site.answer(self)

        self._server = _Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def answer(self, request: "_Handler") -> None:
        raise NotImplementedError

    def fault_for(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.where in path:
                self.faults.remove(fault)
                return fault
        return None

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Storage(Site):
    """Where an installation may keep its files: whoever has a signed address may read."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.objects: dict[str, bytes] = {}  # by signature

    def sign(self, content: bytes) -> str:
        signature = secrets.token_hex(16)
        self.objects[signature] = content
        return f"{self.url}/bucket/file?X-Amz-Signature={signature}"

    def answer(self, request: "_Handler") -> None:
        content = self.objects.get(request.asked().query.get("X-Amz-Signature", ""))
        if content is None:
            request.send(403, b"<Error><Code>AccessDenied</Code></Error>", "application/xml")
        else:
            request.send_file(content, self.fault_for(request.path), honours_range=True)


class Dataverse(Site):
    """The installation."""

    def __init__(
        self, installation: Installation, storage: Storage | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.installation = installation
        self.storage = storage  # downloads of files as uploaded are redirected there
        self.honours_range = True
        super().__init__(tls)

    def answer(self, request: "_Handler") -> None:
        asked = request.asked()
        token = asked.headers.get(TOKEN.lower())
        user = self.installation.tokens.get(token or "")
        if token is not None and user is None:
            request.error(401, "Bad API key")
            return
        parts = asked.path.removeprefix("/api/").removeprefix("v1/").strip("/").split("/")
        if asked.method == "GET" and parts[:2] == ["access", "datafile"] and parts[-1].isdigit():
            self._download(request, asked, user, int(parts[-1]))  # may take its time, and must not hold up others
            return
        with self.installation.lock:
            match asked.method, parts:
                case "GET", ["info", "version"]:
                    request.ok({"version": "6.8", "build": "stand-in"})
                case "POST", ["dataverses", _, "datasets"] if user:
                    made = self.installation.new_dataset(user)
                    request.ok({"id": 1, "persistentId": made.persistent_id}, 201)
                case _, ["datasets", ":persistentId", *rest]:
                    self._dataset(request, asked, user, rest)
                case _:
                    request.error(404, "API endpoint does not exist on this server.")

    def _dataset(self, request: "_Handler", asked: Asked, user: str | None, rest: list[str]) -> None:
        dataset = self.installation.dataset(asked.query.get("persistentId", ""))
        if dataset is None:
            request.error(404, f"Dataset with Persistent ID {asked.query.get('persistentId')} not found.")
            return
        match asked.method, rest:
            case "GET", ["versions", name]:
                self._version(request, dataset, name, user)
            case "GET", ["locks"]:
                request.ok([])
            case "POST", ["add"] if user == dataset.owner:
                name, content, kind, options = request.upload()
                added = self.installation.add_file(dataset, name, content, kind, options)
                request.ok({"files": [added.json()]})
            case "POST", ["actions", ":publish"] if user == dataset.owner:
                self.installation.publish(dataset, asked.query.get("type", "major"))
                request.ok({"persistentUrl": dataset.persistent_id})
            case "DELETE", ["destroy"]:
                request.error(403, "Destroy can only be called by superusers.")
            case _:
                request.error(401, f"User @{user or ':guest'} is not permitted to perform requested action.")

    def _version(self, request: "_Handler", dataset: Dataset, name: str, user: str | None) -> None:
        fault = self.fault_for(request.path)
        version = dataset.find(name, user)
        if version is None:
            request.error(404, f"Dataset version {name} of dataset 1 not found")
            return
        body = json.dumps({"status": "OK", "data": version.json(dataset.persistent_id)}).encode()
        request.send(200, body, "application/json", fault)

    def _download(self, request: "_Handler", asked: Asked, user: str | None, number: int) -> None:
        found = self.installation.file(number)
        if found is None or not _may_see(*found, user):
            request.error(404, f"Datafile {number} not found")
            return
        dataset, file = found
        if file.restricted and user not in {dataset.owner, *dataset.readers}:
            request.error(
                403, "'/api/v1/access/datafile/' you are not authorized to access this object via this API endpoint."
            )
            return
        if dataset.guestbook is not None and user != dataset.owner:
            what = "You may not download this file without the required Guestbook response for guestbookID"
            request.error(400, f"{what} {dataset.guestbook}.")
            return
        wants = asked.query.get("format")
        if wants not in (None, "original"):
            request.error(404, "datafile access error: requested optional service is not supported on this datafile.")
            return
        is_table = file.file.table is not None and wants != "original"
        content = file.file.header + (file.file.table or b"") if is_table else file.file.content
        fault = self.fault_for(request.path)
        if self.storage is not None and not is_table and fault is None:
            request.redirect(self.storage.sign(content))
        else:
            request.send_file(content, fault, self.honours_range)


def _may_see(dataset: Dataset, file: FileMetadata, user: str | None) -> bool:
    return user == dataset.owner or any(file.file in [f.file for f in v.files] for v in dataset.published)


class _Handler(BaseHTTPRequestHandler):
    """What answers are made of."""

    protocol_version = "HTTP/1.1"
    released: threading.Event  # when the site stops

    def answer(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        # All of it, whatever becomes of it: what is left would be taken for the next request.
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def asked(self) -> Asked:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Asked(self.command, urllib.parse.unquote(path), dict(urllib.parse.parse_qsl(query)), headers)

    def ok(self, data: Any, status: int = 200) -> None:
        self.send(status, json.dumps({"status": "OK", "data": data}).encode(), "application/json")

    def error(self, status: int, message: str) -> None:
        body = json.dumps({"status": "ERROR", "code": status, "message": message}).encode()
        self.send(status, body, "application/json")

    def redirect(self, location: str) -> None:
        self.send(303, b"", "text/plain", headers={"Location": location})

    def send_file(self, content: bytes, fault: Fault | None, honours_range: bool) -> None:
        asked = self.headers.get("Range", "")
        if asked and honours_range:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            part = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send(206, content[start:], "application/octet-stream", fault, {"Content-Range": part})
        else:
            # A Range that is not done justice is answered with 206 all the same, as Dataverse does.
            self.send(206 if asked else 200, content, "application/octet-stream", fault)

    def send(
        self, status: int, body: bytes, kind: str, fault: Fault | None = None, headers: dict[str, str] | None = None
    ) -> None:
        fault = fault or Fault("")
        body = fault.change(fault.body if fault.status is not None else body)
        self.send_response(fault.status or status)
        for name, value in {"Content-Type": kind, **(headers or {}), **fault.headers}.items():
            self.send_header(name, value)
        if fault.hides_length:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault.drips_after is not None:
            self._drip(body, fault.drips_after, fault.drips)
            return
        self.wfile.write(body if fault.cut_after is None else body[: fault.cut_after])
        if fault.cut_after is not None:
            self.close_connection = True

    def _drip(self, body: bytes, begin: int, drips: bool) -> None:
        """Send the beginning, and then next to nothing until the client has enough."""
        self.close_connection = True
        self.wfile.write(body[:begin])
        while not self.released.wait(0.02):
            self.wfile.write(body[begin : begin + drips])

    def upload(self) -> tuple[str, bytes, str, dict[str, Any]]:
        """The file of a form, with its name, its type and what is said of it."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
        options = json.loads(parts["jsonData"].get_payload(decode=True)) if "jsonData" in parts else {}
        file = parts["file"]
        return file.get_filename(), file.get_payload(decode=True), file.get_content_type(), options

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def running(*sites: Site) -> Iterator[None]:
    try:
        yield
    finally:
        for site in sites:
            site.stop()
