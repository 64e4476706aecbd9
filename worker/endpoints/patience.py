"""Trying again after what may pass, with growing pauses."""

import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from worker.endpoints.dataverse_errors import Passing
from worker.endpoints.receipt import ATTEMPTS

FIRST_PAUSE_S = 0.4
LONGEST_PAUSE_S = 10.0
T = TypeVar("T")


class Patience:
    """Retries on Passing. The pause is drawn at random, so that many workers do not come back all at once."""

    def __init__(self, pause: Callable[[float], object] | None = None) -> None:
        self._sleep = pause or threading.Event().wait

    def with_(self, act: Callable[[], T], has_stalled: Callable[[], bool] | None = None) -> T:
        """Return what `act` returns, at some attempt.

        Raises:  the last Passing after ATTEMPTS attempts, or when `has_stalled` says so, asked after each failure.
        """
        stop = stop_after_attempt(ATTEMPTS)
        retrying = Retrying(
            retry=retry_if_exception_type(Passing),
            stop=(lambda _: has_stalled()) if has_stalled else stop,
            wait=_pause,
            sleep=self._wait,
            reraise=True,
        )
        return retrying(act)

    def _wait(self, pause_s: float) -> None:
        self._sleep(pause_s)


_drawn = wait_random_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S)


def _pause(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.pause_s if isinstance(failure, Passing) else 0.0
    return max(asked, _drawn(state))
