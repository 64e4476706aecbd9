"""Connections from a network namespace to a server on the real machine's loopback."""

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16

Relay = contextlib.AbstractContextManager[None]


@contextmanager
def relay(pid: int, address: str, port: int, to_address: str, to_port: int) -> Iterator[None]:
    """Accept at `address` in the network namespace of `pid`, and connect from here."""
    listener = _listen(pid, address, port)
    accepting = threading.Thread(target=_serve, args=(listener, (to_address, to_port)), daemon=True)
    accepting.start()
    try:
        yield
    finally:
        # Closing alone would leave the thread in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


def _listen(pid: int, address: str, port: int) -> socket.socket:
    """Return a listening socket of another network namespace: a socket stays where it was made."""
    made: list[socket.socket | BaseException] = []

    def make() -> None:
        # Only this thread moves, and it ends here.
        try:
            with open(f"/proc/{pid}/ns/net", "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            made.append(socket.create_server((address, port), backlog=64))
        except BaseException as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    [result] = made
    if isinstance(result, BaseException):
        raise result
    return result


def _serve(listener: socket.socket, target: tuple[str, int]) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(accepted, target), daemon=True).start()


def _join(accepted: socket.socket, target: tuple[str, int]) -> None:
    with accepted:
        try:
            connected = socket.create_connection(target)
        except OSError:
            return
        with connected:
            back = threading.Thread(target=_copy, args=(connected, accepted), daemon=True)
            back.start()
            _copy(accepted, connected)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
