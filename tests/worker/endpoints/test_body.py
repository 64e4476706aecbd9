"""What a server sends is what the sink gets, whether httpx's parser or the socket is read; a cut and a silence are told."""

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator

import httpx
import pytest

from worker.endpoints.body import pour
from worker.endpoints.digests import BATCH_BYTES, Digests, Sink

LARGE = 3 * BATCH_BYTES + 12_345
CONTENT = bytes(range(251)) * (LARGE // 251 + 1)
PATIENT_S, HASTY_S = 300.0, 1.0


@contextlib.contextmanager
def serving(pieces: list[bytes], context: ssl.SSLContext | None, stays: bool) -> Iterator[int]:
    """Send one client these bytes, each piece at a time; then hang up, unless the server `stays`."""
    over = threading.Event()

    def serve() -> None:
        client = listener.accept()[0]
        client = context.wrap_socket(client, server_side=True) if context else client
        with client, contextlib.suppress(OSError):
            client.recv(65536)
            for piece in pieces:
                client.sendall(piece)
            if stays:
                over.wait(PATIENT_S)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join(60)


@pytest.fixture(params=["plain", "tls"])
def received(request, certificate, tmp_path):
    """Fetch what a server sends; give back the digests, the sizes of the pieces, and what was raised."""
    theirs = ours = None
    if request.param == "tls":
        theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        theirs.load_cert_chain(certificate[0])
        ours = ssl.create_default_context(cafile=certificate[0])

    def fetch(
        pieces: list[bytes], stays: bool = False, idle_s: float = PATIENT_S
    ) -> tuple[Digests, list[int], httpx.HTTPError | None]:
        with (
            serving(pieces, theirs, stays) as port,
            httpx.Client(verify=ours or True, trust_env=False, timeout=httpx.Timeout(PATIENT_S, read=idle_s)) as client,
            (tmp_path / "file").open("wb", buffering=0) as file,
            client.stream("GET", f"http{'s' if ours else ''}://127.0.0.1:{port}/") as answer,
        ):
            sink, n_bytes, problem = Sink(file), [], None
            try:
                n_bytes.extend(pour(answer, sink, idle_s))
            except httpx.HTTPError as error:
                problem = error
            digests = sink.settle()
            sink.close()
        assert hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest() == digests.sha256
        assert hashlib.md5((tmp_path / "file").read_bytes()).hexdigest() == digests.md5
        return digests, n_bytes, problem

    return fetch


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, BATCH_BYTES, LARGE])
@pytest.mark.parametrize("is_with_head", [True, False])
def test_a_body_ends_where_its_head_says_and_what_follows_is_not_taken(received, size, is_with_head):
    sent = [head(f"Content-Length: {size}"), CONTENT[:size] + b"HTTP/1.1 200 OK"]

    digests, n_bytes, problem = received([b"".join(sent)] if is_with_head else sent, stays=True)

    assert problem is None
    assert digests.sha256 == hashlib.sha256(CONTENT[:size]).hexdigest()
    assert sum(n_bytes) == digests.size_bytes == size


def test_chunks_are_taken_as_chunks_whatever_length_stands_beside_them(received):
    chunks = [b"%x\r\n%s\r\n" % (70_000, CONTENT[at : at + 70_000]) for at in range(0, 700_000, 70_000)]

    digests, _, problem = received([head("Transfer-Encoding: chunked", "Content-Length: 10"), *chunks, b"0\r\n\r\n"])

    assert problem is None
    assert digests.sha256 == hashlib.sha256(CONTENT[:700_000]).hexdigest()


@pytest.mark.parametrize("size", [0, 1, LARGE - 1])
def test_a_body_that_is_cut_short_is_an_error_and_what_came_of_it_is_there(received, size):
    digests, n_bytes, problem = received([head(f"Content-Length: {LARGE}"), CONTENT[:size]])

    assert isinstance(problem, httpx.RemoteProtocolError)
    assert digests.sha256 == hashlib.sha256(CONTENT[:size]).hexdigest()
    assert sum(n_bytes) == size


@pytest.mark.parametrize("size", [0, LARGE - 1])
def test_a_server_that_falls_silent_is_not_waited_for(received, size):
    digests, _, problem = received([head(f"Content-Length: {LARGE}"), CONTENT[:size]], stays=True, idle_s=HASTY_S)

    assert isinstance(problem, httpx.ReadTimeout)
    # A busy machine may fall silent before it has sent all.
    assert digests.sha256 == hashlib.sha256(CONTENT[: digests.size_bytes]).hexdigest()
    assert digests.size_bytes <= size
