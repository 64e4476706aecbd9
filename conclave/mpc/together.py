"""Independent protocols side by side: what they send in a round travels together, in the rounds of the longest alone.

Theory:  each protocol runs in a thread of its own, a lane, but only one at a time: a lane goes on until it has a round to
         take part in, has to wait for what another lane makes, or is done; then the next one does, always in the same
         order. When all have stopped, their rounds are one: to each peer their messages one after the other. The three
         parties' lanes stop in the same rounds, for these are public, so all three put messages together in the same
         order, and know from the lengths where each ends. Masks each lane draws from streams of its own.
Asks:    that every party calls `Party.round` in every round of a protocol, also where it has nothing to say.
Errors:  the first lane's, in their order, which is the same at all three. The others never go on.
Memory:  what all lanes hold at once. A party that is not `side_by_side` lets one protocol run after the other.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from conclave.mpc.channel import Buffer, Network
from conclave.mpc.errors import ProtocolError
from conclave.mpc.party import Party

A = TypeVar("A")
T = TypeVar("T")
U = TypeVar("U")
# How long a lane that was interrupted while it computed may take to notice.
LEAVE_S = 5.0


class _Abandoned(BaseException):
    """Another lane has failed."""


class Lane(Network):
    """A network as one protocol sees it; `added_rounds` are those of its rounds in which no lane before it took part."""

    def __init__(self, whole: Network) -> None:
        super().__init__(whole.me, whole.channels, whole.timeout_s)
        self.added_rounds = 0
        self.has_moved = False
        self.is_abandoned = False
        self.message: tuple[Mapping[str, Buffer], Mapping[str, int]] | None = None
        self.answer: dict[str, memoryview] = {}
        self._waits_for: Callable[[], bool] | None = None
        self._may_go, self._has_stopped = threading.Semaphore(0), threading.Semaphore(0)

    def exchange(self, outgoing: Mapping[str, Buffer], incoming: Mapping[str, int]) -> dict[str, memoryview]:
        """Take part in the next round with the other lanes."""
        self.rounds += 1
        self.bytes_sent += sum(memoryview(payload).nbytes for payload in outgoing.values())
        self.message = (outgoing, incoming)
        self._pause()
        return self.answer

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Let the other lanes go on until one of them has made it so."""
        while not is_so():
            self._waits_for = is_so
            self._pause()

    def may_go_on(self) -> bool:
        """Whether the lane waits for nothing that is not so yet."""
        return self._waits_for is None or self._waits_for()

    def go_on(self) -> None:
        """Let the lane run until it stops, if it may; called by whoever owns the lanes."""
        self.has_moved = self.may_go_on()
        if self.has_moved:
            self._waits_for = None
            self._may_go.release()
            self._has_stopped.acquire()

    def begin(self) -> None:
        """Wait for the lane's first turn."""
        self._may_go.acquire()
        if self.is_abandoned:
            raise _Abandoned

    def end(self) -> None:
        """Give the last turn back."""
        self._has_stopped.release()

    def abandon(self) -> None:
        """End the lane where it stands, or where it will stop next."""
        self.is_abandoned = True
        self._may_go.release()

    def _pause(self) -> None:
        self._has_stopped.release()
        self.begin()

    def _run(self, *_: object, **__: object) -> dict[str, memoryview]:
        raise ProtocolError("of protocols that run side by side none may send control messages")


class _Running(Generic[T]):
    """A protocol in its lane, and what has become of it."""

    def __init__(self, protocol: Callable[[Party], T], me: Party) -> None:
        self.lane = Lane(me.network)
        self.error: BaseException | None = None
        self.result: list[T] = []
        self.is_done = False
        self._protocol, self.me = protocol, me.beside(self.lane)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.lane.begin()
            self.result.append(self._protocol(self.me))
        except _Abandoned:
            pass
        except BaseException as error:
            self.error = error
        self.is_done = True
        self.lane.end()


def together(protocols: Sequence[Callable[[Party], T]], me: Party) -> list[T]:
    """Run protocols that need nothing of each other but what they wait for with `wait_for`; return their results.

    Shapes:  what each sends, in as many rounds as the longest has, or the longest chain of those that wait.
    Reveals: what each reveals.
    Raises:  what the first of them raises.
    """
    if len(protocols) < 2 or not me.side_by_side:
        return [protocol(me) for protocol in protocols]
    running = [_Running(protocol, me) for protocol in protocols]
    try:
        while left := [each for each in running if not each.is_done]:
            for each in left:
                each.lane.go_on()
                if each.error is not None:
                    raise each.error
            _exchange([each.lane for each in left if not each.is_done], me.network, [each.lane for each in left])
    finally:
        for each in running:
            each.lane.abandon()
        for each in running:
            each.thread.join(LEAVE_S)
    for each in running:
        me.take_openings(each.me)
    return [each.result[0] for each in running]


def for_each(items: Iterable[A], work: Callable[[A, Party], T], me: Party) -> list[T]:
    """Do the same with each of some items, side by side."""
    return together([partial(work, item) for item in items], me)


def pair(first: Callable[[Party], T], second: Callable[[Party], U], me: Party) -> tuple[T, U]:
    """Run two protocols side by side."""
    ours: list[T] = []
    theirs: list[U] = []
    together([lambda lane: ours.append(first(lane)), lambda lane: theirs.append(second(lane))], me)
    return ours[0], theirs[0]


def wait_for(is_so: Callable[[], bool], me: Party) -> None:
    """Wait for what a protocol that runs beside this one makes.

    Raises:  ProtocolError if none does.
    """
    if not is_so():
        if not isinstance(me.network, Lane):
            raise ProtocolError("nothing runs beside what would be waited for")
        me.network.wait_until(is_so)


def added_rounds(me: Party) -> int:
    """Return how many rounds there have been, without those that a protocol beside this one counts."""
    return me.network.added_rounds if isinstance(me.network, Lane) else me.network.rounds


def _exchange(lanes: Sequence[Lane], network: Network, had_a_turn: Sequence[Lane]) -> None:
    """Make one round of those that the lanes have stopped for."""
    speaking = [(lane, lane.message) for lane in lanes if lane.message is not None]
    if not speaking:
        if not any(lane.has_moved for lane in had_a_turn):
            if not isinstance(network, Lane):
                raise ProtocolError("protocols that run side by side wait for each other")
            # They wait for what runs beside all of them.
            network.wait_until(lambda: any(lane.may_go_on() for lane in lanes))
        return
    said: dict[str, list[Buffer]] = {}
    asked: dict[str, int] = {}
    for _, (outgoing, incoming) in speaking:
        for peer, payload in outgoing.items():
            said.setdefault(peer, []).append(payload)
        for peer, size_bytes in incoming.items():
            asked[peer] = asked.get(peer, 0) + size_bytes
    received = network.exchange({peer: p[0] if len(p) == 1 else b"".join(p) for peer, p in said.items()}, asked)
    starts = dict.fromkeys(asked, 0)
    for lane, (_, incoming) in speaking:
        lane.answer = {}
        for peer, size_bytes in incoming.items():
            end = starts[peer] + size_bytes
            lane.answer[peer] = received[peer] if size_bytes == asked[peer] else received[peer][starts[peer] : end]
            starts[peer] = end
        lane.message = None
    speaking[0][0].added_rounds += 1
