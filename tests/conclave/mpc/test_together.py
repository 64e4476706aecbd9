"""Independent protocols side by side: what each gives alone, in the rounds of the longest."""

import threading

import numpy as np
import pytest

from conclave.mpc.compare import is_negative, less_than
from conclave.mpc.convert import arithmetic_to_planes, select
from conclave.mpc.errors import PeerLost, ProtocolError
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import open_arithmetic
from conclave.mpc.sort import sort_permutation
from conclave.mpc.together import added_rounds, together, wait_for
from tests.conclave.mpc.three import NAMES, connect, run_networks, run_parties, run_three_parties

X = np.arange(-20, 20) * 977
Y = np.arange(40)[::-1] + 3


def ordered(x, me):
    return sort_permutation(arithmetic_to_planes(x, me, 17), me).apply([x], me)[0]


PROTOCOLS = {
    "sort": lambda x, y, me: ordered(x, me),
    "largest": lambda x, y, me: select(less_than(x, y, me), y, x, me),
    "less than": lambda x, y, me: less_than(x, y, me),
    "multiply": lambda x, y, me: multiply(x, y, me),
}


def all_of_them(x, y, me):
    return together([lambda lane, p=p: p(x, y, lane) for p in PROTOCOLS.values()], me)


def test_each_gives_what_it_gives_alone_in_the_rounds_of_the_longest_at_the_bytes_of_all():
    alone = {name: run_three_parties(protocol, X, Y) for name, protocol in PROTOCOLS.items()}
    beside = run_three_parties(all_of_them, X, Y)
    for opened, (name, run) in zip(beside.opened, alone.items(), strict=True):
        np.testing.assert_array_equal(opened, run.opened, err_msg=name)
    assert beside.cost.rounds == max(run.cost.rounds for run in alone.values())
    sent = [[sum(n for _, *said in t for _, n in said) for t in run.transcripts] for run in (beside, *alone.values())]
    assert sent[0] == [sum(one) for one in zip(*sent[1:], strict=True)]
    np.testing.assert_array_equal(beside.opened[0].view(np.int64), X[np.argsort(X % (1 << 17))])


def test_what_an_observer_sees_does_not_depend_on_the_data():
    first, second = run_three_parties(all_of_them, X, Y), run_three_parties(all_of_them, X * 0, Y[::-1].copy())
    assert first.transcripts == second.transcripts


def test_lanes_may_have_lanes():
    def nested(x, y, me):
        return together([lambda lane: all_of_them(x, y, lane), lambda lane: all_of_them(y, x, lane)], me)

    flat, run = run_three_parties(all_of_them, X, Y), run_three_parties(nested, X, Y)
    assert run.cost.rounds == flat.cost.rounds
    for opened, expected in zip(run.opened[0], flat.opened, strict=True):
        np.testing.assert_array_equal(opened, expected)


def test_what_is_opened_in_lanes_of_different_lengths_is_compared_as_if_it_were_alone():
    def opening(x, y, me):
        return together(
            [
                lambda lane: (open_arithmetic(multiply(x, y, lane), lane), open_arithmetic(x, lane)),
                lambda lane: open_arithmetic(ordered(x, lane), lane),
            ],
            me,
        )

    run = run_three_parties(opening, X, Y)  # which compares openings when all is done
    np.testing.assert_array_equal(run.opened[0][0].view(np.int64), X * Y)


def test_a_party_that_is_not_side_by_side_runs_one_after_the_other():
    def in_turn(x, y, me):
        me.side_by_side = False
        return all_of_them(x, y, me)

    alone = [run_three_parties(protocol, X, Y).cost.rounds for protocol in PROTOCOLS.values()]
    assert run_three_parties(in_turn, X, Y).cost.rounds == sum(alone)


