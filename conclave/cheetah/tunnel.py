"""SPU's own connections, carried in the one TLS channel that the two workers have: nothing of SPU listens to a network.

Theory:  SPU's process listens at one Unix socket and dials another, both in a folder that nobody else may enter. Its
         worker listens at the second, and passes on what comes there as frames of the channel; the peer's worker makes
         the same connection to its own SPU. Either side opens streams, told apart by the first byte of their names.
Frame:   what u8, stream u16; then the bytes. A side that has its result says END, and stops when it has heard it, too.
Alive:   a side with nothing to say says so every few seconds, so that silence means that the peer is gone.
Memory:  nothing is read from a socket while the last frame is still on its way, and no frame while much is unwritten.
"""

import enum
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from conclave.mpc.channel import Channel, Kind
from conclave.mpc.errors import DeadlineExceeded, FrameError, ProtocolError

HEAD = struct.Struct("<BH")
PIECE_BYTES = 1 << 18
MOST_UNWRITTEN_BYTES = 1 << 24
MOST_STREAMS = 64
ALIVE_S = 2.0


class What(enum.IntEnum):
    """What a frame says of its stream."""

    OPEN = 1
    DATA = 2
    CLOSE = 3
    ALIVE = 4
    END = 5


class SpuFailed(ProtocolError):
    """SPU's process ended without a result."""


class Tunnel:
    """One party's side: `own` is where its SPU listens, `other` where that expects the peer's."""

    def __init__(self, channel: Channel, own: Path, other: Path, is_first: bool, timeout_s: float) -> None:
        self.channel, self.own, self.timeout_s = channel, own, timeout_s
        self.bytes_sent = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(other))
        self._listener.listen(MOST_STREAMS)
        self._listener.setblocking(False)
        self._next = 0 if is_first else 1  # even names are the first party's
        self._streams: dict[int, socket.socket] = {}
        self._unwritten: dict[int, bytearray] = {}
        self._waiting: list[bytes] = []
        self._has_said_end = self._has_heard_end = False
        self._said_at = self._heard_at = time.monotonic()

    def close(self) -> None:
        """Close every socket but the channel's."""
        for sock in (self._listener, *self._streams.values()):
            sock.close()

    def run(self, result: int, has_result: Callable[[], bool]) -> None:
        """Carry bytes until both sides are done. `has_result` reads the file `result`, and says whether it is whole.

        Raises:  ProtocolError if the peer is lost or silent; SpuFailed, by `has_result`.
        """
        is_done = False
        self._expect()
        while not (self._has_heard_end and self._has_said_end and not self.channel.is_sending):
            moved = self.channel.pump() if self.channel.is_sending or self.channel.is_receiving else False
            if not self._has_heard_end and not self.channel.is_receiving and self._has_room():
                self._hear(bytes(self.channel.take_received()))
                moved = True
            self._speak(is_done)
            if not moved:
                ready = self._wait(result if not is_done else None)
                is_done = is_done or (result in ready and has_result())
                self._serve(ready)
            if time.monotonic() - self._heard_at > self.timeout_s and not self._has_heard_end:
                raise DeadlineExceeded(self.channel.peer_name, self.timeout_s)

    def _expect(self) -> None:
        self.channel.begin_receive(Kind.TUNNEL, HEAD.size + PIECE_BYTES, exact=False)

    def _has_room(self) -> bool:
        return sum(map(len, self._unwritten.values())) < MOST_UNWRITTEN_BYTES

    def _speak(self, is_done: bool) -> None:
        """Begin the next frame, if the last one is gone."""
        if self.channel.is_sending or self._has_said_end:
            return
        if self._waiting:
            frame = self._waiting.pop(0)
        elif is_done and not self._streams:  # what SPU said last is on its way; its sockets ended with it
            frame, self._has_said_end = HEAD.pack(What.END, 0), True
        elif time.monotonic() - self._said_at > ALIVE_S:
            frame = HEAD.pack(What.ALIVE, 0)
        else:
            return
        self._said_at = time.monotonic()
        self.bytes_sent += len(frame)
        self.channel.begin_send(Kind.TUNNEL, frame)

    def _wait(self, result: int | None) -> set[int]:
        """Return which local files are ready, or none after a while, or when the channel is."""
        poll = select.poll()
        if self.channel.is_sending or self.channel.is_receiving:
            self.channel.register(poll)
        poll.register(self._listener, select.POLLIN)
        if result is not None:
            poll.register(result, select.POLLIN)
        for name, sock in self._streams.items():
            events = select.POLLOUT if self._unwritten[name] else 0
            if not self._waiting:
                events |= select.POLLIN
            poll.register(sock, events)
        return {descriptor for descriptor, _ in poll.poll(ALIVE_S * 1000)}

    def _serve(self, ready: set[int]) -> None:
        if self._listener.fileno() in ready:
            sock, _ = self._listener.accept()
            self._add(self._next, sock)
            self._waiting.append(HEAD.pack(What.OPEN, self._next))
            self._next += 2
        for name, sock in list(self._streams.items()):
            if sock.fileno() in ready:
                self._write(name)
                if not self._waiting:
                    self._read(name)

    def _read(self, name: int) -> None:
        if name not in self._streams:
            return
        try:
            piece = self._streams[name].recv(PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        self._waiting.append(HEAD.pack(What.DATA if piece else What.CLOSE, name) + piece)
        if not piece:
            self._drop(name)

    def _write(self, name: int) -> None:
        unwritten = self._unwritten[name]
        try:
            while unwritten:
                del unwritten[: self._streams[name].send(unwritten)]
        except BlockingIOError:
            return
        except OSError:
            self._waiting.append(HEAD.pack(What.CLOSE, name))
            self._drop(name)

    def _hear(self, frame: bytes) -> None:
        """Do what a frame says."""
        self._heard_at = time.monotonic()
        if len(frame) < HEAD.size:
            raise FrameError(self.channel.peer_name, "length", HEAD.size, len(frame))
        what, name = HEAD.unpack_from(frame)
        match what:
            case What.OPEN:
                self._open(name)
            case What.DATA if name in self._streams:
                self._unwritten[name] += frame[HEAD.size :]
                self._write(name)
            case What.CLOSE if name in self._streams:
                self._drop(name)
            case What.END:
                self._has_heard_end = True
            case What.DATA | What.CLOSE | What.ALIVE:
                pass  # of a stream that has just been closed here
            case _:
                raise FrameError(self.channel.peer_name, "kind", int(What.END), what)
        if not self._has_heard_end:
            self._expect()

    def _open(self, name: int) -> None:
        if name % 2 == self._next % 2 or name in self._streams or len(self._streams) >= MOST_STREAMS:
            raise FrameError(self.channel.peer_name, "stream", MOST_STREAMS, name)
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self.own))
        except OSError:  # our SPU is not there yet, or no longer; theirs tries again
            sock.close()
            self._waiting.append(HEAD.pack(What.CLOSE, name))
            return
        self._add(name, sock)

    def _add(self, name: int, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._streams[name], self._unwritten[name] = sock, bytearray()

    def _drop(self, name: int) -> None:
        self._streams.pop(name).close()
        del self._unwritten[name]
