import contextlib
import os
import socket
import ssl
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.mpc.channel import FIRST_BYTES, HEADER, VERSION, Channel, Kind, Network
from conclave.mpc.compare import less_than
from conclave.mpc.errors import DeadlineExceeded, FrameError, PeerLost, ProtocolError
from conclave.mpc.party import Party
from conclave.mpc.shares import open_bits
from tests.certificates import self_signed
from tests.conclave.mpc.three import NAMES, deal_input, run_networks, run_parties

LARGE = 5_000_000  # far more than the kernel buffers of a socket pair hold
LONG_S, SHORT_S = 300.0, 0.2  # the former is never waited for, however busy the machine is


def one_sided(timeout_s: float = LONG_S) -> tuple[Network, socket.socket]:
    ours, theirs = socket.socketpair()
    return Network("alpha", {"bravo": Channel(ours, "bravo")}, timeout_s), theirs


def frame(payload: bytes, version=VERSION, kind=Kind.MPC, step=0, length=None) -> bytes:
    return HEADER.pack(version, kind, step, len(payload) if length is None else length) + payload


def test_large_messages_in_both_directions_do_not_deadlock():
    def work(network):
        peers = [name for name in NAMES if name != network.me]
        message = network.me.encode()[:1] * LARGE
        return network.exchange(dict.fromkeys(peers, message), dict.fromkeys(peers, LARGE))

    results = run_parties(work)
    assert all(got == peer.encode()[:1] * LARGE for r in results.values() for peer, got in r.items())


def test_a_frame_sent_early_waits_for_its_turn():
    def work(network):
        if network.me == "alpha":
            for text in (b"one", b"two"):
                network.exchange({"bravo": text}, {})
            return None
        if network.me == "bravo":
            return [bytes(network.exchange({}, {"alpha": 3})["alpha"]) for _ in range(2)]
        return None

    assert run_parties(work)["bravo"] == [b"one", b"two"]


def test_control_messages_have_any_length_up_to_the_limit():
    def work(network):
        peers = [name for name in NAMES if name != network.me]
        text = network.me.encode() * 3
        got = network.exchange_control(dict.fromkeys(peers, text), peers, limit=15)
        assert got == {peer: peer.encode() * 3 for peer in peers}
        assert network.rounds == 0

    run_parties(work)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (frame(b"x" * 8, version=2), "version"),
        (frame(b"x" * 8, kind=Kind.CONTROL), "kind"),
        (frame(b"x" * 8, step=1), "step"),
        (frame(b"x" * 9), "length"),
        (frame(b"x" * 7), "length"),
        (frame(b"", length=1 << 63), "length"),
    ],
)
def test_an_unexpected_frame_is_refused_by_its_header(message, field):
    network, peer = one_sided()
    peer.sendall(message)
    with pytest.raises(FrameError) as caught:
        network.exchange({}, {"bravo": 8})
    assert caught.value.field == field
    assert caught.value.peer == "bravo"
    with pytest.raises(ProtocolError, match="failed before"):
        network.exchange({}, {"bravo": 8})


def test_a_control_message_over_the_limit_is_refused():
    network, peer = one_sided()
    peer.sendall(frame(b"x" * 9, kind=Kind.CONTROL))
    with pytest.raises(FrameError):
        network.exchange_control({}, ["bravo"], limit=8)


def test_a_replayed_frame_is_refused():
    network, peer = one_sided()
    peer.sendall(frame(b"x") * 2)
    network.exchange({}, {"bravo": 1})
    with pytest.raises(FrameError) as caught:
        network.exchange({}, {"bravo": 1})
    assert caught.value.field == "step"


@pytest.mark.parametrize("announced", [FIRST_BYTES, FIRST_BYTES << 8])
def test_memory_is_taken_for_what_has_come_not_for_what_is_announced(announced):
    network, peer = one_sided()
    peer.sendall(frame(b"only this", length=announced))
    peer.close()
    before = resident_bytes()
    with pytest.raises(PeerLost) as caught:
        network.exchange({}, {"bravo": announced})
    assert caught.value.peer == "bravo"
    assert network.channels["bravo"].bytes_received == HEADER.size + 9
    assert resident_bytes() - before < 1 << 26  # the room itself lives on in the channel, and in the error's frames


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_frame_longer_than_what_is_asked_for_at_once_comes_whole(monkeypatch):
    monkeypatch.setattr("conclave.mpc.channel.FIRST_BYTES", 1000)
    network, peer = one_sided()
    message = np.random.default_rng(1).bytes(100_001)
    sender = threading.Thread(target=peer.sendall, args=(frame(message),))
    sender.start()
    assert network.exchange({}, {"bravo": len(message)})["bravo"] == message
    sender.join()
    peer.close()


