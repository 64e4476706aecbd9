"""A worker's container, each line of whose log tells how old its process is, and what processor time that has used.

Run as Python's `-c`: the first line is written before anything of the worker's is imported.
"""

import os
import sys
import time
from typing import TextIO

PROGRAM = "from tests.bench.stamped import main; main()"
STARTED = 19  # the field `starttime` of /proc/self/stat, counted from after the program's name; whole hundredths


class Stamped:
    """Standard error, with a stamp before every event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a line of the log behind its stamp; anything else as it is."""
        stamp = f"{_age_s():.3f} {time.process_time():.3f} " if text.startswith("{") else ""
        return self._stream.write(stamp + text)

    def flush(self) -> None:
        """Flush."""
        self._stream.flush()


def _age_s() -> float:
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rpartition(")")[2].split()[STARTED])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run `ccd-worker` with the arguments of this process."""
    sys.stderr = Stamped(sys.stderr)  # type: ignore[assignment]
    sys.stderr.write('{"event": "python"}\n')
    from worker.cli import main as run  # here, because what is measured begins here

    run()
