"""Messages of another attempt, in another order, or of somebody else: each is signed well and stops everybody, with a reason."""

import pytest

from tests.worker.test_exchange import GO, HELLO, OFFER, VERDICT, assert_all_stop, exchange


class Recorder:
    """A party that says what it has to, and keeps it."""

    def __init__(self) -> None:
        self.said: dict[int, bytes] = {}

    def __call__(self, at: int, peer: str, honest: bytes) -> bytes:
        self.said[at] = honest
        return honest


def instead(at: int, payload: bytes):
    return lambda now, peer, honest: payload if now == at else honest


@pytest.fixture
def earlier(federation) -> dict[str, Recorder]:
    """What alpha and bravo said in an attempt before, which came to an agreement."""
    recorders = {party: Recorder() for party in ("alpha", "bravo")}
    endings, _ = exchange(federation, recorders)
    assert all(ending.error is None for ending in endings.values())
    return recorders


def test_a_verdict_of_an_earlier_attempt_stops_all(federation, earlier):
    endings, _ = exchange(federation, {"bravo": instead(VERDICT, earlier["bravo"].said[VERDICT])})
    assert_all_stop(endings, 30, "a verdict on another session")


def test_an_acceptance_that_is_anothers_stops_all(federation, earlier):
    endings, _ = exchange(federation, {"bravo": instead(VERDICT, earlier["alpha"].said[VERDICT])})
    assert_all_stop(endings, 30, "a verdict that its own key did not sign")


def test_an_earlier_hello_brings_no_earlier_verdict_in(federation, earlier):
    """All of one party's words are of the earlier attempt: the others' fresh randomness makes it another session."""
    said = earlier["bravo"].said
    endings, _ = exchange(federation, {"bravo": lambda at, peer, honest: said.get(at, honest)})
    assert_all_stop(endings, 30, "a verdict on another session")


@pytest.mark.parametrize(("at", "other"), [(HELLO, OFFER), (OFFER, VERDICT), (VERDICT, GO)])
def test_messages_in_another_order_stop_all(federation, earlier, at, other):
    endings, _ = exchange(federation, {"bravo": instead(at, earlier["bravo"].said[other])})
    assert_all_stop(endings, 30, "was due")
