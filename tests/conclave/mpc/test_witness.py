"""What is opened is compared between its two holders: an accident on the way ends the run cleanly at all three."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.mpc.channel import Network
from conclave.mpc.errors import OpenedDiffers
from conclave.mpc.multiply import multiply
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, BShare, open_arithmetic, open_bits, open_words
from conclave.mpc.witness import compare_openings
from conclave.operators.reveal import receive_revealed, reveal_to
from conclave.operators.table import SecretColumn, SecretTable
from tests.conclave.mpc.strategies import bool_vectors, int64_vectors
from tests.conclave.mpc.three import NAMES, connect, deal_input, deal_words, run_networks, run_three_parties

OPENERS = {AShare: open_arithmetic, BShare: open_words, BitShare: open_bits}


def ends_of(work, dealt, names=NAMES):
    """What each party returned or raised."""

    def run(network: Network):
        if network.me not in NAMES:
            return receive_revealed(network, NAMES, max_rows=100)
        me = Party.setup(network, NAMES, b"test")
        return work(dealt[me.index], me)

    networks = connect(names)
    try:
        return run_networks(networks, run)
    finally:
        for network in networks.values():
            network.close()


def damaged(dealt, party, row, place=0):
    """The same sharing, but one of the two holders of one part holds another."""
    shares = list(dealt)
    part = getattr(shares[party], row).copy()
    part[place] ^= part.dtype.type(1)
    other = {"own": shares[party].own, "next": shares[party].next, row: part}
    shares[party] = type(shares[party])(**other)
    return shares


def open_and_compare(share, me):
    OPENERS[type(share)](share, me)
    compare_openings(me)
    return "equal"


@pytest.mark.parametrize("party", range(3))
@pytest.mark.parametrize("row", ["own", "next"])
@pytest.mark.parametrize("deal", [deal_input, deal_words], ids=["numbers", "words"])
def test_a_part_that_differs_between_its_holders_ends_the_run_at_all_three(deal, party, row):
    ends = ends_of(open_and_compare, damaged(deal(np.arange(9, dtype=np.int64)), party, row, place=8))
    assert [type(ends[name]) for name in NAMES] == [OpenedDiffers] * 3
    assert ends["alpha"].at == ends["bravo"].at == ends["carol"].at


@pytest.mark.parametrize("party", range(3))
def test_a_bit_that_differs_is_found_too(party):
    ends = ends_of(open_and_compare, damaged(deal_input(np.zeros(70, bool)), party, "own", place=69))
    assert [type(ends[name]) for name in NAMES] == [OpenedDiffers] * 3


@given(x=int64_vectors(n=7), bits=bool_vectors(n=13), times=st.integers(1, 3))
@settings(max_examples=10)
def test_what_is_opened_rightly_is_found_equal_at_the_declared_cost(x, bits, times):
    def work(a, b, me):
        rounds, sent = me.network.rounds, me.network.bytes_sent
        for _ in range(times):
            open_arithmetic(multiply(a, a, me), me)
            open_bits(b, me)
        before = me.network.rounds, me.network.bytes_sent
        compare_openings(me)
        took = me.network.rounds - before[0], me.network.bytes_sent - before[1]
        compare_openings(me)  # nothing new: no message
        assert (me.network.rounds - before[0], me.network.bytes_sent - before[1]) == took
        assert rounds <= before[0]
        assert sent <= before[1]
        return took

    cost = compare_openings.cost()
    assert run_three_parties(work, x, bits).opened == [cost.rounds, cost.bytes_sent]


@pytest.mark.parametrize("row", ["own", "next"])
@pytest.mark.parametrize("party", range(3))
@pytest.mark.parametrize("recipient", ["alpha", "bravo", "carol"])
def test_an_answer_whose_parts_differ_is_not_taken(recipient, party, row):
    def work(share, me):
        return reveal_to(SecretTable(5, {"x": SecretColumn(share)}), [recipient], me, keep_order=True)

    end = ends_of(work, damaged(deal_input(np.arange(5, dtype=np.int64)), party, row))[recipient]
    assert isinstance(end, OpenedDiffers)
    assert end.at == (recipient,)


def test_an_outsider_takes_a_sound_answer_and_none_whose_parts_were_changed_on_the_way():
    numbers = np.arange(5, dtype=np.int64)

    def sound(share, me):
        return reveal_to(SecretTable(5, {"x": SecretColumn(share)}), ["dave"], me, keep_order=True)

    ends = ends_of(sound, deal_input(numbers), (*NAMES, "dave"))
    assert ends["dave"]["x"][0].tolist() == numbers.tolist()

    def changed(share, me):
        exchange = me.network.exchange

        def flip(outgoing, incoming):
            if "dave" in outgoing and me.index == 1:
                outgoing = {"dave": bytes([outgoing["dave"][0] ^ 1]) + bytes(outgoing["dave"][1:])}
            return exchange(outgoing, incoming)

        me.network.exchange = flip
        return sound(share, me)

    assert type(ends_of(changed, deal_input(numbers), (*NAMES, "dave"))["dave"]) is OpenedDiffers
