"""How long a store may take, and how often it is asked again.

An attempt that moved the transfer on does not count as failed in vain: a large object comes through any number of
cuts. What never moves on ends after a bounded number of attempts.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from worker.errors import StoreUnavailable

T = TypeVar("T")
Pause = Callable[[float], None]
Watch = Callable[[int, int | None], None]  # how many bytes have moved, and how many shall, if that is known


def unwatched(n_bytes: int, size_bytes: int | None) -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class Patience:
    """The limits. The defaults let a store be away for about half a minute."""

    attempts: int = 8  # in vain, one after the other
    first_pause_s: float = 0.5
    longest_pause_s: float = 10.0
    longest_retry_after_s: float = 60.0  # a store that asks for more is not waited for longer
    connect_s: float = 10.0
    idle_s: float = 30.0  # without a byte
    window_s: float = 30.0  # in each of these,
    least_bytes: int = 512 * 1024  # so much has to come: a trickle is no transfer
    enough_bytes: int = 1 << 20  # what counts as having moved on


class Passing(Exception):
    """An answer, or none, that may be different next time. `why` is for people and holds nothing of the answer."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(why)
        self.why, self.retry_after_s = why, retry_after_s


class Pace:
    """Watches that a transfer does not fall below its least speed."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._since, self._n_bytes = clock(), 0

    def moved(self, n_bytes: int) -> None:
        """Count; raise Passing at the end of a window in which too little came."""
        self._n_bytes += n_bytes
        now = self._clock()
        if now - self._since < self._patience.window_s:
            return
        if self._n_bytes < self._patience.least_bytes:
            limits = f"{self._patience.least_bytes} bytes in {self._patience.window_s:g} s"
            raise Passing(f"the transfer fell below {limits}")
        self._since, self._n_bytes = now, 0


@dataclass(frozen=True)
class Trying:
    """Asks again, with growing pauses of random length, or as long as the store asks for."""

    patience: Patience = Patience()
    pause: Pause | None = None  # in the place of waiting
    watch: Watch = unwatched  # how far a transfer is

    def until_done(self, act: Callable[[], T], where: str, fix: str, progress: Callable[[], int] = lambda: 0) -> T:
        """Return what `act` returns once it does not raise Passing.

        Raises:  StoreUnavailable after too many attempts between which `progress` did not grow enough.
        """
        while True:
            before = progress()
            try:
                return self._retrying()(act)
            except Passing as passing:
                if progress() - before >= self.patience.enough_bytes:
                    continue
                what = f"the store did not serve the request in {self.patience.attempts} attempts: {passing.why}"
                raise StoreUnavailable(what, where, fix=fix) from None

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(Passing),
            stop=stop_after_attempt(self.patience.attempts),
            wait=self._wait_s,
            sleep=self.pause or _wait,
            reraise=True,
        )

    def _wait_s(self, state: RetryCallState) -> float:
        longest = self.patience.longest_pause_s
        wait_s = wait_random_exponential(multiplier=self.patience.first_pause_s, max=longest)(state)
        failed = state.outcome.exception() if state.outcome is not None else None
        asked_s = failed.retry_after_s if isinstance(failed, Passing) else None
        # The jitter on top: all workers of a run may have been told the same moment.
        return wait_s if asked_s is None else min(asked_s, self.patience.longest_retry_after_s) + wait_s


def _wait(seconds: float) -> None:
    # Not time.sleep: it goes on after a signal whose handler has only made a note.
    threading.Event().wait(seconds)
