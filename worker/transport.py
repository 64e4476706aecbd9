"""The barrier: connect to every member of the run, or end with the names of those who did not come.

Theory:  every pair of members shares one TLS connection. The one whose name sorts lower dials, the other listens, so
         nobody has to settle which of two connections counts. Pods start in any order: a dialer tries again until the
         barrier's deadline, because "no such name", "connection refused" and "somebody else answered" all pass while
         a peer's pod is being scheduled.
Accept:  anyone who can reach the port can connect. Each connection is shaken hands with in a thread of its own and has
         `HANDSHAKE_S` for it, so a silent stranger holds up nobody; at most `MAX_HANDSHAKES` run at once.
Who:     TLS proves that the peer holds the key of one of the run's certificates (nothing else is in the trust store).
         Then its certificate is compared bit for bit: a dialer expects one certain member, a listener a member that
         dials it and is not connected yet. Anyone else is logged as refused and dropped; a peer in whose place a
         stranger answered stays missing.
Welcome: in TLS 1.3 the dialer is done before the listener has judged it. So the listener says `WELCOME` when it has
         taken the connection, and the dialer counts it as connected only then.
State:   `_Barrier` holds what the threads share, under one condition; the main thread alone reads the result. After the
         deadline the listener closes, late connections are dropped, and no thread outlives its socket's timeout.
"""

import errno
import os
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from conclave.mpc.channel import Channel, Network
from worker.errors import PeerMissing
from worker.log import Log
from worker.runspec import Deadlines, MemberSpec
from worker.tls import contexts, der_of

HANDSHAKE_S = 5.0
MAX_HANDSHAKES = 32
RETRY_FIRST_S = 0.05
RETRY_LONGEST_S = 1.0
WELCOME = b"ccd1"
HOSTS_VARIABLE = "CCD_HOSTS"
ADDRESS_VARIABLE = "POD_IP"


class Meeting(Protocol):
    """Who is to meet, and how long they wait for each other: of a run, all that is needed here."""

    @property
    def members(self) -> tuple[MemberSpec, ...]:
        """Everybody, this party included."""

    @property
    def deadlines(self) -> Deadlines:
        """How long."""


def wait_for_peers(run: Meeting, me: str, key: Path, scratch: Path, log: Log) -> Network:
    """Return a network with a connection to every other member.

    Raises:  PeerMissing at the barrier's deadline, with the missing peers' names, or because our port was taken all along.
    """
    own = next(member for member in run.members if member.name == me)
    accept_context, dial_context = contexts(run.members, own.certificate, key, scratch)
    barrier = _Barrier(me, {m.name: m for m in run.members if m.name != me}, run.deadlines.barrier_s, log)
    address = os.environ.get(ADDRESS_VARIABLE, "0.0.0.0")  # noqa: S104 - the NetworkPolicy says who may come
    with _listen(barrier, address, own.port) as listener:
        threads = [threading.Thread(target=_accept, args=(barrier, listener, accept_context), daemon=True)]
        threads += [
            threading.Thread(target=_dial, args=(barrier, member, dial_context), daemon=True)
            for member in barrier.peers.values()
            if me < member.name
        ]
        log.event("waiting for peers", peers=len(barrier.peers))
        for thread in threads:
            thread.start()
        try:
            sockets = barrier.wait()
        finally:
            barrier.close()
            _wake(listener)
    threads[0].join(HANDSHAKE_S)
    channels = {name: Channel(sock, name) for name, sock in sorted(sockets.items())}
    return Network(me, channels, run.deadlines.receive_s)


def resolve(host: str, port: int) -> tuple[str, int]:
    """Return where `host` is, from the file named by CCD_HOSTS if that is set (local development), else as given."""
    path = os.environ.get(HOSTS_VARIABLE)
    if path is None:
        return host, port
    for line in Path(path).read_text().splitlines():
        address, *names = line.split("#")[0].split() or [""]
        if host in names:
            return address, port
    raise OSError(errno.EHOSTUNREACH, "not in the hosts file")


