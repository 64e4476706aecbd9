"""The plaintext twin: what the three parties compute, by one alone and in the clear, in as many rounds.

Theory.  Of x = s_0 + s_1 + s_2 let s_1 and s_2 be zero. Party 0 then holds x and a zero, the others hold nothing that it
         does not know, and with masks of zeros whatever they would send it is zeros. So every protocol in which all
         three do the same runs as it is: party 0's part of a product is the product, and of an opening it lacks a zero.
         Only where the three differ in what they do is there something to stand in for, below: the rows of a shuffle
         stay where they are, a place is a number.
Counts:  a round is counted where one party's share of the protocol has one, and its bytes, as if it sent them; what is
         stood in for counts as it declares.
Must not: meet anybody else's shares. A `Twin` has no channel and no key, and nothing that runs with peers makes one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conclave.mpc.arrays import Array, dense
from conclave.mpc.carry import sum_of_carries
from conclave.mpc.channel import Buffer, Network
from conclave.mpc.costs import Cost, Costed
from conclave.mpc.deal import Combine, deal
from conclave.mpc.errors import ProtocolError
from conclave.mpc.groups import Side
from conclave.mpc.move import move, take
from conclave.mpc.party import Openings, Party
from conclave.mpc.planes import Planes
from conclave.mpc.randomness import Pair, Stream, Streams
from conclave.mpc.shares import AShare, BitShare, Share
from conclave.mpc.shuffle import Columns, Rows, hop
from conclave.mpc.sort import Order, find_places, sort_permutation
from conclave.mpc.split import Split, rejoin, size, split
from conclave.mpc.witness import compare_openings

Stands = Mapping[Costed[..., Any], Callable[..., Any]]


class Nobody(Network):
    """Peers that take everything, and send zeros."""

    def __init__(self, me: str) -> None:
        super().__init__(me, {}, 0.0)

    def exchange(self, outgoing: Mapping[str, Buffer], incoming: Mapping[str, int]) -> dict[str, memoryview]:
        """Count a round, and what is sent in it."""
        self.rounds += 1
        self.bytes_sent += sum(memoryview(payload).nbytes for payload in outgoing.values())
        return {peer: memoryview(bytearray(size_bytes)) for peer, size_bytes in incoming.items()}

    def exchange_control(
        self, outgoing: Mapping[str, bytes], incoming: Iterable[str], limit: int, patience_s: float = 0.0
    ) -> dict[str, bytes]:
        """Send to nobody; there is nobody to receive from."""
        if any(True for _ in incoming):
            raise ProtocolError("a twin has no peers to hear from")
        return {}


class Zeros(Stream):
    """Masks that hide nothing, and orders that change none."""

    def __init__(self) -> None:
        pass

    def draw(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike = np.uint64) -> Array:
        """Return zeros."""
        return np.zeros(shape, dtype)

    def permutation(self, n: int) -> npt.NDArray[np.uint32]:
        """Return the order that there is."""
        return np.arange(n, dtype=np.uint32)


class _NoPair(Pair):
    def __init__(self) -> None:
        super().__init__(b"")

    def use(self, label: str) -> Stream:
        return Zeros()


class _NoStreams(Streams):
    def __init__(self) -> None:
        self.with_next = self.with_prev = self.alone = _NoPair()

    def fork(self) -> Streams:
        return self


class Twin(Party):
    """Party 0 of three of which the others are not there. `more` stands in for what other packages declare."""

    def __init__(self, names: tuple[str, str, str], more: Stands | None = None) -> None:
        super().__init__(0, names, Nobody(names[0]), _NoStreams())
        self.stands = {**STANDS, **(more or {})}

    def beside(self, network: Network) -> "Twin":
        """Return a twin for a protocol that runs beside others."""
        other = Twin(self.names, self.stands)
        other.network, other.side_by_side = network, self.side_by_side
        return other

    def index_of(self, name: str) -> int:
        """Return 0, whoever it is: what one of the three knows, the twin knows."""
        return 0

    def count(self, cost: Cost) -> None:
        """Count what is not sent: in so many rounds, which may be others' too, zeros."""
        for number in range(cost.rounds):
            self.network.exchange({self.names[1]: np.zeros(0 if number else cost.bytes_sent, np.uint8).data}, {})


