import contextlib
import datetime
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from policy.identity import new_identity
from tests.worker.conftest import HANG_S, PARTIES, Ending, Federation, Written, in_parallel
from worker.errors import PeerMissing
from worker.transport import MAX_HANDSHAKES, resolve, wait_for_peers


def meet(federation: Federation, party: str, written: Written | None = None, **changes: object):
    run = federation.run.model_copy(update=changes)
    log = (written or Written()).log
    return wait_for_peers(run, party, federation.key_file(party), federation.work(party), log)


def meet_all(federations: dict[str, Federation], logs: dict[str, Written] | None = None):
    logs = logs or {party: Written() for party in federations}
    return in_parallel({p: lambda p=p: meet(federations[p], p, logs[p]) for p in federations})


def hurry(federation: Federation, barrier_s: float = 1.0) -> Federation:
    return federation.with_run(
        deadlines=federation.run.deadlines.model_copy(update={"barrier_s": barrier_s, "receive_s": 2.0})
    )


Meetings = Callable[[float, dict[str, Written]], dict[str, Ending]]


def in_vain(says: dict[str, str], meet_within: Meetings) -> tuple[dict[str, Ending], dict[str, Written]]:
    """Let parties meet who cannot; where a second is too short for them to come to say why, a longer time."""
    for barrier_s in (1.0, 10.0, 100.0):
        logs = {party: Written() for party in PARTIES}
        endings = meet_within(barrier_s, logs)
        if all(reason in str(logs[party].events) for party, reason in says.items()):
            break
    return endings, logs


def test_all_members_get_a_channel_to_every_other(federation):
    endings = meet_all(dict.fromkeys(PARTIES, federation))
    networks = {party: ending.value for party, ending in endings.items()}
    heard = in_parallel(
        {
            p: lambda p=p, net=net: net.exchange_control(
                {q: f"{p} to {q}".encode() for q in net.channels}, net.channels, 100
            )
            for p, net in networks.items()
        }
    )
    for party in PARTIES:
        others = [other for other in PARTIES if other != party]
        assert heard[party].value == {other: f"{other} to {party}".encode() for other in others}
        networks[party].close()


def test_a_connection_is_tls_1_3_with_both_identities_proven(federation):
    endings = meet_all(dict.fromkeys(PARTIES, federation))
    for party in PARTIES:
        for channel in endings[party].value.channels.values():
            sock = channel._sock
            assert sock.version() == "TLSv1.3"
            expected = ssl.PEM_cert_to_DER_cert(federation.certificates()[channel.peer_name])
            assert sock.getpeercert(binary_form=True) == expected
            assert not sock.session_reused
        endings[party].value.close()


def test_a_missing_peer_ends_the_barrier_at_its_deadline_by_name(federation):
    federation = hurry(federation)
    begun = time.monotonic()
    endings = meet_all({"alpha": federation, "bravo": federation})
    assert 1 <= time.monotonic() - begun < HANG_S
    for party in ("alpha", "bravo"):
        error = endings[party].error
        assert isinstance(error, PeerMissing)
        assert error.code == 40
        assert "carol did not come within 1 s" in error.what


class Freeing(io.StringIO):
    """A log that lets go of what stands in the worker's way, as soon as the worker has said so."""

    def __init__(self, obstacle: socket.socket) -> None:
        super().__init__()
        self.obstacle = obstacle

    def write(self, text: str) -> int:
        if "own port is taken" in text:
            self.obstacle.close()
        return super().write(text)


def in_the_way_of(federation: Federation, party: str) -> socket.socket:
    return socket.create_server(
        ("127.0.0.1", next(member.port for member in federation.run.members if member.name == party))
    )


def test_a_port_that_is_taken_for_a_while_is_waited_for(federation):
    logs = {party: Written() for party in PARTIES}
    logs["carol"] = Written(Freeing(in_the_way_of(federation, "carol")))
    endings = meet_all(dict.fromkeys(PARTIES, federation), logs)
    for party in PARTIES:
        endings[party].value.close()
    assert [event["event"] for event in logs["carol"].events].count("own port is taken") == 1


def test_a_port_that_stays_taken_is_said_and_worth_another_attempt(federation):
    with in_the_way_of(federation, "carol"), pytest.raises(PeerMissing, match="taken by another process") as caught:
        meet(hurry(federation), "carol")
    assert caught.value.code == 40


def test_an_identity_outside_the_run_cannot_connect(federation):
    key, certificate = new_identity("carol", 30)
    federation.write_key("carol", key)

    def meet_within(barrier_s, logs):
        hurried = hurry(federation, barrier_s)
        stranger = hurried.with_certificate("carol", certificate)
        return meet_all({"alpha": hurried, "bravo": hurried, "carol": stranger}, logs)

    endings, logs = in_vain({"alpha": "ertificate"}, meet_within)
    for party in ("alpha", "bravo"):
        assert "carol did not come" in str(endings[party].error)
    assert isinstance(endings["carol"].error, PeerMissing)
    refused = [e for e in logs["alpha"].events if e["event"] in ("peer refused", "peer not reached")]
    assert any("ertificate" in e["reason"] or "CERTIFICATE" in e["reason"] for e in refused)


