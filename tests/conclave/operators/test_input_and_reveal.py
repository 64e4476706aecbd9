import dataclasses

import numpy as np
import pytest
from hypothesis import given

from conclave.mpc.channel import Network
from conclave.mpc.errors import AgreementError, DeadlineExceeded, ProtocolError, ShapeError
from conclave.mpc.party import Party
from conclave.mpc.randomness import SEED_BYTES
from conclave.operators.input import exchange_inputs
from conclave.operators.reveal import receive_revealed, reveal_to
from conclave.operators.table import concat
from tests.conclave.mpc.three import NAMES, RecordingNetwork, connect, run_networks, run_parties
from tests.conclave.operators.tables import (
    ALL,
    KEEP,
    OWNERS,
    bag,
    declare,
    keep_odd,
    kept,
    plain,
    rows_of,
    run_tables,
    to_rows,
)

TABLES = [declare(f"t{k}", owner, {KEEP: True, "x": False, "y": True}) for k, owner in enumerate(OWNERS)]


@given(rows=rows_of(True, False, True, wide=True), more=rows_of(True, False, True))
def test_rows_of_several_owners_come_out_as_they_went_in(rows, more):
    parts = [rows, more, rows[:1], []]
    got = run_tables(lambda *args: concat(args[:-1], args[-1]), list(zip(TABLES, parts, strict=True)))
    assert bag(got) == bag([row for part in parts for row in part])


@given(rows=rows_of(True, False, True, wide=True))
def test_recipients_get_the_valid_rows_only(rows):
    assert bag(run_tables(keep_odd, [(TABLES[0], rows)])) == bag(kept(rows))


@pytest.mark.parametrize("recipients", [("alpha",), ("bravo",), ("carol", "delta"), ALL])
def test_any_party_can_be_a_recipient(recipients):
    rows = [(k, k * k, None if k == 2 else k) for k in range(6)]
    assert bag(run_tables(keep_odd, [(TABLES[1], rows)], recipients=recipients)) == bag(kept(rows))


def test_what_is_sent_does_not_depend_on_the_data():
    def transcripts(rows):
        def work(network):
            table = TABLES[0]
            mine = {table.name: plain(table, rows)} if network.me == table.owner else {}
            shared = exchange_inputs([table], mine, network, NAMES)
            if network.me in NAMES:
                me = Party.setup(network, NAMES, b"")
                reveal_to(keep_odd(shared[table.name], me), ["echo"], me)
            elif network.me == "echo":
                receive_revealed(network, NAMES, 100)
            return network.transcript

        return run_parties(work, ALL, RecordingNetwork)

    assert transcripts([(1, 2, 3)] * 9) == transcripts([(None, 0, None)] * 9)


def test_an_owner_that_does_not_compute_shares_with_those_who_bring_nothing():
    table, rows = TABLES[0], [(1, 2, None), (3, 4, 5)]

    def work(network):
        if network.me == "delta":
            return exchange_inputs([table], {table.name: plain(table, rows)}, network, NAMES)
        if network.me in NAMES:
            shared = exchange_inputs([table], {}, network, NAMES)
            return reveal_to(shared[table.name], ["alpha"], Party.setup(network, NAMES, b""))
        return None

    assert bag(to_rows(run_parties(work, ALL)["alpha"])) == bag(rows)


def test_more_rows_than_declared_are_refused_on_both_sides():
    small = dataclasses.replace(TABLES[0], max_rows=1)
    rows = [(1, 2, 3)] * 2

    def work(network, at_owner):
        table = at_owner if network.me == "delta" else small
        mine = {table.name: plain(table, rows)} if network.me == "delta" else {}
        exchange_inputs([table], mine, network, NAMES)

    for at_owner in (small, TABLES[0]):
        with pytest.raises(ShapeError):
            run_parties(lambda network, at=at_owner: work(network, at), ALL)


