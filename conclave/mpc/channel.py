"""Framed, counted, full-duplex messages between peers, with a deadline on every receive.

Theory:  all sockets are non-blocking and one loop pumps every pending send and receive, so two peers that
         send each other more than the kernel buffers hold still make progress. A frame is read only when the
         protocol expects it, header first; whatever a peer sends early stays in the kernel, so a peer cannot
         make us allocate more than a receive has stated, nor much more than it has sent.
Frame:   version u8, kind u8, step u64 (a counter per direction), length u64, all little-endian; then the
         payload.
"""

import enum
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Mapping

import numpy as np

from conclave.mpc.errors import DeadlineExceeded, FrameError, PeerAborted, PeerLost, ProtocolError

VERSION = 1
HEADER = struct.Struct("<BBQQ")
# One turn of the pump moves at most this much per channel, so that one fast peer cannot starve the others.
TURN_BYTES = 1 << 20
# Up to here room for a frame is asked for at once: memory that nobody has written to is only a number of the kernel's.
# Beyond, it grows with what has come: an owner's row count, and so a length, is only a claim.
FIRST_BYTES = 1 << 28
# Slower than this, a peer counts as gone: a deadline grows with the size of the message, but stays finite.
SLOWEST_BYTES_PER_S = 1 << 17

Buffer = bytes | bytearray | memoryview


def _room(size_bytes: int) -> memoryview:
    # A bytearray would be filled with zeros first.
    return np.empty(size_bytes, np.uint8).data


class Kind(enum.IntEnum):
    """What a frame is for; a receiver takes only the kind it expects."""

    CONTROL = 1
    MPC = 2
    ABORT = 3  # may stand in the place of any frame, and is the sender's last
    TUNNEL = 4  # bytes of another engine, see `conclave.cheetah.tunnel`


ABORT_LIMIT_BYTES = 64 << 10


class Channel:
    """One connection to one peer. Takes a connected stream socket, plain or TLS (handshake done)."""

    def __init__(self, sock: socket.socket, peer_name: str) -> None:
        sock.setblocking(False)
        self.peer_name = peer_name
        self.bytes_sent = 0
        self.bytes_received = 0
        self._sock = sock
        self._steps_sent = 0
        self._steps_received = 0
        self._outgoing: list[memoryview] = []
        self._header: memoryview | None = None
        self._payload: memoryview | None = None
        self._length = 0
        self._filled = 0
        self._expected = (Kind.CONTROL, 0, False)
        self._is_aborted = False
        # TLS may need to read in order to write, and the other way round.
        self._send_waits_for = select.POLLOUT
        self._receive_waits_for = select.POLLIN

    @property
    def is_sending(self) -> bool:
        """Whether a frame is still on its way out."""
        return bool(self._outgoing)

    @property
    def is_receiving(self) -> bool:
        """Whether an expected frame is not complete yet."""
        return self._header is not None

    def begin_send(self, kind: Kind, payload: Buffer) -> None:
        """Queue one frame; `pump` moves it."""
        body = memoryview(payload).cast("B")
        head = HEADER.pack(VERSION, kind, self._steps_sent, len(body))
        self._steps_sent += 1
        self._outgoing = [memoryview(head), body] if len(body) else [memoryview(head)]

    def begin_receive(self, kind: Kind, size_bytes: int, exact: bool) -> None:
        """Expect one frame of exactly, or at most, `size_bytes`; `pump` moves it."""
        self._expected = (kind, size_bytes, exact)
        self._header, self._payload, self._filled = memoryview(bytearray(HEADER.size)), None, 0

    def take_received(self) -> memoryview:
        """Return the payload of the frame that has just been completed; nobody else has it."""
        if self._payload is None or self.is_receiving:
            raise ProtocolError(f"no complete frame from {self.peer_name}")
        payload, self._payload = self._payload, None
        return payload

    def pump(self) -> bool:
        """Send and receive what goes without waiting; return whether anything moved.

        Raises:  PeerLost at end of stream or a broken connection; FrameError on an unexpected frame; PeerAborted.
        """
        has_moved = False
        lost: OSError | PeerLost | None = None
        for move in (self._pump_out, self._pump_in):
            try:
                has_moved |= move()
            except OSError as error:
                # Sending fails first, but what the peer said before it went may still be there to read.
                lost = error
            except PeerLost as error:
                lost = lost or error
        if self._is_aborted and not self.is_receiving:
            raise PeerAborted(self.peer_name, bytes(self.take_received()))
        if lost is not None:
            raise PeerLost(self.peer_name) from lost
        return has_moved

    def register(self, poll: select.poll) -> None:
        """Tell `poll` what this channel waits for."""
        mask = (self._send_waits_for if self.is_sending else 0) | (self._receive_waits_for if self.is_receiving else 0)
        if self._sock.fileno() < 0:
            raise PeerLost(self.peer_name)
        poll.register(self._sock.fileno(), mask)

    def close(self) -> None:
        """Close the connection; the peer sees the end of the stream."""
        self._sock.close()

    def _pump_out(self) -> bool:
        budget = TURN_BYTES
        while self._outgoing and budget > 0:
            view = self._outgoing[0]
            try:
                count = self._sock.send(view[:budget])
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._send_waits_for = select.POLLOUT
                break
            except ssl.SSLWantReadError:
                self._send_waits_for = select.POLLIN
                break
            budget -= count
            self.bytes_sent += count
            self._outgoing[:1] = [view[count:]] if count < len(view) else []
        return budget < TURN_BYTES

    def _pump_in(self) -> bool:
        budget = TURN_BYTES
        while self._header is not None and budget > 0:
            target = self._header if self._payload is None else self._payload
            try:
                count = self._sock.recv_into(target[self._filled : self._filled + budget])
            except (BlockingIOError, ssl.SSLWantReadError):
                self._receive_waits_for = select.POLLIN
                break
            except ssl.SSLWantWriteError:
                self._receive_waits_for = select.POLLOUT
                break
            if count == 0:
                raise PeerLost(self.peer_name)
            budget -= count
            self._filled += count
            self.bytes_received += count
            if self._filled < len(target):
                continue
            if self._payload is None:
                self._length, self._filled = self._check_header(target), 0
                self._payload = _room(min(self._length, FIRST_BYTES))
            elif self._filled < self._length:
                longer = _room(min(self._length, 2 * self._filled))
                longer[: self._filled] = self._payload
                self._payload = longer
            if self._filled == self._length:
                self._header = None
        return budget < TURN_BYTES

    def _check_header(self, header: memoryview) -> int:
        """Return the announced length, after the header has been found to be the expected one."""
        version, kind, step, length = HEADER.unpack(header)
        wanted_kind, size_bytes, exact = self._expected
        if kind == Kind.ABORT:
            self._is_aborted = True
            wanted_kind, size_bytes, exact = Kind.ABORT, ABORT_LIMIT_BYTES, False
        for field, expected, got in (
            ("version", VERSION, version),
            ("kind", int(wanted_kind), kind),
            ("step", self._steps_received, step),
        ):
            if expected != got:
                raise FrameError(self.peer_name, field, expected, got)
        if length > size_bytes or (exact and length != size_bytes):
            raise FrameError(self.peer_name, "length", size_bytes, length)
        self._steps_received += 1
        return int(length)