def _deal(values: Array, me: Twin, minus: Combine = np.subtract, dealer: int = 0) -> tuple[Array, Array]:
    """All is in the part that party 0 holds; what another party dealt is its own mask, and zero."""
    me.count(deal.cost(size_bytes=values.nbytes))
    zeros = np.zeros_like(values)
    return (values if dealer == 0 else zeros), zeros


def _hop(columns: Columns, number: int, rows: Rows | None, me: Twin) -> list[Share]:
    """Only orders that party 0 knows are any; those that two others agree on leave rows where they are."""
    sizes = (c.n * c.own.itemsize if not isinstance(c, BitShare) else (c.n + 7) // 8 for c in columns)
    me.count(Cost(1, sum(sizes) if rows is not None else 0))
    return list(columns) if rows is None else [c.take(rows) for c in columns]


def _sum_of_carries(n: int, numbers: int, side: Side, me: Twin) -> BitShare:
    """What is added is zero, so that there is no carry."""
    me.count(sum_of_carries.cost(n=n, numbers=numbers))
    return BitShare(*_alone(side(slice(0, n), np.empty((numbers, n), np.uint64)).astype(np.uint8)))


def _split(x: Share, me: Twin) -> Split:
    like = split.function(x, me)
    return like.with_part(dense((x.own & x.dtype.type(1)).astype(np.uint8) if like.bits == 1 else x.own))


def _rejoin(columns: Sequence[Split], likes: Sequence[Share], me: Twin) -> list[Share]:
    me.count(rejoin.cost(size_bytes=size(columns)))
    return _shares(columns, likes)


def _move(columns: Sequence[Split], places: Split, me: Twin) -> list[Split]:
    me.count(move.cost(n=places.n, carried=size(columns)))
    return [column.with_part(_scatter(column.part, places.part)) for column in columns]


def _take(columns: Sequence[Split], rows: Split, likes: Sequence[Share], me: Twin) -> list[Share]:
    me.count(take.cost(n=rows.n, carried=size(columns)))
    return _shares([column.with_part(column.part[rows.part]) for column in columns], likes)


def _find_places(digits: Array, bits: int, me: Twin) -> Split:
    me.count(find_places.cost(n=len(digits), bits=bits))
    order = np.argsort(digits, kind="stable")
    return Split(_scatter(np.arange(len(digits), dtype=np.uint32), order), False, 32)


def _sort_permutation(key: Planes, me: Twin) -> Order:
    me.count(sort_permutation.cost(n=key.n, bits=key.count))
    words = [key[at : at + 64].words().own for at in range(0, key.count, 64)]
    order = np.lexsort(words) if words else np.arange(key.n)
    return Order(AShare(*_alone(order.astype(np.uint32))))


def _compare_openings(me: Twin) -> None:
    openings, me.openings = me.openings, Openings()
    if openings.count:
        me.count(compare_openings.cost())


def _scatter(values: Array, places: Array) -> Array:
    moved = np.empty_like(values)
    moved[places] = values
    return moved


def _alone(values: Array) -> tuple[Array, Array]:
    return values, np.zeros_like(values)


def _shares(columns: Sequence[Split], likes: Sequence[Share]) -> list[Share]:
    made = []
    for column, like in zip(columns, likes, strict=True):
        own, after = _alone(column.part)
        made.append(replace(like, own=own, next=after))
    return made


STANDS: Stands = {
    deal: _deal,
    hop: _hop,
    sum_of_carries: _sum_of_carries,
    split: _split,
    rejoin: _rejoin,
    move: _move,
    take: _take,
    find_places: _find_places,
    sort_permutation: _sort_permutation,
    compare_openings: _compare_openings,
}
