"""What runs spend: whatever the order in which two act on a store, a limit is never passed; and in a real Swift."""

import datetime
import itertools
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import swiftclient

from policy.parse import parse_policy
from tests.policy.test_limits import TEXT
from tests.worker.endpoints.mounting import mount, v1
from worker.endpoints.store import PutResult
from worker.endpoints.swift import SwiftStore
from worker.errors import StoreRefused, StoreUnavailable
from worker.ledger import Entry, Ledger, Paid
from worker.settlement import Settled

NOW = datetime.datetime(2027, 6, 30, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
WAIT_S = 60


def policy(limits: str):
    return parse_policy(TEXT.replace("LIMITS", limits), "p.yaml")


def entry(run: str, now=NOW, digest: str = "", epsilon: float = 0.0) -> Entry:
    return Entry(run=run, digest=digest or run.ljust(64, "0"), at=now, epsilon=epsilon, token=secrets.token_hex(16))


def unsettled(attempt: str) -> None:
    """Nobody knows how any attempt ended."""


ONE, TWO = policy("{runs: 1}"), policy("{runs: 2, per: P30D}")


@dataclass
class Turns:
    """Lets two threads act on a store one step at a time, in a given order."""

    order: Iterator[int]
    ready: list[threading.Event] = field(default_factory=lambda: [threading.Event(), threading.Event()])
    go: list[threading.Event] = field(default_factory=lambda: [threading.Event(), threading.Event()])
    ended: list[bool] = field(default_factory=lambda: [False, False])

    def step(self, me: int) -> None:
        self.ready[me].set()
        assert self.go[me].wait(WAIT_S)
        self.go[me].clear()

    def end(self, me: int) -> None:
        self.ended[me] = True
        self.ready[me].set()

    def run(self) -> None:
        while not all(self.ended):
            for ready in self.ready:
                assert ready.wait(WAIT_S)
            alive = [me for me in (0, 1) if not self.ended[me]]
            if not alive:
                return
            wanted = next(self.order, alive[0])
            me = wanted if wanted in alive else alive[0]
            self.ready[me].clear()
            self.go[me].set()
            assert self.ready[me].wait(WAIT_S)


@dataclass
class Racing:
    """A store that looks first and writes later, as Swift does, as one of two threads sees it."""

    objects: dict[str, bytes]
    turns: Turns
    me: int

    def get_newest(self, container: str, name: str, limit_bytes: int) -> bytes | None:
        self.turns.step(self.me)
        return self.objects.get(name)

    def names(self, container: str, prefix: str) -> list[str]:
        return []  # as far behind as a listing can be

    def put_once(self, container: str, name: str, content: bytes, readers=()) -> PutResult:
        self.turns.step(self.me)
        if name in self.objects:
            return "exists"
        self.turns.step(self.me)
        self.objects[name] = content
        return "created"


def two_at_once(order: tuple[int, ...], limited, kind: type[Ledger] = Ledger) -> list[bool]:
    turns, objects, passed = Turns(iter(order)), {}, [False, False]
    runs = ("a", "b")

    def act(me: int) -> None:
        ledger = kind(Racing(objects, turns, me), "c", "p")
        passed[me] = isinstance(ledger.spend(limited, entry(runs[me], NOW), unsettled), Paid)
        turns.end(me)

    threads = [threading.Thread(target=act, args=(me,), daemon=True) for me in (0, 1)]
    for thread in threads:
        thread.start()
    turns.run()
    for thread in threads:
        thread.join(WAIT_S)
    return passed


# Whoever goes first has 8 steps to its end; what is left of the other's is in no one's way then.
ORDERS = [
    tuple(1 if step in ones else 0 for step in range(14))
    for n in range(8)
    for ones in itertools.combinations(range(14), n)
]


@pytest.mark.deep
def test_in_no_order_do_two_runs_both_spend_the_last_one():
    endings = {tuple(two_at_once(order, ONE)) for order in ORDERS}
    assert endings == {(True, False), (False, True), (False, False)}


@pytest.mark.parametrize("order", ORDERS[:: len(ORDERS) // 60])
def test_two_runs_never_both_spend_the_last_one(order):
    assert two_at_once(order, ONE) != [True, True]


class Trusting(Ledger):
    """Believes the store that it was the first."""

    def _take(self, name, own):
        return self._write(name, own)


def test_one_who_believed_the_store_would_let_both_pass():
    assert two_at_once((0, 1) * 7, ONE, Trusting) == [True, True]
    assert two_at_once((0, 1) * 7, ONE) != [True, True]


@pytest.mark.parametrize("order", [(0,) * 20, (1,) * 20])
def test_one_who_acts_alone_gets_the_slot_and_the_other_the_next_one(order):
    assert two_at_once(order, ONE) == [order[0] == 0, order[0] == 1]
    assert two_at_once(order, TWO) == [True, True]


@pytest.fixture
def client(swift, swift_users) -> swiftclient.Connection:
    user = swift_users.of("alpha:steward")
    return swiftclient.Connection(authurl=swift.url, user=user.login, key=user.key, auth_version="1")


@pytest.fixture
def store_at(tmp_path, swift, swift_users) -> Callable[..., SwiftStore]:
    def open_store(login: str = "alpha:steward") -> SwiftStore:
        keys = v1(swift.url, login, swift_users.of(login).key)
        return SwiftStore(mount(tmp_path / login / secrets.token_hex(4), keys), "store")

    return open_store


@pytest.fixture
def container() -> str:
    return f"limits-{secrets.token_hex(4)}"


@pytest.fixture
def ledger(store_at) -> Ledger:
    return Ledger(store_at(), f"limits-{secrets.token_hex(4)}", "visits.csv.limits")


def spend(ledger: Ledger, run: str, limited=TWO, now=NOW, ended=unsettled) -> bool:
    return isinstance(ledger.spend(limited, entry(run, now), ended), Paid)


def test_runs_spend_one_after_another_and_a_repeat_costs_nothing(ledger, client):
    assert [spend(ledger, run) for run in ("a", "a", "b", "a", "b", "c", "a")] == [True] * 5 + [False, True]
    names = [each["name"] for each in client.get_container(ledger.container)[1]]
    assert names == [f"visits.csv.limits/00000{n}{end}" for n in (1, 2) for end in ("", ".closed")]


def attempt(ledger: Ledger, run: str, endings: dict[str, Settled], agreed: str | None = None, now=NOW) -> Paid | None:
    """Spend and begin; the attempt ends having told of `agreed`, or else of nothing. None: a limit is in the way."""
    own = entry(run, now)
    paid = ledger.spend(TWO, own, endings.get)
    if not isinstance(paid, Paid):
        return None
    ledger.begin(paid)
    endings[own.token] = Settled(attempt=own.token, agreed=agreed)
    return paid


def slots(ledger: Ledger, client) -> int:
    names = [each["name"] for each in client.get_container(ledger.container)[1]]
    return sum(name.removeprefix(f"{ledger.prefix}/").isdigit() for name in names)


def test_an_attempt_after_those_that_told_nothing_is_free_and_may_tell_of_any_data(ledger, client):
    endings: dict[str, Settled] = {}
    assert [attempt(ledger, "a", endings).held_to for _ in range(4)] == [None] * 4
    assert slots(ledger, client) == 1


def test_an_attempt_after_one_that_may_have_told_is_free_and_held_to_the_very_same(ledger, client):
    endings: dict[str, Settled] = {}
    told = ["1" * 64, None, None]
    held_to = [attempt(ledger, "a", endings, each).held_to for each in told]
    assert held_to == [None, "1" * 64, "1" * 64]
    assert slots(ledger, client) == 1


def test_an_attempt_after_one_that_nobody_knows_the_end_of_pays_again(ledger, client):
    endings: dict[str, Settled] = {}
    for _ in range(2):
        assert attempt(ledger, "a", endings).held_to is None
        endings.clear()
    assert slots(ledger, client) == 2
    assert attempt(ledger, "a", endings) is None


def test_of_two_attempts_at_one_run_only_one_begins(ledger):
    paid = [ledger.spend(TWO, entry("a"), unsettled) for _ in range(2)]
    assert paid[0].attempt == paid[1].attempt
    ledger.begin(paid[0])
    with pytest.raises(StoreUnavailable, match="another attempt at the same run has begun"):
        ledger.begin(paid[1])


def test_another_run_of_the_same_id_is_another_run(ledger):
    assert isinstance(ledger.spend(ONE, entry("a", digest="0" * 64), unsettled), Paid)
    assert ledger.spend(ONE, entry("a", digest="1" * 64), unsettled).used == 1


def test_what_is_older_than_the_period_counts_no_more_and_its_run_is_not_free_any_more(ledger):
    assert spend(ledger, "a", now=NOW - 31 * DAY)
    assert [spend(ledger, run) for run in ("b", "c", "d")] == [True, True, False]
    assert not spend(ledger, "a")


def test_a_slot_that_its_owner_removed_hides_none_that_was_taken_later(ledger, client):
    """Old ones are cleaned up, or one whose run got no further: the later ones count as before."""
    assert [spend(ledger, run, now=NOW - 31 * DAY) for run in ("a", "b")] == [True, True]
    assert [spend(ledger, run) for run in ("c", "d")] == [True, True]
    for end in ("", ".closed"):
        client.delete_object(ledger.container, f"{ledger.prefix}/000001{end}")
    assert not spend(ledger, "e")
    client.delete_object(ledger.container, f"{ledger.prefix}/000003")
    assert [spend(ledger, run) for run in ("e", "f")] == [True, False]
    assert slots(ledger, client) == 3


def test_a_run_that_was_broken_off_counts_from_its_last_attempt_on(ledger):
    """Else two are kept for the end of the period, and told beside the two of the next one."""
    endings: dict[str, Settled] = {}
    assert [attempt(ledger, run, endings, now=NOW - 29 * DAY).held_to for run in "ab"] == [None, None]
    assert [attempt(ledger, run, endings).held_to for run in "ab"] == [None, None]
    assert not spend(ledger, "c", now=NOW + 2 * DAY)
    assert not spend(ledger, "c", now=NOW + 29 * DAY)
    assert spend(ledger, "c", now=NOW + 31 * DAY)


def test_after_the_last_day_not_even_a_repeat_runs(ledger):
    limited = policy("{until: 2027-06-30}")
    assert spend(ledger, "a", limited)
    assert not spend(ledger, "a", limited, NOW + DAY)


def test_a_slot_whose_run_died_at_the_door_counts(ledger, client):
    spend(ledger, "a", ONE)
    client.delete_object(ledger.container, "visits.csv.limits/000001.closed")
    assert not spend(ledger, "b", ONE)
    assert not spend(ledger, "a", ONE)  # nobody knows whether another one has it


def test_many_at_once_never_spend_more_than_there_is(store_at, container):
    for n_round in range(6):
        start, passed = threading.Barrier(5), []

        def act(run: str, start=start, passed=passed, prefix=f"p{n_round}") -> None:
            ledger = Ledger(store_at(), container, prefix)
            start.wait(WAIT_S)
            passed.append(spend(ledger, run))

        threads = [threading.Thread(target=act, args=(run,)) for run in "abcde"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        assert len(passed) == 5
        assert sum(passed) <= 2


def test_two_at_once_never_both_spend_the_last_one_of_a_real_store(store_at, container):
    winners = []
    for n_round in range(12):
        start, passed = threading.Barrier(2), {}

        def act(run: str, start=start, passed=passed, prefix=f"p{n_round}") -> None:
            ledger = Ledger(store_at(), container, prefix)
            start.wait(WAIT_S)
            passed[run] = spend(ledger, run, ONE)

        threads = [threading.Thread(target=act, args=(run,)) for run in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        assert sorted(passed) == ["a", "b"]
        winners.append(sum(passed.values()))
    assert set(winners) <= {0, 1}


def test_an_entry_that_nobody_can_read_ends_the_run_and_is_not_overlooked(ledger, client):
    client.put_container(ledger.container)
    client.put_object(ledger.container, "visits.csv.limits/000001", b"{}")
    with pytest.raises(StoreUnavailable, match="an entry cannot be read"):
        spend(ledger, "a")


def test_who_may_not_write_is_told_what_for(store_at, client):
    container = f"limits-{secrets.token_hex(4)}"
    client.put_container(container, {"X-Container-Read": "alpha:worker"})
    with pytest.raises(StoreRefused) as caught:
        spend(Ledger(store_at(login="alpha:worker"), container, "p"), "a")
    assert "limits" in caught.value.fix
