"""One container's process: its own session, its output line by line, and no survivors."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

MAX_LINE_BYTES = 64 * 1024  # a longer line is passed on in pieces
SIGNAL_BASE = 128  # how shells and Kubernetes count deaths by signal


async def run_process(
    command: tuple[str, ...],
    environment: Mapping[str, str],
    directory: Path,
    on_start: Callable[[int], None],
    on_line: Callable[[str], None],
    grace_s: float,
) -> int:
    """Run `command` with exactly `environment`; return its exit code, 128 + n after a death by signal n.

    When it ends, whatever else is in its process group is killed. When the caller is cancelled the group gets
    SIGTERM and, after `grace_s` seconds, SIGKILL.
    """
    # Our own pipe: asyncio's would make `process.wait` wait for its end, which grandchildren can hold open.
    read_end, write_end = os.pipe()
    output = asyncio.create_task(_pass_on_lines(read_end, on_line))
    try:
        process = await asyncio.create_subprocess_exec(
            *die_with_parent(),
            *command,
            env=dict(environment),
            cwd=directory,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=write_end,
            stderr=asyncio.subprocess.STDOUT,  # one stream, as `kubectl logs` shows it
            start_new_session=True,
        )
    finally:
        os.close(write_end)
    on_start(process.pid)
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace_s)
        raise
    finally:
        # Grandchildren hold the pipe open: they have to go before the output ends.
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()
        await output
    return code if code >= 0 else SIGNAL_BASE - code


def die_with_parent() -> tuple[str, ...]:
    """Return a command prefix, if there is one, with which not even SIGKILL of this process leaves orphans.

    util-linux has it. A `preexec_fn` could do the same, but is not safe beside threads.
    """
    found = shutil.which("setpriv", path="/usr/bin:/bin")
    return (found, "--pdeathsig", "KILL", "--") if found else ()


async def _pass_on_lines(descriptor: int, on_line: Callable[[str], None]) -> None:
    stream = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), pipe
    )
    try:
        await _read_lines(stream, on_line)
    finally:
        transport.close()


async def _read_lines(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    rest = b""
    while chunk := await stream.read(MAX_LINE_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) >= MAX_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            on_line(line.decode(errors="replace"))
    if rest:
        on_line(rest.decode(errors="replace"))


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
