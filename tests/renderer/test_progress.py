"""Who waits is told how far it is; who does not, and who reads a log, is told nothing."""

import io
import itertools

import pytest

from renderer.progress import Terminal


class Screen(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def watched(screen: Screen, seconds_between: float) -> list[int]:
    clock = itertools.count()
    watch = Terminal(screen, lambda: next(clock) * seconds_between)
    return list(watch("files written", range(10)))


def test_a_long_wait_is_told_and_then_taken_away() -> None:
    screen = Screen(is_terminal=True)

    assert watched(screen, 0.5) == list(range(10))

    first, *_, last = screen.getvalue().split("\r")[1:]
    assert first.startswith("files written: ")
    assert "of 10" in first
    assert last == "\x1b[K"


@pytest.mark.parametrize(("is_terminal", "seconds"), [(True, 0.01), (False, 0.5)])
def test_a_short_wait_and_a_log_are_left_alone(is_terminal: bool, seconds: float) -> None:
    screen = Screen(is_terminal)

    assert watched(screen, seconds) == list(range(10))
    assert screen.getvalue() == ""
