"""Making sure that a federation's local Swift runs while something needs it."""

import contextlib
import fcntl
import http.client
import os
import select
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from renderer.check import load_workspace
from renderer.dev.state import SWIFT, DevState, read_state, users_of, write_credentials, write_state
from renderer.dev.swift import STOP_TIMEOUT_S, SwiftProcess, auth_url, launch_swift
from renderer.dev.swift_users import LOCK_NAME
from renderer.errors import CommandError

ANSWER_TIMEOUT_S = 30  # whoever holds the lock lives, and a busy machine is no reason to take it for another program


@contextlib.contextmanager
def running_swift(root: Path) -> Iterator[str | None]:
    """Yield the authentication URL of the federation's local Swift; None if its stores are elsewhere.

    One that is up is used and left alone; otherwise it runs for the time of the `with` block.
    """
    state = read_state(root)
    if state is None or is_up(root, state):
        yield auth_url(state.port) if state else None
        return
    swift = _launch(root, state, daemon=False)
    try:
        yield swift.url
    finally:
        swift.stop()


def start_daemon(root: Path) -> DevState:
    """Leave the federation's Swift running; return its state. One that is up already stays.

    Raises:  CommandError if the federation has no local Swift.
    """
    state = require_state(root)
    if is_up(root, state):
        return state
    swift = _launch(root, state, daemon=True)
    state = replace(require_state(root), pid=swift.process.pid)
    write_state(root, state)
    return state


def stop_daemon(root: Path) -> bool:
    """End the Swift that `start_daemon` left; return whether there was one."""
    state = require_state(root)
    was_up = state.pid is not None and is_up(root, state)
    if was_up and state.pid is not None:
        _end(state.pid)
    write_state(root, replace(state, pid=None))
    return was_up


def is_up(root: Path, state: DevState) -> bool:
    """Whether this federation's own Swift answers, and not a copy's or another program on its port."""
    if not is_locked(root / SWIFT / LOCK_NAME):
        return False
    user = users_of(root).users[0]
    connection = http.client.HTTPConnection("127.0.0.1", state.port, timeout=ANSWER_TIMEOUT_S)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/auth/v1.0", headers={"X-Auth-User": user.login, "X-Auth-Key": user.key})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock at `path`."""
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def require_state(root: Path) -> DevState:
    """Return the state of the federation's local Swift; CommandError if it has none."""
    state = read_state(root)
    if state is None:
        raise CommandError(f"{root} is no federation with a local Swift", "make one with `ccd demo`")
    return state


def _launch(root: Path, state: DevState, daemon: bool) -> SwiftProcess:
    """Start Swift on its old port, or on another one if that is taken; then the Secrets say so."""
    port = state.port if _is_free(state.port) else 0
    users = users_of(root)
    swift = launch_swift(root / SWIFT, users, port, daemon)
    try:
        if swift.port != state.port:
            write_credentials(root, load_workspace(root).party_models, users, swift.port)
        write_state(root, replace(state, port=swift.port, pid=None))
    except BaseException:
        swift.stop()
        raise
    return swift


def _end(pid: int) -> None:
    """End a process that is not our child, and wait until it is gone: its port is free then."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], STOP_TIMEOUT_S)[0]:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [])
        finally:
            os.close(descriptor)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