@pytest.mark.parametrize("sent", [b"", frame(b"x" * 8)[:5], frame(b"x" * 8)[:-1]])
def test_a_silent_peer_ends_in_a_deadline(sent):
    network, peer = one_sided(SHORT_S)
    peer.sendall(sent)
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        network.exchange({}, {"bravo": 8})
    assert SHORT_S <= time.monotonic() - started < LONG_S
    assert caught.value.peer == "bravo"


def test_a_peer_that_does_not_read_ends_in_a_deadline():
    network, _peer = one_sided(SHORT_S)
    with pytest.raises(DeadlineExceeded):
        network.exchange({"bravo": bytes(300_000)}, {})
    _peer.close()


@pytest.mark.parametrize("sent", [b"", frame(b"x" * 8)[:5], frame(b"x" * 8)[:-1]])
def test_the_end_of_the_stream_is_a_lost_peer(sent):
    network, peer = one_sided()
    peer.sendall(sent)
    peer.close()
    with pytest.raises(PeerLost):
        network.exchange({}, {"bravo": 8})


def test_bytes_and_rounds_are_counted():
    network, peer = one_sided()
    network.exchange({"bravo": b"12345"}, {})
    assert (network.rounds, network.bytes_sent) == (1, 5)
    assert network.channels["bravo"].bytes_sent == HEADER.size + 5
    peer.close()


def relay(source: socket.socket, target: socket.socket, budget: list[int]) -> None:
    """Pass bytes on until the budget of both directions is used up, then cut the line."""
    try:
        while data := source.recv(97):
            allowed = max(0, min(len(data), budget[0]))
            budget[0] -= len(data)
            target.sendall(data[:allowed])
            if budget[0] < 0:
                break
    except OSError:
        pass
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@given(cut_after=st.integers(0, 3500))
@settings(max_examples=15, deadline=None)
def test_a_line_cut_at_any_byte_ends_in_a_clean_error_at_all_three(cut_after):
    channels: dict[str, dict[str, Channel]] = {name: {} for name in NAMES}
    budget, loose = [cut_after], []
    for a, b in (("alpha", "carol"), ("bravo", "carol"), ("alpha", "bravo")):
        left, right = socket.socketpair()
        if (a, b) == ("alpha", "bravo"):
            far, right_end = socket.socketpair()
            for source, target in ((right, far), (far, right)):
                threading.Thread(target=relay, args=(source, target, budget), daemon=True).start()
            loose, right = [right, far], right_end
        channels[a][b], channels[b][a] = Channel(left, b), Channel(right, a)
    networks = {name: Network(name, channels[name], LONG_S) for name in NAMES}
    x = deal_input(np.arange(20))

    def work(network):
        me = Party.setup(network, NAMES, b"cut")
        for _ in range(3):
            result = open_bits(less_than(x[me.index], x[me.index], me), me)
        return result

    results = run_networks(networks, work)
    for network in networks.values():
        network.close()
    for end in loose:
        end.close()
    if any(isinstance(result, Exception) for result in results.values()):
        assert all(isinstance(result, ProtocolError | np.ndarray) for result in results.values())
        # A cut is heard of at once, and passed on: nobody finds it out by waiting.
        assert not any(isinstance(result, DeadlineExceeded) for result in results.values())
    else:
        assert cut_after > 1000  # all was said before the cut
    assert cut_after > 3000 or sum(isinstance(r, ProtocolError) for r in results.values()) >= 2


def test_channels_work_over_tls(tmp_path):
    pem = tmp_path / "bravo.pem"
    pem.write_bytes(b"".join(self_signed(x509.DNSName("bravo"))))
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(pem))
    server.load_cert_chain(pem)
    left, right = socket.socketpair()
    accepted: list[socket.socket] = []
    accept = threading.Thread(target=lambda: accepted.append(server.wrap_socket(right, server_side=True)))
    accept.start()
    ours = client.wrap_socket(left, server_hostname="bravo")
    accept.join()
    networks = {
        "alpha": Network("alpha", {"bravo": Channel(ours, "bravo")}, LONG_S),
        "bravo": Network("bravo", {"alpha": Channel(accepted[0], "alpha")}, LONG_S),
    }

    def work(network):
        (peer,) = network.channels
        for size in (0, 1, LARGE, 7):
            got = network.exchange({peer: network.me.encode()[:1] * size}, {peer: size})
            assert got[peer] == peer.encode()[:1] * size

    assert run_networks(networks, work) == {"alpha": None, "bravo": None}
    networks["alpha"].close()
    with pytest.raises(PeerLost):
        networks["bravo"].exchange({}, {"alpha": 1})
    networks["bravo"].close()
