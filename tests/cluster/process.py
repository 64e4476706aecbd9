"""A server as a process: its log in a file, waited for until it is ready, ended with whoever started it."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from renderer.local.process import die_with_parent

POLL_S = 0.05
READY_TIMEOUT_S = 180.0  # seconds are enough where nothing else runs
STOP_TIMEOUT_S = 10.0
LOG_TAIL = 6_000  # characters


class NotReady(Exception):
    """A condition did not come true in time, or the server that should bring it about has ended."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the server is ready.

        Raises:  NotReady with the end of its log.
        """
        try:
            wait_until(lambda: self.process.poll() is not None or is_ready(), f"{self.name} is ready", timeout_s)
        except NotReady as error:
            raise NotReady(f"{error}\n{self.tail()}") from None
        if self.process.poll() is not None:
            raise NotReady(f"{self.name} ended with exit code {self.process.returncode}\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of its log."""
        return f"--- {self.log}\n{self.log.read_text(errors='replace')[-LOG_TAIL:]}"


@contextmanager
def running(
    name: str, command: Sequence[str | Path], logs: Path, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run `command` for the time of a `with` block, its output in `logs/<name>.log`.

    To be entered in the main thread: it ends when the thread that has started it does.
    """
    log = logs / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            # Tests that are killed, or told to terminate, end nothing themselves; then the kernel does.
            [*die_with_parent(), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # an interrupt at the keyboard ends the tests, which then end the servers in order
        )
    try:
        yield Server(name, process, log)
    finally:
        _stop(process)


def wait_until(is_true: Callable[[], bool], what: str, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until a condition is true.

    Raises:  NotReady after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise NotReady(f"after {timeout_s:.0f} s it was not so that {what}")
        time.sleep(POLL_S)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