def lie_to(network, victim, is_data, change):
    """Let the owner tell `victim` something else than the others: in the header, or in the last part."""
    name = "exchange" if is_data else "exchange_control"
    honest = getattr(network, name)

    def lying(outgoing, *rest):
        setattr(network, name, honest)  # it lies once
        told = {peer: change(bytes(body)) if peer == victim else body for peer, body in outgoing.items()}
        return honest(told, *rest)

    setattr(network, name, lying)


def flipped(at):
    return lambda body: body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


# What an owner of 65 rows tells one of the three: another number of rows, which takes as many words of bits, but is
# another length on the wire; another seed, of the one or the other part; and another last part.
LIES = [(victim, False, at) for victim in NAMES for at in (0, 8, 8 + SEED_BYTES - 1)]
LIES += [("alpha", False, 8 + SEED_BYTES), *((victim, True, at) for victim in NAMES[1:] for at in (0, 8 * 65))]


@pytest.mark.parametrize(("victim", "is_data", "at"), LIES)
@pytest.mark.parametrize("owner", ["delta", "alpha"])
def test_an_owner_that_tells_the_three_different_things_ends_in_a_clean_error_at_all_three(owner, victim, is_data, at):
    """Whether it computes itself or not; what was held alike by two before would make a false answer of it."""
    if owner == victim:
        return
    table, rows = dataclasses.replace(declare("t", owner, {"x": False, "y": True}), max_rows=100), [(1, 2)] * 65

    def work(network):
        mine = {"t": plain(table, rows)} if network.me == owner else {}
        if network.me == owner:
            lie_to(network, victim, is_data, flipped(at))
        shared = exchange_inputs([table], mine, network, NAMES)
        if network.me in NAMES:  # whoever holds nothing else than its neighbours hears of it in the first round
            me = Party.setup(network, NAMES, b"")
            return reveal_to(shared["t"], ["alpha"], me)
        return None

    networks = connect((*NAMES, "delta"), Network, 20.0)
    try:
        ended = run_networks(networks, work)
    finally:
        for network in networks.values():
            network.close()
    assert all(isinstance(ended[name], ProtocolError) for name in NAMES), ended
    assert not any(isinstance(each, DeadlineExceeded) for each in ended.values()), ended
    if at >= 8 or is_data:
        blamed = [each for each in ended.values() if isinstance(each, AgreementError)]
        assert blamed
        assert {each.peers for each in blamed} == {(owner,)}


def test_undeclared_nulls_other_types_and_wider_values_are_refused():
    table = declare("t", "delta", {"x": False}, x=8)
    for columns in (
        {"x": (np.array([1, 128]), None)},
        {"x": (np.array([-129]), None)},
        {"x": (np.array([1, 2]), np.array([True, False]))},
        {"x": (np.array([1.0, 2.0]), None)},
    ):
        with pytest.raises(ShapeError):
            run_parties(
                lambda network, c=columns: exchange_inputs(
                    [table], {"t": c} if network.me == "delta" else {}, network, NAMES
                ),
                ALL,
            )


def test_compute_parties_that_announce_different_results_are_not_believed():
    def work(network):
        if network.me == "echo":
            return receive_revealed(network, NAMES, 10)
        if network.me in NAMES:
            n_rows = 3 if network.me == "bravo" else 2
            network.exchange_control({"echo": f"[{n_rows}, false, []]".encode()}, (), 0)
        return None

    with pytest.raises(AgreementError):
        run_parties(work, ALL)


@pytest.mark.parametrize("text", [b"", b"{}", b"[-1, false, []]", b'[1, false, [["x"]]]', b"[1, 0, []]", b"\xff"])
def test_an_announcement_that_is_none_is_refused(text):
    def work(network):
        if network.me == "echo":
            return receive_revealed(network, NAMES, 10)
        if network.me in NAMES:
            network.exchange_control({"echo": text}, (), 0)
        return None

    with pytest.raises(AgreementError):
        run_parties(work, ALL)