def test_a_member_cannot_stand_in_for_another(federation):
    """Bravo listens where carol is expected, with its own valid certificate: alpha keeps missing carol."""
    by_name = {member.name: member for member in federation.run.members}
    members = tuple(
        member.model_copy(update={"port": by_name["carol"].port}) if member.name == "bravo" else member
        for member in federation.run.members
        if member.name != "carol"
    )

    def meet_within(barrier_s, logs):
        hurried = hurry(federation, barrier_s)
        return meet_all({"alpha": hurried, "bravo": hurried.with_run(members=members)}, logs)

    endings, logs = in_vain({"alpha": "another identity answered"}, meet_within)
    assert "bravo, carol did not come" in str(endings["alpha"].error)
    reasons = [e["reason"] for e in logs["alpha"].events if e["event"] == "peer not reached"]
    assert "another identity answered" in reasons


def test_a_name_that_sorts_higher_is_not_to_dial(federation):
    """A member that dials where it should listen is refused, so each pair has exactly one connection."""
    member = next(m for m in federation.run.members if m.name == "alpha")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=member.certificate)
    certificate = federation.root / "carol.pem"
    certificate.write_text(federation.certificates()["carol"])
    context.load_cert_chain(certificate, federation.key_file("carol"))

    def dial() -> bytes:
        with connect(member.port, 10) as plain, context.wrap_socket(plain) as sock:
            return sock.recv(4)

    def meet_within(barrier_s, logs):
        return in_parallel({"alpha": lambda: meet(hurry(federation, barrier_s), "alpha", logs["alpha"]), "carol": dial})

    endings, logs = in_vain({"alpha": "is not to dial"}, meet_within)
    assert endings["carol"].value == b""
    assert "carol is not to dial alpha" in [e.get("reason") for e in logs["alpha"].events]


@pytest.mark.parametrize("which", ["expired", "not yet valid"])
def test_an_identity_out_of_its_days_cannot_connect(federation, which):
    now = datetime.datetime.now(datetime.UTC)
    starts = now - datetime.timedelta(days=9) if which == "expired" else now + datetime.timedelta(days=9)
    key, certificate = new_identity("carol", 1, starts)
    federation = federation.with_certificate("carol", certificate)
    federation.write_key("carol", key)
    says = f"certificate {'has expired' if which == 'expired' else 'is not yet valid'}"

    def meet_within(barrier_s, logs):
        return meet_all(dict.fromkeys(PARTIES, hurry(federation, barrier_s)), logs)

    endings, logs = in_vain({"alpha": says, "bravo": says}, meet_within)
    for party in ("alpha", "bravo"):
        assert "carol did not come" in str(endings[party].error)
        assert says in str(logs[party].events)


def test_a_silent_stranger_holds_up_nobody(federation, monkeypatch):
    monkeypatch.setattr("worker.transport.HANDSHAKE_S", 2 * HANG_S)  # as long may the stranger be silent
    ready = threading.Event()
    member = next(m for m in federation.run.members if m.name == "carol")

    def be_silent() -> socket.socket:
        sock = connect(member.port)
        ready.set()
        return sock

    def meet_after_stranger(party: str):
        assert ready.wait(HANG_S)
        return meet(federation, party)

    begun = time.monotonic()
    endings = in_parallel(
        {
            "carol": lambda: meet(federation, "carol"),
            "stranger": be_silent,
            "alpha": lambda: meet_after_stranger("alpha"),
            "bravo": lambda: meet_after_stranger("bravo"),
        }
    )
    assert time.monotonic() - begun < HANG_S
    for party in PARTIES:
        endings[party].value.close()
    endings["stranger"].value.close()


def test_more_strangers_than_there_is_room_for_hold_up_nobody_for_longer_than_a_handshake(federation, monkeypatch):
    """Each of them is silent, or says what no handshake is; whoever comes while they do is sent away, and comes again."""
    monkeypatch.setattr("worker.transport.HANDSHAKE_S", 2.0)
    member = next(m for m in federation.run.members if m.name == "carol")
    there = threading.Event()

    def crowd() -> list[socket.socket]:
        socks = [connect(member.port)]
        socks += [socket.create_connection(("127.0.0.1", member.port), HANG_S) for _ in range(3 * MAX_HANDSHAKES)]
        for sock in socks[::2]:
            with contextlib.suppress(OSError):
                sock.sendall(b"\x16\x03\x01\xff\xff" + bytes(1000))
        there.set()
        return socks

    def meet_after(party: str):
        assert there.wait(HANG_S)
        return meet(federation, party)

    before = threading.active_count()
    most = []

    def watch(party: str):
        network = meet_after(party)
        most.append(threading.active_count())
        return network

    acts = {p: lambda p=p: watch(p) for p in ("alpha", "bravo")}
    begun = time.monotonic()
    endings = in_parallel({"carol": lambda: meet(federation, "carol"), "crowd": crowd, **acts})
    assert time.monotonic() - begun < HANG_S
    # The four of this test, and of each member one that listens and two that dial.
    assert max(most) <= before + 4 + 3 * 3 + MAX_HANDSHAKES
    for party in PARTIES:
        endings[party].value.close()
    for sock in endings["crowd"].value:
        sock.close()


def test_names_come_from_the_hosts_file_when_there_is_one(tmp_path, monkeypatch):
    hosts = tmp_path / "hosts"
    hosts.write_text("# local cluster\n127.0.1.7  run-alpha.airport-alpha.svc run-alpha # alpha\n\n")
    monkeypatch.setenv("CCD_HOSTS", str(hosts))
    assert resolve("run-alpha.airport-alpha.svc", 8443) == ("127.0.1.7", 8443)
    with pytest.raises(OSError, match="hosts file"):
        resolve("run-bravo.airport-bravo.svc", 8443)


def connect(port: int, within_s: float = HANG_S) -> socket.socket:
    """Connect as soon as somebody listens."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), HANG_S)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
