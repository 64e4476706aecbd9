"""What a container has used so far, as the kernel counts it for this process; nothing is counted by hand but bytes."""

import math
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path

from conclave.mpc.channel import Channel
from policy.resources import KIB, MIB, Usage

_STATUS = Path("/proc/self/status")
_STAT = Path("/proc/self/stat")
_STARTED = 19  # the field `starttime`, counted from after the program's name


def used_so_far(disk_bytes: int, store_received: int = 0, channels: Iterable[Channel] = ()) -> Usage:
    """Return what this process has used since it began."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    channels = tuple(channels)
    return Usage(
        cpu_seconds=_tenths(own.ru_utime + own.ru_stime),
        wall_seconds=_tenths(_age_s()),
        peak_memory_mib=_whole(_peak_memory_bytes(own.ru_maxrss), MIB),
        disk_mib=_whole(disk_bytes, MIB),
        store_received_kib=_whole(store_received, KIB),
        peers_sent_kib=_whole(sum(channel.bytes_sent for channel in channels), KIB),
        peers_received_kib=_whole(sum(channel.bytes_received for channel in channels), KIB),
    )


def _peak_memory_bytes(maxrss_kib: int) -> int:
    # `ru_maxrss` outlives exec: it may be that of the program that started us. The kernel's VmHWM is this one's alone.
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB
    except (OSError, ValueError, IndexError):
        pass
    return maxrss_kib * KIB


def _age_s() -> float:
    """Return how long ago this process began; what it takes to load the program is its Job's, too."""
    try:
        # The program's name stands in parentheses and may hold anything.
        ticks = int(_STAT.read_text().rpartition(")")[2].split()[_STARTED])
    except (OSError, ValueError, IndexError):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def _tenths(seconds: float) -> float:
    return max(0.0, round(seconds, 1))


def _whole(size_bytes: int, unit: int) -> int:
    return math.ceil(size_bytes / unit)