def test_rounds_that_lanes_share_are_counted_once():
    def counting(x, y, me):
        counted = {}

        def count(name, lane):
            PROTOCOLS[name](x, y, lane)
            counted[name] = added_rounds(lane)

        started = added_rounds(me)
        together([lambda lane, name=name: count(name, lane) for name in ("less than", "multiply", "largest")], me)
        return {**counted, "all": added_rounds(me) - started}

    counted = run_three_parties(counting, X, Y).opened
    costs = {name: run_three_parties(PROTOCOLS[name], X, Y).cost.rounds for name in ("less than", "largest")}
    assert counted == {
        "less than": costs["less than"],
        "multiply": 0,
        "largest": costs["largest"] - costs["less than"],
        "all": costs["largest"],
    }


def test_a_protocol_can_wait_for_what_another_makes():
    def chained(x, y, me):
        made = {}

        def first(lane):
            made["product"] = multiply(x, y, lane)

        def second(lane):
            wait_for(lambda: "product" in made, lane)
            return is_negative(made["product"], lane)

        return together([second, first], me)[0]

    run = run_three_parties(chained, X, Y)
    np.testing.assert_array_equal(run.opened, X < 0)
    # The waiting one comes before the other, and so misses the round in which that is done.
    assert run.cost.rounds == multiply.cost(n=40).rounds + is_negative.cost(n=40).rounds


def test_a_protocol_can_wait_for_what_runs_beside_all_those_that_it_runs_beside():
    def chained(x, y, me):
        made = []

        def inner(lane):
            wait_for(lambda: bool(made), lane)
            return is_negative(made[0], lane)

        waiting, _ = together(
            [
                lambda lane: together([inner, inner], lane),
                lambda lane: made.append(multiply(x, y, lane)),
            ],
            me,
        )
        return waiting

    run = run_three_parties(chained, X, Y)
    np.testing.assert_array_equal(run.opened, [X < 0] * 2)
    assert run.cost.rounds == multiply.cost(n=40).rounds + is_negative.cost(n=40).rounds


def test_protocols_that_wait_for_each_other_are_found_out():
    def stuck(x, me):
        together([lambda lane: wait_for(lambda: False, lane)] * 2, me)

    with pytest.raises(ProtocolError, match="wait for each other"):
        run_three_parties(stuck, X)
    with pytest.raises(ProtocolError, match="nothing runs beside"):
        run_three_parties(lambda x, me: wait_for(lambda: False, me), X)


def test_the_first_error_is_everybodys_and_leaves_no_thread():
    def failing(x, y, me):
        def fail(lane):
            multiply(x, y, lane)
            raise ZeroDivisionError(lane.index)

        together([lambda lane: all_of_them(x, y, lane), fail], me)

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        run_three_parties(failing, X, Y)
    assert threading.active_count() == before


def test_a_peer_that_is_lost_ends_all_lanes_of_the_others():
    before = threading.active_count()
    networks = connect(NAMES)

    def work(network):
        me = Party.setup(network, NAMES, b"test")
        if me.index == 2:
            network.close()
            return None
        zeros = np.zeros(9, np.uint64)
        return together([lambda lane: lane.send_prev_receive_next(zeros)] * 3, me)

    ended = run_networks(networks, work)
    assert isinstance(ended["alpha"], PeerLost)
    assert isinstance(ended["bravo"], PeerLost)
    assert threading.active_count() == before


def test_lanes_send_no_control_messages():
    def talking(x, me):
        together([lambda lane: lane.network.exchange_control({}, (), 0)] * 2, me)

    with pytest.raises(ProtocolError, match="control"):
        run_three_parties(talking, X)


def test_every_lane_has_streams_of_its_own_that_neighbours_have_in_common():
    def work(network):
        me = Party.setup(network, NAMES, b"test")

        def draw(party):
            return [side.use("zero").draw(2).tobytes() for side in (party.streams.with_next, party.streams.with_prev)]

        def lanes():
            return together([draw, lambda lane: [d for two in together([draw, draw], lane) for d in two]], me)

        return [drawn for two in (lanes(), lanes()) for lane in two for drawn in lane] + draw(me)

    results = run_parties(work)
    a, b, c = (results[name] for name in NAMES)
    for left, right in ((a, b), (b, c), (c, a)):
        assert left[0::2] == right[1::2]
    assert len({*a, *b, *c}) == 3 * len(a) / 2
