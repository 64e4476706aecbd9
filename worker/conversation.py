"""Rounds of messages among all members: each says one message to everyone and hears one from everyone.

Theory:  whoever cannot go on says `abort` in the place of its next message, and hears out the round as always. So after
         every round all honest members know the same aborts, end with the same code and are still in step, and can
         sign the manifest of the failed run together. A message that breaks the rules is answered by an abort in the
         next round. Only a broken connection, or a failure in the middle of the plan's steps, ends without that:
         then `tell` sends the abort to whoever can still hear it.
"""

import select
import time
from collections.abc import Callable, Collection, Iterable
from typing import NoReturn, TypeVar

from conclave.mpc.channel import Channel, Kind, Network
from conclave.mpc.errors import DeadlineExceeded, FrameError, PeerAborted, PeerLost, ProtocolError
from policy.manifest import Code, Reason
from worker.errors import PERMANENT, REJECTED, PeerMissing, Stopped, common_code
from worker.log import Log
from worker.messages import (
    LARGE_BYTES,
    Abort,
    Answered,
    Finished,
    Go,
    Hello,
    Malformed,
    Message,
    Offer,
    Signed,
    Verdict,
    abort_of,
    decode,
    encode,
    limit_of,
)

TELL_S = 1.0  # a courtesy to the others must not hold up our own end
M = TypeVar("M", Hello, Offer, Verdict, Go, Answered, Finished, Signed)


class Conversation:
    """What this party says and hears on the control channel of one attempt."""

    def __init__(self, network: Network, log: Log) -> None:
        self.network = network
        self.me = network.me
        self.peers = tuple(sorted(network.channels))
        self.is_in_step = True  # false as soon as a round was not completed
        self._log = log

    def round(self, own: M, public: M | None = None, only_to: Collection[str] = ()) -> dict[str, M]:
        """Say `own`, hear the same kind of message from every peer; return all of them by party, our own too.

        If `public` is given, `own` is said to the peers in `only_to` alone, and `public` to the others.

        Raises:  Stopped if anyone aborts or breaks the rules; PeerMissing if a peer is lost or late.
        """
        heard = self._exchange(own, limit_of(own.kind), public, only_to)
        said: dict[str, M] = {self.me: own}
        aborts: dict[str, Abort] = {}
        objections: list[Reason] = []
        for peer, payload in sorted(heard.items()):
            try:
                message = decode(payload)
            except Malformed as problem:
                objections.append(self._objection(peer, f"{peer}'s {own.kind} message is malformed: {problem}"))
                continue
            if isinstance(message, Abort):
                aborts[peer] = message
            elif isinstance(message, type(own)):
                said[peer] = message
            else:
                what = f"{peer} said {message.kind!r} where {own.kind!r} was due"
                objections.append(self._objection(peer, what))
        if aborts:
            self._stop(aborts)
        if objections:
            self.stop(REJECTED, objections)
        self._log.event("heard", message=own.kind, peers=len(self.peers))
        return said

    def stop(self, code: Code, reasons: Iterable[Reason]) -> NoReturn:
        """Say in the next round that this party stops, hear the others out, and raise what the run ends with."""
        own = abort_of(code, reasons)
        try:
            heard = self._exchange(own, LARGE_BYTES)
        except (Stopped, PeerMissing):
            # The others may be gone, or be at a step already; our own end is clear.
            heard = {}
        aborts = {self.me: own}
        for peer, payload in heard.items():
            try:
                message = decode(payload)
            except Malformed:
                continue
            if isinstance(message, Abort):
                aborts[peer] = message
        self._stop(aborts)

    def tell(self, code: Code, reasons: Iterable[Reason]) -> list[Stopped]:
        """Send an abort to whoever can still hear it, out of turn; return those that came the other way.

        The conversation is over. Once only.
        """
        if not self.is_in_step:
            return []
        self.is_in_step = False
        payload = encode(abort_of(code, reasons))
        deadline = time.monotonic() + TELL_S
        channels = list(self.network.channels.values())
        # A frame that is on its way has to be whole before another can follow.
        aborts = _settle(channels, deadline, lambda channel: channel.is_sending)
        heard = [words for words in map(_last_words, channels) if words is not None]
        told = [channel for channel in channels if not channel.is_sending]
        for channel in told:
            channel.begin_send(Kind.ABORT, payload)
            # Their next message is taken in, too: closing a connection with something unread would reset it, and the
            # abort could be lost on its way.
            if not channel.is_receiving:
                channel.begin_receive(Kind.CONTROL, LARGE_BYTES, exact=False)
        aborts += _settle(told, deadline, lambda channel: channel.is_sending or channel.is_receiving)
        return heard + [words for words in map(_words_in, aborts) if words is not None]

    def lost(self, error: ProtocolError, in_a_step: bool = False) -> Stopped | PeerMissing:
        """Return what a failure of the connections means, after having told the others.

        In the middle of the plan's steps an unexpected frame is most likely a message of another round.
        """
        if isinstance(error, PeerAborted):
            # It has told the others itself.
            self.is_in_step = False
            return _words_in(error) or PeerMissing(str(error))
        if in_a_step and isinstance(error, FrameError):
            what = f"{error.peer} stopped the run in the middle of a step, or left the protocol"
            ending: Stopped | PeerMissing = PeerMissing(what, rule=str(error), fix=f"see {error.peer}'s own manifest")
        else:
            ending = _meaning(error, self.me)
        # Whoever hears an abort closes its connections: that may be seen before the abort itself.
        words = self.tell(ending.code, ending.reasons(self.me))
        return next((said for said in words if said.code in PERMANENT), ending)

    def _exchange(
        self, own: Message, limit: int, public: Message | None = None, only_to: Collection[str] = ()
    ) -> dict[str, bytes]:
        outgoing = dict.fromkeys(self.peers, encode(own))
        if public is not None:
            outgoing |= {peer: encode(public) for peer in self.peers if peer not in only_to}
        try:
            return self.network.exchange_control(outgoing, self.peers, limit)
        except ProtocolError as error:
            raise self.lost(error) from None

    def _stop(self, aborts: dict[str, Abort]) -> NoReturn:
        own = aborts[self.me].code if self.me in aborts else None
        # Nobody speaks for another: a reason is the sender's, whatever it says.
        told = {
            reason.model_copy(update={"party": party}) for party, abort in aborts.items() for reason in abort.reasons
        }
        reasons = sorted(told, key=repr)
        raise Stopped(common_code((abort.code for abort in aborts.values()), own), reasons)

    def disagreement(self, peer: str) -> Reason:
        """Return the reason for stopping when `peer` signed another manifest than ours."""
        return self._objection(peer, f"{peer}'s signature is not under the manifest that we saw happen")

    def _objection(self, peer: str, what: str) -> Reason:
        return Reason(
            party=self.me,
            code=REJECTED,
            what=what,
            rule="a missing, late, malformed or differing message counts as a rejection",
            fix=f"run the same worker image at {peer} as everywhere",
        )


