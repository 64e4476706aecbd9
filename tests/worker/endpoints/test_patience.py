import datetime
import email.utils

import pytest

from worker.endpoints.patience import Pace, Passing, Patience, Trying
from worker.endpoints.swift_answers import retry_after_s
from worker.errors import StoreUnavailable


def failing(*problems: Passing):
    left = list(problems)

    def act() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return act


def test_pauses_grow_by_chance_and_never_beyond_their_limit():
    longest = [0.0] * 8
    for _ in range(200):
        pauses: list[float] = []
        patience = Patience(attempts=9, first_pause_s=1, longest_pause_s=8)
        Trying(patience, pauses.append).until_done(failing(*[Passing("x")] * 8), "c/o", "")
        longest = [max(pair) for pair in zip(longest, pauses, strict=True)]
        assert len(set(pauses)) == 8
    assert [pause <= limit for pause, limit in zip(longest, [1, 2, 4, 8, 8, 8, 8, 8], strict=True)] == [True] * 8
    assert longest[3] > 4 > longest[1]


def test_a_store_that_says_when_is_asked_then_and_not_earlier():
    pauses: list[float] = []
    trying = Trying(Patience(longest_retry_after_s=60), pauses.append)
    assert trying.until_done(failing(Passing("busy", 7), Passing("busy", 9999)), "c/o", "") == "done"
    assert 7 <= pauses[0] <= 8
    assert 60 <= pauses[1] <= 62


def test_attempts_in_vain_are_counted_only_since_the_last_progress():
    moved = [0]

    def act() -> None:
        moved[0] += 600_000
        raise Passing("cut") if moved[0] < 20_000_000 else StopIteration

    trying = Trying(Patience(attempts=2), lambda pause_s: None)
    with pytest.raises(StopIteration):
        trying.until_done(act, "c/o", "", lambda: moved[0])
    with pytest.raises(StoreUnavailable, match="in 2 attempts: cut"):
        trying.until_done(failing(*[Passing("cut")] * 3), "c/o", "")


def test_a_trickle_is_noticed_and_a_slow_line_is_not_one():
    now = [0.0]
    pace = Pace(Patience(window_s=10, least_bytes=1000), lambda: now[0])
    for _ in range(100):
        now[0] += 5
        pace.moved(500)
    for n_bytes in (499, 500):
        now[0] += 4
        pace.moved(n_bytes)
    now[0] += 2
    with pytest.raises(Passing, match="fell below 1000 bytes in 10 s"):
        pace.moved(0)


@pytest.mark.parametrize(("text", "seconds"), [("3", 3), (" 0 ", 0), ("", None), ("soon", None), ("-1", None)])
def test_retry_after_in_seconds(text, seconds):
    assert retry_after_s({"Retry-After": text}) == seconds


def test_retry_after_as_a_date():
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=900)
    assert 600 < (retry_after_s({"Retry-After": email.utils.format_datetime(then, usegmt=True)}) or 0) <= 900
    assert retry_after_s({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
