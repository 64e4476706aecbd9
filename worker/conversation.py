"""Rounds of messages among all members: each says one message to everyone and hears one from everyone.

Theory:  whoever cannot go on says `abort` in the place of its next message, and hears out the round as always. So after
         every round all honest members know the same aborts, end with the same code and are still in step, and can
         sign the manifest of the failed run together. A message that breaks the rules is answered by an abort in the
         next round. Only a broken connection, or a failure in the middle of the plan's steps, ends without that:
         then `tell` sends the abort to whoever can still hear it.
Liars:   somebody may say to one that it stops, and nothing to another. So whoever is told out of turn passes it on, and a
         manifest that is signed where another word was due shows who did not hear it. A connection that is closed has
         mostly a reason that another peer knows: its word is waited for, and counts for more.
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

TELL_S = 2.0  # a courtesy to the others must not hold up our own end
LAST_WORDS_S = 10.0  # to hear why a peer has gone, from one that may know
_STRANGE = "a missing, late, malformed or differing message counts as a rejection"
_PASSED_ON = "whoever is told that a run stops tells the others"
M = TypeVar("M", Hello, Offer, Verdict, Go, Answered, Finished, Signed)


class Conversation:
    """What this party says and hears on the control channel of one attempt."""

    def __init__(self, network: Network, log: Log) -> None:
        self.network = network
        self.me = network.me
        self.peers = tuple(sorted(network.channels))
        self.is_in_step = True  # false as soon as a round was not completed
        self._due: str | None = None  # what is to be said in this round
        self._ended: Stopped | None = None  # what the run has ended with, while its manifest is signed
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
                objections.append(self._misplaced(peer, message))
        if aborts:
            self._stop(aborts)
        if objections:
            self.stop(REJECTED, objections)
        self._log.event("heard", message=own.kind, peers=len(self.peers))
        return said

    def stop(self, code: Code, reasons: Iterable[Reason]) -> NoReturn:
        """Say in the next round that this party stops, hear the others out, and raise what the run ends with."""
        own = abort_of(code, reasons)
        if self._due == "go":
            # The others may be in the plan's steps, where only an abort out of turn is understood.
            self.tell(code, reasons)
            self._stop({self.me: own})
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

    def tell(self, code: Code, reasons: Iterable[Reason], patience_s: float = 0.0) -> list[Stopped]:
        """Send an abort to whoever can still hear it, out of turn; return what came the other way to end the run.

        The conversation is over. Once only. `patience_s`: how much longer to wait for such words if none have come.
        """
        if not self.is_in_step:
            return []
        self.is_in_step = False
        payload = encode(abort_of(code, reasons))
        channels = list(self.network.channels.values())
        # A frame that is on its way has to be whole before another can follow.
        aborts = _settle(channels, TELL_S, lambda channel: channel.is_sending)
        heard = self._last_words(channels)
        told = [channel for channel in channels if not channel.is_sending]
        for channel in told:
            channel.begin_send(Kind.ABORT, payload)

        def hear(wait_s: float) -> None:
            # Their next message is taken in, too, whatever has come before it: closing a connection with something unread
            # would reset it, and the abort could be lost on its way.
            for channel in told:
                if not channel.is_receiving:
                    channel.begin_receive(Kind.CONTROL, LARGE_BYTES, exact=False)
            aborts.extend(_settle(told, wait_s, lambda channel: channel.is_sending or channel.is_receiving))
            heard.extend(self._last_words(channels, may_be_ahead=True))

        hear(TELL_S)
        if patience_s and not (heard or aborts):
            hear(patience_s)
        return heard + [words for words in map(self._words_of, aborts) if words is not None]

    def _words_of(self, error: PeerAborted | FrameError) -> Stopped | None:
        if isinstance(error, PeerAborted):
            return _words_in(error)
        return Stopped(
            REJECTED, [self._objection(error.peer, f"{error.peer} left the plan's steps, and does not say why")]
        )

    def lost(self, error: ProtocolError, in_a_step: bool = False) -> Stopped | PeerMissing:
        """Return what a failure of the connections means, after having told the others.

        In the middle of the plan's steps an unexpected frame is most likely a message of another round: of somebody who
        was told something else.
        """
        if isinstance(error, PeerAborted):
            return self._stopped_by(error)
        if in_a_step and isinstance(error, FrameError):
            what = f"{error.peer} stopped the run in the middle of a step, or left the protocol"
            fix = f"see {error.peer}'s own manifest"
            reason = Reason(party=self.me, code=REJECTED, what=what, rule=str(error), fix=fix)
            ending: Stopped | PeerMissing = Stopped(REJECTED, [reason])
        else:
            ending = _meaning(error, self.me)
        heard = [self._ended] if self._ended is not None else self._last_words(self.network.channels.values())
        said = _best([each for each in heard if each.code in PERMANENT])
        if said is not None and said.code < ending.code:
            return self._pass_on(said)  # it has come with the round that broke off
        # Whoever hears an abort closes its connections: that may be seen before the abort itself.
        patience_s = LAST_WORDS_S if isinstance(error, PeerLost) else 0.0
        words = self.tell(ending.code, ending.reasons(self.me), patience_s)
        return _best([said for said in words if said.code in PERMANENT and said.code < ending.code]) or ending

    def _stopped_by(self, error: PeerAborted) -> Stopped:
        """Return what a peer's abort out of turn means. It may have told nobody else, so it is passed on."""
        ending = _words_in(error)
        if ending is None:
            what = f"{error.peer} stopped the run, with words that cannot be read"
            ending = Stopped(REJECTED, [self._objection(error.peer, what)])
            self.tell(ending.code, ending.reasons(self.me))
            return ending
        return self._pass_on(ending)

    def _pass_on(self, ending: Stopped) -> Stopped:
        """Tell the others what one has told us; return it, or the same at first hand."""
        first = next(iter(ending.all_reasons), None)
        what = f"{first.party} stopped the run: {first.what}" if first is not None else "a peer stopped the run"
        others = self.tell(ending.code, [Reason(party=self.me, code=ending.code, what=what, rule=_PASSED_ON)])
        return _best([said for said in (ending, *others) if said.code == ending.code]) or ending

    def _exchange(
        self, own: Message, limit: int, public: Message | None = None, only_to: Collection[str] = ()
    ) -> dict[str, bytes]:
        self._due = own.kind
        outgoing = dict.fromkeys(self.peers, encode(own))
        if public is not None:
            outgoing |= {peer: encode(public) for peer in self.peers if peer not in only_to}
        try:
            return self.network.exchange_control(outgoing, self.peers, limit)
        except ProtocolError as error:
            if isinstance(own, Abort):
                # Who is left has to hear why we stop, not that meanwhile somebody has gone.
                self.tell(own.code, own.reasons)
            raise self.lost(error) from None

    def _stop(self, aborts: dict[str, Abort]) -> NoReturn:
        own = aborts[self.me].code if self.me in aborts else None
        # Nobody speaks for another: a reason is the sender's, whatever it says.
        told = {
            reason.model_copy(update={"party": party}) for party, abort in aborts.items() for reason in abort.reasons
        }
        reasons = sorted(told, key=repr)
        self._ended = Stopped(common_code((abort.code for abort in aborts.values()), own), reasons)
        raise self._ended

    def disagreement(self, peer: str) -> Reason:
        """Return the reason for stopping when `peer` signed another manifest than ours."""
        return self._objection(peer, f"{peer}'s signature is not under the manifest that we saw happen")

    def _objection(self, peer: str, what: str) -> Reason:
        fix = f"run the same worker image at {peer} as everywhere"
        return Reason(party=self.me, code=REJECTED, what=what, rule=_STRANGE, fix=fix)

    def _misplaced(self, peer: str, message: Message) -> Reason:
        """Return the objection to a word that is not due; who signs a manifest already has heard another one."""
        if message.kind != "signed":
            return self._objection(peer, f"{peer} said {message.kind!r} where {self._due!r} was due")
        what = f"{peer} has ended the run on a word that we did not hear, and signs where {self._due!r} was due"
        fix = f"see {peer}'s own manifest: somebody tells different parties different things"
        return Reason(party=self.me, code=REJECTED, what=what, rule=_STRANGE, fix=fix)

    def _last_words(self, channels: Iterable[Channel], may_be_ahead: bool = False) -> list[Stopped]:
        """Return what has come in this round that ends the run; `may_be_ahead`: or in the one after it."""
        found, signs = [], ("signed", "abort", *(("finished",) if may_be_ahead else ()))
        for channel in channels:
            try:
                message = decode(bytes(channel.take_received()))
            except (ProtocolError, Malformed):
                continue
            if isinstance(message, Abort):
                found.append(_said(channel.peer_name, message))
            elif isinstance(message, Signed) and self._due not in signs:
                found.append(Stopped(REJECTED, [self._misplaced(channel.peer_name, message)]))
        return found