class Network:
    """All channels of one party, and the counters of its MPC traffic.

    `rounds` counts calls of `exchange`: the protocol is in lockstep, so a party that only sends in a round,
    or is idle, counts it too. `bytes_sent` counts MPC payloads; a channel counts everything, headers
    included.
    """

    def __init__(self, me: str, channels: Mapping[str, Channel], timeout_s: float) -> None:
        self.me = me
        self.channels = dict(channels)
        self.timeout_s = timeout_s
        self.rounds = 0
        self.bytes_sent = 0
        self._failed = False

    def exchange(self, outgoing: Mapping[str, Buffer], incoming: Mapping[str, int]) -> dict[str, memoryview]:
        """Send each peer its message and receive from each peer exactly the announced number of bytes.

        Raises:  PeerLost, DeadlineExceeded, FrameError; the network cannot be used after any of them.
        """
        self.rounds += 1
        self.bytes_sent += sum(memoryview(payload).nbytes for payload in outgoing.values())
        return self._run(Kind.MPC, outgoing, incoming, exact=True)

    def exchange_control(
        self, outgoing: Mapping[str, bytes], incoming: Iterable[str], limit: int, patience_s: float = 0.0
    ) -> dict[str, bytes]:
        """Send control messages and receive one of at most `limit` bytes from each peer in `incoming`.

        `patience_s` is for those who sit out what peers do among themselves: it comes on top of the usual time.
        """
        received = self._run(Kind.CONTROL, outgoing, dict.fromkeys(incoming, limit), exact=False, patience_s=patience_s)
        return {peer: bytes(payload) for peer, payload in received.items()}

    def close(self) -> None:
        """Close every channel, so that the peers fail at once and not at their deadline."""
        self._failed = True
        for channel in self.channels.values():
            channel.close()

    def _run(
        self,
        kind: Kind,
        outgoing: Mapping[str, Buffer],
        incoming: Mapping[str, int],
        exact: bool,
        patience_s: float = 0.0,
    ) -> dict[str, memoryview]:
        if self._failed:
            raise ProtocolError("this network has failed before")
        self._failed = True  # stays so unless we come out below: a frame may be cut in the middle
        for peer, payload in outgoing.items():
            self.channels[peer].begin_send(kind, payload)
        for peer, size_bytes in incoming.items():
            self.channels[peer].begin_receive(kind, size_bytes, exact)
        size_bytes = sum(memoryview(p).nbytes for p in outgoing.values()) + sum(incoming.values())
        allowed_s = self.timeout_s + size_bytes / SLOWEST_BYTES_PER_S + patience_s
        self._pump_all({**outgoing, **incoming}, allowed_s)
        self._failed = False
        return {peer: self.channels[peer].take_received() for peer in incoming}

    def _pump_all(self, peers: Iterable[str], allowed_s: float) -> None:
        busy = [self.channels[peer] for peer in peers]
        deadline = time.monotonic() + allowed_s
        while True:
            moved = [channel.pump() for channel in busy]
            busy = [channel for channel in busy if channel.is_sending or channel.is_receiving]
            if not busy:
                return
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded(busy[0].peer_name, allowed_s)
            if not any(moved):
                poll = select.poll()
                for channel in busy:
                    channel.register(poll)
                poll.poll(left_s * 1000)
