"""How far a command is, for people who have waited for two seconds: one line in a terminal, nothing elsewhere."""

import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol, TextIO, TypeVar

PATIENCE_S = 2.0
EVERY_S = 0.1

T = TypeVar("T")


class Watch(Protocol):
    """Told what is gone through, and how far it is."""

    def __call__(self, what: str, things: Collection[T]) -> Iterable[T]:
        """Return the things one after another."""
        ...


def unwatched(what: str, things: Collection[T]) -> Iterable[T]:
    """Return the things and say nothing."""
    return things


class Terminal:
    """Says how far it is once two seconds have gone by since it was made, and leaves nothing behind."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._next = clock() + PATIENCE_S

    def __call__(self, what: str, things: Collection[T]) -> Iterator[T]:
        """Yield the things one after another."""
        shown = False
        try:
            for n, thing in enumerate(things):
                if self._clock() >= self._next and self._stream.isatty():
                    self._say(f"{what}: {n} of {len(things)}")
                    shown = True
                yield thing
        finally:
            if shown:
                self._say("")

    def _say(self, text: str) -> None:
        self._stream.write(f"\r{text}\x1b[K")
        self._stream.flush()
        self._next = self._clock() + EVERY_S