def _meaning(error: ProtocolError, me: str) -> Stopped | PeerMissing:
    match error:
        case FrameError():
            rule = "a missing, late, malformed or differing message counts as a rejection"
            return Stopped(REJECTED, [Reason(party=me, code=REJECTED, what=str(error), rule=rule)])
        case PeerLost() | DeadlineExceeded():
            fix = f"see the log of {error.peer}'s worker; the Job tries again by itself"
            return PeerMissing(str(error), fix=fix)
    return PeerMissing(str(error))


def _last_words(channel: Channel) -> Stopped | None:
    try:
        return _words_in(PeerAborted(channel.peer_name, bytes(channel.take_received())))
    except ProtocolError:
        return None


def _words_in(error: PeerAborted) -> Stopped | None:
    try:
        message = decode(error.payload)
    except Malformed:
        return None
    if not isinstance(message, Abort):
        return None
    reasons = (reason.model_copy(update={"party": error.peer}) for reason in message.reasons)
    return Stopped(common_code([message.code]), reasons)


def _settle(channels: list[Channel], deadline: float, is_busy: Callable[[Channel], bool]) -> list[PeerAborted]:
    """Let what is on its way go through, on every channel that still works; return the aborts that came."""
    aborts: list[PeerAborted] = []
    busy = [channel for channel in channels if is_busy(channel)]
    while busy and time.monotonic() < deadline:
        poll, has_moved = select.poll(), False
        for channel in list(busy):
            try:
                has_moved |= channel.pump()
                if is_busy(channel):
                    channel.register(poll)
                    continue
            except PeerAborted as abort:
                aborts.append(abort)
            except ProtocolError:
                pass  # gone, too
            busy.remove(channel)
        if busy and not has_moved:
            poll.poll(100)
    return aborts
