"""Starting and stopping the local Swift."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from renderer.dev.swift_users import SwiftUsers, write_users
from renderer.errors import CommandError
from renderer.local.private_files import private_directory

STOP_TIMEOUT_S = 5.0
LOG_NAME = "swift.log"
USERS_NAME = "users.json"


@dataclass
class SwiftProcess:
    """A running Swift. Ends with this process, even if that is killed, unless it was started as a daemon."""

    port: int
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        """Where clients authenticate: the ST_AUTH of Swift's v1 authentication."""
        return auth_url(self.port)

    def stop(self) -> None:
        """End the server. Idempotent."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def auth_url(port: int) -> str:
    """Return the authentication URL of a local Swift at `port`."""
    return f"http://127.0.0.1:{port}/auth/v1.0"


@contextmanager
def start_swift(state_dir: Path, users: SwiftUsers, port: int = 0) -> Iterator[SwiftProcess]:
    """Run Swift over `state_dir` for the time of a `with` block. Port 0 takes a free one.

    Raises:  CommandError if the `demo` extra is missing or the server does not start.
    """
    swift = launch_swift(state_dir, users, port)
    try:
        yield swift
    finally:
        swift.stop()


def launch_swift(state_dir: Path, users: SwiftUsers, port: int = 0, daemon: bool = False) -> SwiftProcess:
    """Start Swift and wait until it serves; the caller stops it.

    A daemon outlives this process; otherwise the server sees this process end by its stdin and ends too.
    """
    missing = [name for name in ("swift", "eventlet") if importlib.util.find_spec(name) is None]
    if missing:
        what = f"the local Swift needs the Python package {missing[0]}"
        raise CommandError(what, "install the extra: pip install 'ccd[demo]'")
    private_directory(state_dir)
    users_path = state_dir / USERS_NAME
    write_users(users, users_path)
    command = [sys.executable, "-m", "renderer.dev.swift_server", "--state", str(state_dir)]
    command += ["--port", str(port), "--users", str(users_path)]
    command += [] if daemon else ["--until-stdin-closes"]
    log_path = state_dir / LOG_NAME
    with os.fdopen(os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.DEVNULL if daemon else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # A Ctrl-C in the terminal must not take the store away from workers that are still writing.
            start_new_session=True,
        )
    return SwiftProcess(port=_wait_for_ready(process, log_path), process=process)


def _wait_for_ready(process: subprocess.Popen[bytes], log_path: Path) -> int:
    """Return the port from the server's first line; it comes within a second or the server ends."""
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            process.wait()
            raise CommandError("the local Swift did not start", f"its log says why: {log_path}")
        return int(json.loads(line)["port"])
    except BaseException:
        process.kill()
        process.wait()
        raise
