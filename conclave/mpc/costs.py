"""What a primitive costs, declared beside it, so that a planner can estimate and a test can hold us to it."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Cost:
    """Sequential rounds, and the bytes of payload that the busiest party (index 0) sends."""

    rounds: int
    bytes_sent: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.rounds + other.rounds, self.bytes_sent + other.bytes_sent)

    def times(self, count: int) -> "Cost":
        """Return the cost of doing it `count` times, one after the other.

        >>> Cost(rounds=2, bytes_sent=5).times(3)
        Cost(rounds=6, bytes_sent=15)
        """
        return Cost(self.rounds * count, self.bytes_sent * count)


def merges_faster(merge: Cost, sort: Cost) -> bool:
    """Whether a merge of rows that stand in order, run by run, takes less time than a sort.

    On links of 5 ms a round and 1 Gbit/s, which is 8 ns a byte. What a merge sends takes a processor 2 ns a byte, what a
    sort sends 1 ns (`python -m tests.bench`: "cpu s per party" over "B/row").

    >>> merges_faster(Cost(rounds=140, bytes_sent=80_000_000), Cost(rounds=175, bytes_sent=340_000_000))
    True
    """
    return merge.rounds * _ROUND_NS + merge.bytes_sent * (_LINK_NS + 2) < (
        sort.rounds * _ROUND_NS + sort.bytes_sent * (_LINK_NS + 1)
    )


_ROUND_NS, _LINK_NS = 5_000_000, 8


class Costed(Generic[P, R]):
    """A function with a declared cost: call it as before, or ask `.cost(n=...)`.

    Its parameter `me` is the party that runs it. A party that is a plaintext twin has something else in its place.
    """

    def __init__(self, function: Callable[P, R], cost: Callable[..., Cost]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.cost = cost
        names = list(inspect.signature(function).parameters)
        self._me_at = names.index("me") if "me" in names else len(names)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function."""
        me = args[self._me_at] if self._me_at < len(args) else kwargs.get("me")
        stands: Mapping[Costed[..., Any], Callable[..., Any]] | None = getattr(me, "stands", None)
        if stands and self in stands:
            standing_in: Callable[P, R] = stands[self]
            return standing_in(*args, **kwargs)
        return self.function(*args, **kwargs)


# Every primitive by its dotted name, filled when its module is imported; nothing is ever taken out.
REGISTRY: dict[str, Costed[..., Any]] = {}


def costs(rounds: int | Callable[..., int], bytes_sent: Callable[..., int]) -> Callable[[Callable[P, R]], Costed[P, R]]:
    """Declare the rounds and the bytes per party of a primitive, as functions of its public sizes."""

    def cost(**sizes: int) -> Cost:
        return Cost(rounds if isinstance(rounds, int) else rounds(**sizes), bytes_sent(**sizes))

    return costs_as(cost)


def costs_as(cost: Callable[..., Cost]) -> Callable[[Callable[P, R]], Costed[P, R]]:
    """Declare a cost that is put together from the costs of other primitives."""

    def declare(function: Callable[P, R]) -> Costed[P, R]:
        costed = Costed(function, cost)
        REGISTRY[f"{function.__module__}.{function.__qualname__}"] = costed
        return costed

    return declare
