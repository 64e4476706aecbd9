"""Slow links between the parties: each byte arrives a fixed time after it was sent, whatever else is on its way.

As `tc netem delay` on each party's interface: a round of messages takes the delay once, an answer to one twice. No byte
is lost, and nothing limits how many are on their way. Between processes and not in the kernel, for many kernels are built
without netem, and it would need root.
"""

import contextlib
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

CHUNK = 1 << 20


@dataclass
class _Way:
    """One direction of a link."""

    source: socket.socket
    target: socket.socket
    under_way: deque[tuple[float, memoryview]] = field(default_factory=deque)  # when due, what
    is_open: bool = True  # whether more may come

    def take(self, delay_s: float) -> None:
        """Take what has been sent."""
        with contextlib.suppress(BlockingIOError):
            chunk = b""
            with contextlib.suppress(ConnectionError):
                chunk = self.source.recv(CHUNK)
            self.is_open = bool(chunk)
            self.under_way.append((time.monotonic() + delay_s, memoryview(chunk)))

    def give(self) -> None:
        """Hand over what is due; what is empty is the end."""
        with contextlib.suppress(BlockingIOError):
            while self.under_way and self.under_way[0][0] <= time.monotonic():
                due, chunk = self.under_way.popleft()
                try:
                    if not chunk:
                        self.target.shutdown(socket.SHUT_WR)
                        continue
                    sent = self.target.send(chunk)
                except BlockingIOError:
                    sent = 0
                except OSError:  # nobody is there any more
                    self.under_way.clear()
                    return
                if sent < len(chunk):
                    self.under_way.appendleft((due, chunk[sent:]))
                    return


@contextlib.contextmanager
def slow_links(delay_s: float) -> Iterator["Links"]:
    """Yield what makes links; they work until the block ends."""
    links = Links(delay_s)
    thread = threading.Thread(target=links.run, daemon=True)
    thread.start()
    try:
        yield links
    finally:
        links.stop()
        thread.join()


class Links:
    """Links of one delay, all served by one thread."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self._ways: list[_Way] = []
        self._wake, self._woken = socket.socketpair()
        self._is_running = True

    def join(self, left: socket.socket, right: socket.socket) -> None:
        """Carry what comes from either socket to the other; both belong to the link from now on."""
        for sock in (left, right):
            sock.setblocking(False)
            with contextlib.suppress(OSError):  # a pair of sockets in one process has no such delay
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ways += [_Way(left, right), _Way(right, left)]
        self._wake.send(b"!")

    def stop(self) -> None:
        """End the thread that calls `run`."""
        self._is_running = False
        self._wake.send(b"!")

    def run(self) -> None:
        """Carry, until `stop`."""
        while self._is_running:
            ways = list(self._ways)
            due = [way.under_way[0][0] for way in ways if way.under_way]
            wait_s = max(0.0, min(due) - time.monotonic()) if due else None
            readable, _, _ = select.select([self._woken, *(way.source for way in ways if way.is_open)], [], [], wait_s)
            if self._woken in readable:
                self._woken.recv(CHUNK)
            for way in ways:
                if way.source in readable:
                    way.take(self.delay_s)
                way.give()
        for way in self._ways:
            way.source.close()
        self._wake.close()
        self._woken.close()
