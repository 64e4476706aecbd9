"""Connections between network namespaces and the real machine's loopback, in either direction."""

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16

Relay = contextlib.AbstractContextManager[None]


@contextmanager
def relay(
    pid: int | None, address: str, port: int, to_address: str, to_port: int, to_pid: int | None = None
) -> Iterator[None]:
    """Accept at `address` in the network namespace of `pid`, and connect from that of `to_pid`; None is our own."""
    listener = _within(pid, lambda: socket.create_server((address, port), backlog=64))
    connect = partial(_within, to_pid, lambda: socket.create_connection((to_address, to_port)))
    accepting = threading.Thread(target=_serve, args=(listener, connect), daemon=True)
    accepting.start()
    try:
        yield
    finally:
        # Closing alone would leave the thread in accept().
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


def _within(pid: int | None, make: Callable[[], socket.socket]) -> socket.socket:
    """Return a socket of another network namespace: a socket stays where it was made."""
    if pid is None:
        return make()
    made: list[socket.socket | BaseException] = []

    def move_and_make() -> None:
        # Only this thread moves, and it ends here.
        try:
            with open(f"/proc/{pid}/ns/net", "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            made.append(make())
        except BaseException as error:
            made.append(error)

    thread = threading.Thread(target=move_and_make)
    thread.start()
    thread.join()
    [result] = made
    if isinstance(result, BaseException):
        raise result
    return result


def _serve(listener: socket.socket, connect: Callable[[], socket.socket]) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(accepted, connect), daemon=True).start()


def _join(accepted: socket.socket, connect: Callable[[], socket.socket]) -> None:
    with accepted:
        try:
            connected = connect()
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
