import os

import pytest

from renderer.spread import Spread


@pytest.mark.parametrize("fewest", [1, 1000], ids=["several processes", "one process"])
def test_results_come_in_the_order_of_the_things(fewest):
    offset = 7  # a closure: what the work reads is there in a copy of this process
    spread = Spread(lambda n: n * n + offset, range(100), fewest)
    assert list(spread) == [n * n + 7 for n in range(100)]
    assert list(spread) == list(spread)
    assert len(spread) == 100


def test_few_things_are_worked_on_in_this_process():
    assert set(Spread(lambda _: os.getpid(), range(5))) == {os.getpid()}


@pytest.mark.skipif(os.cpu_count() == 1, reason="one processor has nothing to spread over")
def test_many_things_are_worked_on_elsewhere():
    assert os.getpid() not in list(Spread(lambda _: os.getpid(), range(100)))[1:]


def test_what_the_first_of_many_things_needed_is_there_for_all():
    made = []  # as a template, or a schema, is

    def work(_):
        if not made:
            made.append(os.getpid())
        return made[0]

    assert set(Spread(work, range(100))) == {os.getpid()}


def test_what_goes_wrong_elsewhere_is_told_here():
    def work(n):
        if n == 60:
            raise ValueError("sixty")
        return n

    with pytest.raises(ValueError, match="sixty"):
        list(Spread(work, range(100)))


def test_nothing_is_spread_over_nothing():
    assert list(Spread(lambda n: n, [], fewest=0)) == []
