"""A TCP proxy in front of a real HTTP server, with real sockets, that does to exchanges what bad days do.

Each exchange has a connection of its own. A fault is for the requests that it matches, the first of which come first;
what matches no fault passes through.
"""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from renderer.dev.ports import free_ports

HEAD_END = b"\r\n\r\n"
RECV_BYTES = 64 * 1024
DEADLINE_S = 300.0  # what takes as long as this hangs, however busy the machine is
END_S = 30.0


@dataclass
class Fault:
    """What happens to one exchange."""

    answer: bytes | None = None  # in the place of the server's
    cut_after: int | None = None  # bytes of the answer's body, then the connection is reset
    end_after: int | None = None  # bytes, then it ends in good order, too early
    stall_after: int | None = None  # bytes, then nothing more comes
    trickle_s: float | None = None  # one byte at a time, with such pauses
    flip_at: int | None = None  # the byte of the body that is damaged
    shorten_to: int | None = None  # bytes, and the header says so too
    cut_upload_after: int | None = None  # bytes of the request's body
    lose_answer: bool = False  # the server has done it, and nobody hears
    first: Callable[[], object] = lambda: None  # before the request is passed on
    swallow: bool = False  # the request goes nowhere, until its sender has had enough
    then: Callable[[], object] = lambda: None  # when all that shall come has come, before the end


@dataclass
class Rule:
    pattern: re.Pattern[str]
    fault: Fault
    times: int
    arrived: threading.Event = field(default_factory=threading.Event)
    struck: threading.Event = field(default_factory=threading.Event)


def status(code: int, **headers: str) -> Fault:
    """An answer of the proxy's own."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    text = f"HTTP/1.1 {code} Bad Day\r\nContent-Length: 7\r\nConnection: close\r\n{lines}\r\nsecret!"
    return Fault(answer=text.encode())


class FaultProxy:
    """Listens on a free port of loopback."""

    def __init__(self, upstream: int) -> None:
        self.upstream, (self.port,) = upstream, free_ports(1)
        self.requests: list[str] = []  # "GET /v1/AUTH_alpha/c/o", in their order
        self.heads: list[bytes] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "FaultProxy":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.down()
        for thread in self._threads:
            thread.join(END_S)

    def on(self, pattern: str, fault: Fault, times: int = 1) -> Rule:
        """Do this to the next `times` requests that match."""
        rule = Rule(re.compile(pattern), fault, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def up(self) -> None:
        """Listen, at the same port as before: nobody else is lent it meanwhile."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._start(self._accept, self._listener)

    def down(self) -> None:
        """Refuse connections."""
        if self._listener is not None:
            # Wakes the thread that accepts, which closing alone does not.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def count(self, pattern: str) -> int:
        """How many requests matched so far."""
        return sum(1 for request in self.requests if re.search(pattern, request))

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.settimeout(DEADLINE_S)
            head, rest = _read_head(client)
            if not head:
                return
            request = head.split(b" HTTP/", 1)[0].decode()
            rule = self._rule_for(request, head)
            self._exchange(client, head, rest, rule.fault if rule else Fault())
            if rule is not None:
                rule.struck.set()

    def _rule_for(self, request: str, head: bytes) -> Rule | None:
        with self._lock:
            self.requests.append(request)
            self.heads.append(head)
            for rule in self._rules:
                if rule.times > 0 and rule.pattern.search(request):
                    rule.times -= 1
                    rule.arrived.set()
                    return rule
        return None

    def _exchange(self, client: socket.socket, head: bytes, rest: bytes, fault: Fault) -> None:
        if fault.answer is not None:
            _drain(client, _length(head) - len(rest))
            client.sendall(fault.answer)
            return
        fault.first()
        if fault.swallow:
            _drain(client, _length(head) - len(rest) + 1)
            return
        with socket.create_connection(("127.0.0.1", self.upstream), DEADLINE_S) as server:
            server.sendall(_closing(head))
            left = _length(head)
            if fault.cut_upload_after is not None:
                _pass(client, server, rest, fault.cut_upload_after)
                _reset(client)
                return
            _pass(client, server, rest, left)
            answer, body = _read_head(server)
            if fault.lose_answer:
                _drain(server, _length(answer) - len(body))
                _reset(client)
                return
            self._answer(client, server, _closing(answer), body, fault, is_bare=head.startswith(b"HEAD "))

    def _answer(
        self, client: socket.socket, server: socket.socket, head: bytes, body: bytes, fault: Fault, is_bare: bool
    ) -> None:
        if fault.shorten_to is not None:
            head = re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % fault.shorten_to, head)
        client.sendall(head)
        if is_bare:
            return
        ends = [
            each for each in (fault.cut_after, fault.end_after, fault.stall_after, fault.shorten_to) if each is not None
        ]
        sent, limit = 0, min(ends, default=None)
        while body or (body := server.recv(RECV_BYTES)):
            piece = bytearray(body if limit is None else body[: limit - sent])
            if fault.flip_at is not None and sent <= fault.flip_at < sent + len(piece):
                piece[fault.flip_at - sent] ^= 0xFF
            if fault.trickle_s is None:
                client.sendall(piece)
            else:
                self._trickle(client, piece, fault.trickle_s)
            sent, body = sent + len(piece), b""
            if limit is not None and sent >= limit:
                break
        fault.then()
        if fault.stall_after is not None:
            with contextlib.suppress(OSError):
                client.recv(1)  # until the other end has had enough
        if fault.cut_after is not None:
            _reset(client)

    def _trickle(self, client: socket.socket, piece: bytes, pause_s: float) -> None:
        for byte in piece:
            client.sendall(bytes([byte]))
            if self._ended.wait(pause_s):
                return


def _read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    """Return a message's head, and what came of its body; both empty if the other end hung up."""
    received = b""
    while HEAD_END not in received:
        more = sock.recv(RECV_BYTES)
        if not more:
            return b"", b""
        received += more
    head, _, rest = received.partition(HEAD_END)
    return head + HEAD_END, rest


def _closing(head: bytes) -> bytes:
    """Return the head of a message after which the connection ends."""
    head = re.sub(rb"(?im)^connection:[^\r]*\r\n", b"", head)
    return head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _pass(source: socket.socket, target: socket.socket, rest: bytes, n_bytes: int) -> None:
    while n_bytes > 0:
        piece = rest or source.recv(RECV_BYTES)
        if not piece:
            return
        target.sendall(piece[:n_bytes])
        n_bytes, rest = n_bytes - len(piece), b""


def _drain(sock: socket.socket, n_bytes: int) -> None:
    while n_bytes > 0 and (piece := sock.recv(RECV_BYTES)):
        n_bytes -= len(piece)


def _reset(sock: socket.socket) -> None:
    """Close so that the other end sees a reset, not an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
