"""Every primitive is held to the rounds and bytes that it declares: by a run of its own, or as a part of one that is.

What a primitive declares that is put together from others counts theirs, so that a run of it holds them, too.
"""

import importlib
import pkgutil

import numpy as np
import pytest

import conclave.mpc
import conclave.operators
from conclave.mpc.convert import columns_to_planes
from conclave.mpc.costs import REGISTRY, Cost
from conclave.mpc.deal import deal
from conclave.mpc.move import take
from conclave.mpc.planes import concat_planes
from conclave.mpc.shares import AShare
from conclave.mpc.shuffle import SecretShuffle, hop
from conclave.mpc.sort import sort_permutation
from conclave.mpc.split import rejoin, split
from tests.conclave.mpc.three import run_three_parties

N = 70
X, BITS = np.arange(N) - 3, np.arange(N) % 3 == 0
# Of what, and with which sizes, other tests here hold the cost of a run to be that which is declared.
HELD_ELSEWHERE = {
    "multiply": {"n": N}, "dot": {"n": N}, "and_bits": {"n": N}, "or_bits": {"n": N}, "select_bits": {"n": N},
    "and_words": {"n": N}, "bit_to_arithmetic": {"n": N}, "multiply_by_bit": {"n": N}, "select": {"n": N},
    "bits_to_arithmetic": {"n": N}, "arithmetic_to_bits": {"n": N}, "columns_to_planes": {"n": N, "columns": 2, "bits": 7},
    "less_than": {"n": N}, "equal": {"n": N}, "is_zero": {"n": N}, "is_negative": {"n": N}, "sign_of_sum": {"n": N},
    "all_equal": {"n": N, "bits": 7}, "truncate": {"n": N}, "multiply_fixed": {"n": N}, "divide": {"n": N},
    "prefix_or": {"n": N, "planes": 3}, "square_root": {"n": N}, "divide_whole": {"n": N}, "divide_whole_by": {"n": N},
    "shuffle": {"n": N, "words": 2, "bits": 1}, "partition": {"n": N},
    "sort_permutation": {"n": N, "bits": 9}, "segmented_minimum": {"n": N, "columns": 2}, "compare_openings": {},
    "merge_permutation": {"runs": [20, 17], "bits": 7}, "bitonic_merge": {"n": N, "planes": 7, "numbers": 7},
    "is_greater": {"n": N, "planes": 5}, "take_known": {"n": N, "count": 9, "words": 1, "bits": 1}, "open_to_one": {"n": N, "words": 1, "bits": 1},
    "deal_bits": {"n": N}, "open_arithmetic": {"n": N}, "open_words": {"n": N}, "open_bits": {"n": N},
}  # fmt: skip
# By the walks of whole plans, answers opened to somebody outside: tests/conclave/operators/test_matrix.py.
HELD_IN_PLANS = {"open_parts"}


def ordered(x, me):
    return sort_permutation(concat_planes(columns_to_planes([x], me, 3)), me)


def spent(work, x, b, me):
    """What the work takes of this party, rounds and bytes."""
    before = Cost(me.network.rounds, me.network.bytes_sent)
    work(x, b, me)
    return me.network.rounds - before.rounds, me.network.bytes_sent - before.bytes_sent


def taken_back(x, b, me):
    order = ordered(x, me)
    columns = [split(c, me) for c in (x, b)]
    return spent(lambda *_: take(columns, split(order.rows, me), [x, b], me), x, b, me)


def hopped(x, b, me):
    by = SecretShuffle.draw(N, me)
    return spent(lambda *_: hop([x, b], 0, by.hops[0], me), x, b, me)


HELD_HERE = {
    "deal": (lambda x, b, me: spent(lambda *_: deal(x.own, me), x, b, me), {"size_bytes": 8 * N}),
    "split": (lambda x, b, me: spent(lambda *_: split(x, me), x, b, me), {}),
    "rejoin": (
        lambda x, b, me: spent(lambda *_: rejoin([split(x, me), split(b, me)], [x, b], me), x, b, me),
        {"size_bytes": 8 * N + (N + 7) // 8},
    ),
    "take": (taken_back, {"n": N, "carried": 8 * N + (N + 7) // 8}),
    "hop": (hopped, {"n": N, "words": 1, "bits": 1}),
}


def by_name():
    for package in (conclave.mpc, conclave.operators):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    names = {name.rpartition(".")[2]: costed for name, costed in REGISTRY.items()}
    assert len(names) == len(REGISTRY)
    return names


@pytest.mark.parametrize("name", HELD_HERE)
def test_it_costs_what_it_declares(name):
    work, sizes = HELD_HERE[name]
    rounds, size_bytes = zip(*_of_each(work), strict=True)
    declared = by_name()[name].cost(**sizes)
    assert set(rounds) == {declared.rounds}
    assert max(size_bytes) == declared.bytes_sent


def _of_each(work):
    """Return what `work` returned at each of the three."""
    found = {}

    def noting(x, b, me):
        found[me.index] = work(x, b, me)
        return AShare(x.own, x.next)

    run_three_parties(noting, X, BITS)
    return list(found.values())


def test_no_primitive_is_left_out(monkeypatch):
    primitives, counted = by_name(), set()
    for name, costed in primitives.items():
        cost = costed.cost

        def noting(name=name, cost=cost, **sizes):
            counted.add(name)
            return cost(**sizes)

        monkeypatch.setattr(costed, "cost", noting)
    for name, sizes in HELD_ELSEWHERE.items():
        primitives[name].cost(**sizes)
    assert primitives.keys() - counted == HELD_HERE.keys() | HELD_IN_PLANS
