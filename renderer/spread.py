"""Much work of the same kind, over all processors. What comes out is what one processor would make, in its order."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Generic, TypeVar

FEWEST = 40  # things; for fewer a second process is no gain
_SHARES = 32  # that each process takes, one after the other: with few of them one would wait for the other's last
T = TypeVar("T")
R = TypeVar("R")

# What a child process works on: it has them from its parent, with all they refer to, and is sent places only.
_work: Callable[[Any], Any]
_things: Sequence[Any]


class Spread(Generic[T, R]):
    """The results of `work` on each of `things`, made when they are asked for.

    `work` must change nothing that it leaves in memory: it may run in a copy of this process. The first of the things
    is worked on here, so that what is made once for all of them, such as templates and schemas, is in every copy.
    """

    def __init__(self, work: Callable[[T], R], things: Sequence[T], fewest: int = FEWEST) -> None:
        self._work, self._things, self._fewest = work, things, fewest

    def __len__(self) -> int:
        return len(self._things)

    def __contains__(self, thing: object) -> bool:
        return any(thing == result for result in self)

    def __iter__(self) -> Iterator[R]:
        n = min(os.cpu_count() or 1, len(self._things))
        if n < 2 or len(self._things) < self._fewest or "fork" not in multiprocessing.get_all_start_methods():
            yield from map(self._work, self._things)
            return
        yield self._work(self._things[0])
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(n, context, _begin, (self._work, self._things)) as pool:
            yield from pool.map(_one, range(1, len(self._things)), chunksize=max(1, len(self._things) // (_SHARES * n)))


def _begin(work: Callable[[Any], Any], things: Sequence[Any]) -> None:
    global _work, _things
    _work, _things = work, things


def _one(place: int) -> Any:
    return _work(_things[place])
