"""What runs have spent of a dataset's limits: entries in the owner's own store, in numbered slots.

Two runs that ask at the same moment must not both have the last slot, and no store's "only if it is not there" can be
relied on for that: Swift looks first and writes later, so that two who begin together are both told that they were the
first. So a slot is taken as in Lamport's fast mutual exclusion (and Moir and Anderson's splitter), which needs nothing
but that what was written is read: I write my name at the door; if it is closed, I have lost; I close it; if my name is
still at the door, the slot is mine. Of all who try, at most one finds that. To be refused the writing only makes losers.

Who loses a slot goes on to the next. A slot that anybody has written to counts, even if nobody got it: a limit is kept
by refusing a run too many, never by letting one pass. A slot that its owner has removed is not taken again: what was
spent after it would be passed over. That there are later ones the store's listing tells; what it does not know of yet
comes after those that it does, and is found one by one.

A run that is attempted again does not pay again, as long as it tells nothing else. Before an attempt may compute it puts
its name below the run's slot, in the same way. The next one asks of each how it ended: before all members had agreed,
then nothing was told; after that, then it may only be the same again, on the very same data of all of them; or nobody
knows, then it may have been on any data, and the slot is used up. In a period a slot counts from its last attempt on:
else a run broken off would be kept for the period's end, to be made again beside those of the next one.
"""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from policy.canonical import canonical_json
from policy.document import Limits, Model, Policy
from policy.limits import Reached, Spent, counts, has_ended, period_of, reached
from worker.endpoints.store import Store
from worker.errors import StoreRefused, StoreUnavailable
from worker.settlement import Settled

_SLOT = re.compile(r"/([0-9]{6})(?:\.|$)")
MAX_ENTRY_BYTES = 4096
MAX_SLOTS = 100_000
MAX_ATTEMPTS = 1000  # of one run, that do not pay again
CLOSED = ".closed"


class Entry(Model):
    """One attempt's name at a slot."""

    run: str  # its id, for the owner to read
    digest: str  # of all that the run is
    at: datetime.datetime
    epsilon: float
    token: str  # of this attempt alone


Ended = Callable[[str], Settled | None]  # how the attempt of a token ended; None: nobody knows


@dataclass(frozen=True)
class Paid:
    """A run that may be attempted, once the attempt's name stands where it is to stand."""

    entry: Entry
    attempt: str  # the name for it in the ledger
    held_to: str | None = None  # what an earlier attempt may have told an answer of: this one tells of nothing else


@dataclass(frozen=True)
class Ledger:
    """The slots of one dataset."""

    store: Store
    container: str
    prefix: str

    def spend(self, policy: Policy, own: Entry, ended: Ended) -> Reached | Paid:
        """Spend one run; the very same run spends once, for as long as that counts and nothing else can be told by it.

        Returns the limit that is in the way, if there is one; then nothing is spent.

        Raises:  StoreUnavailable; StoreRefused, if entries may not be written.
        """
        limits, spent, now = policy.spec.limits, list[Spent](), own.at
        assert limits is not None
        if has_ended(limits, now) and (problem := reached(policy, spent, now)) is not None:
            return problem
        listed, last = self._listed()
        for number in range(1, MAX_SLOTS + 1):
            name = f"{self.prefix}/{number:06}"
            there = self._entry(name)
            if there is None and number <= last:
                if name in listed:
                    fix = "none needed: a store's listing and its objects agree after a while"
                    raise StoreUnavailable("an entry is listed and not there", f"{self.container}/{name}", fix=fix)
                continue
            if there is None:
                problem = reached(policy, spent, now)
                if problem is not None:
                    return problem
                if self._take(name, own):
                    return Paid(own, f"{name}.1")
                there = self._entry(name) or own
            if there.digest == own.digest and counts(limits, there.at, now) and self._has(name, there):
                paid = self._again(name, own, ended)
                if paid is not None:
                    return paid
            spent.append(Spent(self._last_begun(name, there, limits, now), there.epsilon))
        raise StoreUnavailable(f"there are more than {MAX_SLOTS} entries", f"{self.container}/{self.prefix}")

    def begin(self, paid: Paid) -> None:
        """Write down that the attempt begins. From here on it counts, however it ends.

        Raises:  StoreUnavailable, also if another attempt at the same run has begun meanwhile.
        """
        if paid.held_to is None and not self._take(paid.attempt, paid.entry):
            what, where = "another attempt at the same run has begun", f"{self.container}/{paid.attempt}"
            raise StoreUnavailable(what, where, "spec.limits", "none needed: the next attempt looks how that one ended")

    def _again(self, slot: str, own: Entry, ended: Ended) -> Paid | None:
        """Return what another attempt at the run of `slot` may tell; None if it has to pay."""
        for number in range(1, MAX_ATTEMPTS + 1):
            name = f"{slot}.{number}"
            there = self._entry(name)
            if there is None:
                return Paid(own, name)
            end = ended(there.token) if self._has(name, there) else None
            if end is None:
                return None
            if end.agreed is not None:
                return Paid(own, name, end.agreed)
        return None

    def _last_begun(self, slot: str, taken: Entry, limits: Limits, now: datetime.datetime) -> datetime.datetime:
        """Return when the last attempt at the run of `slot` began, if that may count where its first does no more."""
        at, period = taken.at, period_of(limits)
        # There are none later than a period after the slot was taken: they would not have been free.
        if period is None or not period <= now - at < 2 * period:
            return at
        for number in range(1, MAX_ATTEMPTS + 1):
            there = self._entry(f"{slot}.{number}")
            if there is None:
                break
            at = max(at, there.at)
        return at

    def _listed(self) -> tuple[frozenset[str], int]:
        """Return the entries that the store lists, and the last slot among them."""
        try:
            names = frozenset(self.store.names(self.container, f"{self.prefix}/"))
        except StoreRefused as error:
            raise self._refused(error, self.prefix, "list") from None
        slots = (_SLOT.match(name.removeprefix(self.prefix)) for name in names)
        return names, max((int(found[1]) for found in slots if found), default=0)

    def _take(self, name: str, own: Entry) -> bool:
        """Whether the slot is ours now: at most one of all who try is told so."""
        return (
            self._write(name, own)
            and self._entry(name + CLOSED) is None
            and self._write(name + CLOSED, own)
            and self._entry(name) == own
        )

    def _has(self, name: str, entry: Entry) -> bool:
        """Whether `entry` is at the door and has closed it: then nobody else got the slot."""
        return self._entry(name + CLOSED) == entry

    def _write(self, name: str, entry: Entry) -> bool:
        try:
            done = self.store.put_once(self.container, name, canonical_json(entry))
        except StoreRefused as error:
            raise self._refused(error, name, "write to") from None
        # One whose answer was lost is told that it exists, and it is ours.
        return done == "created" or self._entry(name) == entry

    def _refused(self, error: StoreRefused, name: str, act: str) -> StoreRefused:
        fix = f"let the Secret's user {act} {self.container}: what runs spend of the policy's limits is kept there"
        return StoreRefused(error.what, f"{self.container}/{name}", "spec.limits", fix)

    def _entry(self, name: str) -> Entry | None:
        content = self.store.get_newest(self.container, name, MAX_ENTRY_BYTES)
        if content is None:
            return None
        try:
            return Entry.model_validate_json(content)
        except ValidationError:
            fix = "nobody writes there by hand: restore it, or remove it if you know that its run never was"
            raise StoreUnavailable("an entry cannot be read", f"{self.container}/{name}", "spec.limits", fix) from None
