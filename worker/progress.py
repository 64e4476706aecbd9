"""How far a long stage is, as log lines a few times a second: for an owner who waits, not for a pod's log."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.log import Log

MOVED = "moved"  # the event


@dataclass
class Progress:
    """Called as often as bytes move; tells now and then."""

    log: Log
    every_s: float = 0.2
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=0, init=False)

    def __call__(self, n_bytes: int, size_bytes: int | None) -> None:
        """Take note that so many bytes have moved."""
        now = self.clock()
        if size_bytes and now >= self._next:
            self._next = now + self.every_s
            self.log.event(MOVED, n_bytes=min(n_bytes, size_bytes), size_bytes=size_bytes)