@dataclass
class _Barrier:
    me: str
    peers: dict[str, MemberSpec]
    timeout_s: float
    log: Log
    connected: dict[str, ssl.SSLSocket] = field(default_factory=dict)
    is_open: bool = True
    handshakes: int = 0

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.deadline = time.monotonic() + self.timeout_s

    def left_s(self) -> float:
        """How long the barrier stays open."""
        return max(0.0, self.deadline - time.monotonic())

    def take(self, name: str, sock: ssl.SSLSocket, greeting: bytes = b"") -> bool:
        """Keep a proven connection, unless the peer has one already or it is too late; greet the peer first.

        Raises:  OSError if the greeting cannot be sent.
        """
        with self.changed:
            if not self.is_open or name in self.connected:
                return False
            # Here, not after: once the connection is kept, the main thread may already speak on it.
            sock.sendall(greeting)
            self.connected[name] = sock
            self.log.event("peer connected", peer=name, left=len(self.peers) - len(self.connected))
            self.changed.notify_all()
            return True

    def is_waiting_for(self, name: str) -> bool:
        """Whether a dialer should go on."""
        with self.changed:
            return self.is_open and name not in self.connected

    def wait(self) -> dict[str, ssl.SSLSocket]:
        """Return all connections when the last one is there."""
        with self.changed:
            while len(self.connected) < len(self.peers):
                # Short waits, so that a signal's exception is raised soon.
                if not self.changed.wait(min(self.left_s(), 0.5)) and self.left_s() == 0:
                    raise _missing(sorted(set(self.peers) - set(self.connected)), self.timeout_s)
            self.is_open = False
            taken, self.connected = self.connected, {}
            return taken

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the barrier."""
        with self.changed:
            self.changed.wait_for(lambda: not self.is_open, min(seconds, self.left_s()))

    def close(self) -> None:
        """End all threads, and all connections that `wait` did not hand out."""
        with self.changed:
            self.is_open = False
            for sock in self.connected.values():
                sock.close()
            self.changed.notify_all()


def _missing(names: list[str], waited_s: float) -> PeerMissing:
    return PeerMissing(
        f"{', '.join(names)} did not come within {waited_s:g} s",
        rule="every member of a run takes part",
        fix="look at the missing party's Job (ccd status RUN, ccd logs RUN): a run spec that cannot be read, an image, a"
        " Secret, or room on its nodes; if it runs and was refused, compare the certificates; if it is only slow, raise"
        " spec.deadlines.barrierSeconds",
    )


def _listen(barrier: _Barrier, address: str, port: int) -> socket.socket:
    """Return a listener; a port that is taken is waited for: of an attempt that just ends, or of a passing connection."""
    said = False
    while True:
        try:
            return _listener(address, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if barrier.left_s() == 0:
                fix = "end what listens there, or give the party another port"
                raise PeerMissing(f"port {port} is taken by another process of this machine", fix=fix) from None
            if not said:
                barrier.log.event("own port is taken", port=port)
                said = True
            barrier.pause(RETRY_FIRST_S)


def _listener(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(MAX_HANDSHAKES)
    except OSError:
        listener.close()
        raise
    return listener


def _wake(listener: socket.socket) -> None:
    """End a blocking `accept`: closing the descriptor alone would leave the thread in it."""
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _accept(barrier: _Barrier, listener: socket.socket, context: ssl.SSLContext) -> None:
    while barrier.is_open:
        try:
            plain, address = listener.accept()
        except OSError:
            return
        with barrier.changed:
            has_room = barrier.handshakes < MAX_HANDSHAKES
            barrier.handshakes += has_room
        if has_room:
            threading.Thread(target=_shake_hands, args=(barrier, plain, address[0], context), daemon=True).start()
        else:
            plain.close()


def _shake_hands(barrier: _Barrier, plain: socket.socket, address: str, context: ssl.SSLContext) -> None:
    try:
        _welcome(barrier, plain, address, context)
    finally:
        with barrier.changed:
            barrier.handshakes -= 1


def _welcome(barrier: _Barrier, plain: socket.socket, address: str, context: ssl.SSLContext) -> None:
    try:
        sock = _handshake(plain, context, server_side=True)
    except OSError as error:
        barrier.log.event("peer refused", address=address, reason=_say(error))
        return
    reason = _refusal(barrier, sock)
    if reason is not None:
        barrier.log.event("peer refused", address=address, reason=reason)
        sock.close()


def _refusal(barrier: _Barrier, sock: ssl.SSLSocket) -> str | None:
    """Take the connection, or return why not."""
    name = _member_of(sock, barrier.peers)
    if name is None:
        return "its certificate is not one of this run's other members"
    if name > barrier.me:
        return f"{name} is not to dial {barrier.me}"
    try:
        return None if barrier.take(name, sock, WELCOME) else f"{name} is connected already"
    except OSError as error:
        return _say(error)


def _dial(barrier: _Barrier, member: MemberSpec, context: ssl.SSLContext) -> None:
    pause_s, said = RETRY_FIRST_S, ""
    while barrier.is_waiting_for(member.name):
        try:
            sock = _connect(barrier, member, context)
        except OSError as error:
            reason = _say(error)
        else:
            if barrier.take(member.name, sock):
                return
            sock.close()
            return
        if reason != said:  # once per kind of trouble, not once per attempt
            barrier.log.event("peer not reached", peer=member.name, host=member.host, reason=reason)
            said = reason
        barrier.pause(pause_s)
        pause_s = min(2 * pause_s, RETRY_LONGEST_S)


def _connect(barrier: _Barrier, member: MemberSpec, context: ssl.SSLContext) -> ssl.SSLSocket:
    timeout_s = max(0.01, min(HANDSHAKE_S, barrier.left_s()))
    plain = socket.create_connection(resolve(member.host, member.port), timeout_s)
    sock = _handshake(plain, context, server_side=False)
    try:
        if sock.getpeercert(binary_form=True) != der_of(member.certificate):
            raise ConnectionRefusedError("another identity answered")
        sock.settimeout(max(0.01, barrier.left_s()))
        if sock.recv(len(WELCOME)) != WELCOME:
            raise ConnectionResetError("the peer did not take the connection")
    except OSError:
        sock.close()
        raise
    return sock


def _handshake(plain: socket.socket, context: ssl.SSLContext, server_side: bool) -> ssl.SSLSocket:
    try:
        plain.settimeout(HANDSHAKE_S)
        # One round trip per protocol round: small messages must not wait for more.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(plain, server_side=server_side)
    except OSError:
        plain.close()
        raise


def _member_of(sock: ssl.SSLSocket, peers: dict[str, MemberSpec]) -> str | None:
    shown = sock.getpeercert(binary_form=True)
    return next((name for name, member in peers.items() if der_of(member.certificate) == shown), None)


def _say(error: OSError) -> str:
    """Return why in few words of our own choosing; the text of an error may quote what a stranger sent."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"certificate: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS: {error.reason or type(error).__name__}"
        case socket.gaierror():
            return "the name is not known (yet)"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError() | ConnectionResetError() if error.errno is None:
            return str(error)
    return os.strerror(error.errno) if error.errno else type(error).__name__