def _meaning(error: ProtocolError, me: str) -> Stopped | PeerMissing:
    match error:
        case FrameError():
            return Stopped(REJECTED, [Reason(party=me, code=REJECTED, what=str(error), rule=_STRANGE)])
        case PeerLost() | DeadlineExceeded():
            fix = f"see the log of {error.peer}'s worker; the Job tries again by itself"
            return PeerMissing(str(error), fix=fix)
    return PeerMissing(str(error))


def _words_in(error: PeerAborted) -> Stopped | None:
    try:
        message = decode(error.payload)
    except Malformed:
        return None
    return _said(error.peer, message) if isinstance(message, Abort) else None


def _said(peer: str, message: Abort) -> Stopped:
    """Return what a peer's abort ends the run with. Nobody speaks for another: a reason is the sender's."""
    reasons = (reason.model_copy(update={"party": peer}) for reason in message.reasons)
    return Stopped(common_code([message.code]), reasons)


def _best(endings: list[Stopped]) -> Stopped | None:
    """Return one at first hand, if there is one."""
    return min(endings, key=lambda each: any(reason.rule == _PASSED_ON for reason in each.all_reasons), default=None)


def _settle(
    channels: list[Channel], wait_s: float, is_busy: Callable[[Channel], bool]
) -> list[PeerAborted | FrameError]:
    """Let what is on its way go through, on every channel that still works; return how others end the run.

    That is by aborts, and by words of another round where a step's frame was due.
    """
    aborts: list[PeerAborted | FrameError] = []
    deadline = time.monotonic() + wait_s
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
            except ProtocolError as error:
                # Others are gone, too; or they speak as in a round, where one of the plan's steps was due.
                if isinstance(error, FrameError) and (
                    error.field == "length" or (error.field, error.got) == ("kind", Kind.CONTROL)
                ):
                    aborts.append(error)
            busy.remove(channel)
        if busy and not has_moved:
            poll.poll(100)
    return aborts
