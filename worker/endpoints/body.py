"""A large body, read into the buffers that are digested and written.

What parses HTTP for httpx copies every byte four times, in Python, which costs more than to receive it. Where the head
says how long the body is there is nothing left to parse: past the first piece, which may have come with the head, the
bytes go from the socket to where they are needed. httpx hands out the connection for that (the extension
`network_stream`), and closes it afterwards instead of using it again, since for its parser the body has not ended.
"""

import socket
from collections.abc import Iterator

import httpx

from worker.endpoints.digests import Sink


def pour(answer: httpx.Response, sink: Sink, idle_s: float) -> Iterator[int]:
    """Bring the body into `sink`; tell of every piece how many bytes it had.

    Raises:  httpx.TransportError, whoever read; what `sink` raises.
    """
    left, parsed = _length(answer), answer.iter_raw()
    for chunk in parsed:  # which lives until the end: httpx hangs up when it goes
        sink.take(chunk)
        yield len(chunk)
        left -= len(chunk)
        if left > 0:
            yield from _rest(answer, sink, left, idle_s)
            return


def _rest(answer: httpx.Response, sink: Sink, left: int, idle_s: float) -> Iterator[int]:
    connection = answer.extensions["network_stream"].get_extra_info("socket")
    connection.settimeout(idle_s)
    while left:
        n_bytes = _receive(connection, sink.room()[:left])
        sink.filled(n_bytes)
        left -= n_bytes
        yield n_bytes


def _receive(connection: socket.socket, room: memoryview) -> int:
    try:
        n_bytes = connection.recv_into(room)
    except TimeoutError as error:
        raise httpx.ReadTimeout("") from error
    except OSError as error:
        raise httpx.ReadError("") from error
    if not n_bytes:
        raise httpx.RemoteProtocolError("")
    return n_bytes


def _length(answer: httpx.Response) -> int:
    """Return how many bytes the body has, if that is told and nothing is left to parse; else 0."""
    if "Transfer-Encoding" in answer.headers or answer.http_version not in ("HTTP/1.0", "HTTP/1.1"):
        return 0
    return int(answer.headers.get("Content-Length", 0))
