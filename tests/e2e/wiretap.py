"""Reads along on every connection between workers, and looks for the data's values in what it has read."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from renderer.local.cluster import Hosts

PORT = 8443
CHUNK = 65536


@dataclass
class Wiretap:
    """TCP proxies between the names of workers and their addresses."""

    recorded: list[bytearray] = field(default_factory=list)  # a connection has two: one for each way
    n_connections: int = 0
    _listeners: list[socket.socket] = field(default_factory=list)
    _taps: dict[str, str] = field(default_factory=dict)

    def tap(self, hosts: Hosts) -> Hosts:
        """Put a proxy before each address."""
        return {name: self._tapped(address) for name, address in hosts.items()}

    def _tapped(self, address: str) -> str:
        if address not in self._taps:
            first, second, third, fourth = address.split(".")
            tap = f"{first}.{second}.{third}.{int(fourth) + 100}"
            listener = socket.create_server((tap, PORT))
            self._listeners.append(listener)
            self._taps[address] = tap
            threading.Thread(target=self._serve, args=(listener, address), daemon=True).start()
        return self._taps[address]

    def _serve(self, listener: socket.socket, address: str) -> None:
        while True:
            try:
                incoming, _ = listener.accept()
            except OSError:
                return
            try:
                outgoing = socket.create_connection((address, PORT))
            except OSError:
                incoming.close()  # the worker is not there yet; the peer tries again
                continue
            self.n_connections += 1
            for source, target in ((incoming, outgoing), (outgoing, incoming)):
                threading.Thread(target=self._copy, args=(source, target), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        stream = bytearray()
        self.recorded.append(stream)
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                stream += chunk
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@contextlib.contextmanager
def wiretap() -> Iterator[Wiretap]:
    tap = Wiretap()
    try:
        yield tap
    finally:
        tap.close()


def found_in(content: bytes, patterns: set[bytes]) -> set[bytes]:
    """Which of `patterns` occur in `content`."""
    # Most are of a few lengths, and there are thousands: cutting the content into all pieces of those lengths is
    # quicker than to look for each.
    found = set()
    for length in {len(pattern) for pattern in patterns}:
        pieces = {content[start : start + length] for start in range(len(content) - length + 1)}
        found |= pieces & patterns
    return found
