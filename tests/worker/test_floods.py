"""One party sends on and on, to two workers that are processes of their own: both end, soon, say why, and need no more
memory than a run takes.
"""

import json
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from conclave.mpc.channel import ABORT_LIMIT_BYTES, HEADER, VERSION, Kind
from policy.manifest import Reason
from tests.worker.actors import fetched
from tests.worker.conftest import PARTIES, Federation, Written, in_parallel, make_federation
from tests.worker.stores import ROWS, csv_of
from tests.worker.test_cli import start, write_fetched_spec
from worker import compute as computing
from worker.messages import SMALL_BYTES
from worker.transport import wait_for_peers
from worker.workdir import WorkDir

HONEST = ("alpha", "carol")
FLOOD_BYTES = 1 << 30  # to each, unless it hangs up before
MOST_TAKEN_KIB = 8 << 10
MORE_MIB = 32  # than a run takes, at most
BOUND_S = 200.0


def frames(kind: Kind, payload: bytes) -> Iterator[bytes]:
    step = 0
    while True:
        yield HEADER.pack(VERSION, kind, step, len(payload)) + payload
        step += 1


def endless(first: bytes) -> Iterator[bytes]:
    yield first
    while True:
        yield bytes(1 << 20)


FLOODS = {
    "one frame that never ends": lambda: endless(HEADER.pack(VERSION, Kind.CONTROL, 0, (1 << 64) - 1)),
    "no frames": lambda: endless(b"\xff" * HEADER.size),
    "words as long as may be": lambda: frames(Kind.CONTROL, b'"' + b"x" * (SMALL_BYTES - 2) + b'"'),
    "words deeper than may be": lambda: frames(Kind.CONTROL, b"[" * SMALL_BYTES),
    "empty words": lambda: frames(Kind.CONTROL, b""),
    "aborts": lambda: frames(Kind.ABORT, b"[" * ABORT_LIMIT_BYTES),
    "shares": lambda: frames(Kind.MPC, bytes(1 << 20)),
}
SOME = ("one frame that never ends", "words as long as may be")


def begin(federation: Federation) -> dict[str, subprocess.Popen]:
    """Start the honest parties' workers, for whom everything is fetched."""
    for party in PARTIES:
        work = WorkDir(federation.work(party))
        if party in ROWS:
            work.data_file(f"{party}/flights", "csv").write_text(csv_of(ROWS[party]))
        work.write_fetched(fetched(federation, party))
        write_fetched_spec(federation, party)
    return {party: start(federation, party, "compute") for party in HONEST}


def ended(processes: dict[str, subprocess.Popen]) -> dict[str, dict[str, Any]]:
    """Wait for them; return what each says that it has used."""
    used = {}
    for party, process in processes.items():
        _, said = process.communicate(timeout=BOUND_S)
        assert process.returncode == 0, party  # how it ended is for the last container to say
        (used[party],) = (event for event in map(json.loads, said.splitlines()) if event["event"] == "used")
    return used


def pour(sock: socket.socket, pieces: Iterator[bytes]) -> int:
    """Send until so many bytes are sent, or nobody takes more; return how many."""
    sock.settimeout(BOUND_S)
    sent = 0
    try:
        while sent < FLOOD_BYTES:
            piece = next(pieces)
            sock.sendall(piece)
            sent += len(piece)
    except OSError:
        return sent
    return sent


@pytest.fixture(scope="module")
def honest_mib(tmp_path_factory) -> dict[str, int]:
    """The most memory that each worker has in a run in which nobody floods."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POD_IP", "127.0.0.1")
        federation = make_federation(tmp_path_factory.mktemp("honest"))
        processes = begin(federation)
        work, secrets = WorkDir(federation.work("bravo")), federation.secrets("bravo")
        computing.compute(federation.spec("bravo"), work, secrets, Written().log)
        used = ended(processes)
    assert outcomes(federation) == {"alpha": (0, ()), "carol": (0, ())}
    return {party: each["peak_memory_mib"] for party, each in used.items()}


def outcomes(federation: Federation) -> dict[str, tuple[int, tuple[Reason, ...]]]:
    ended = {party: WorkDir(federation.work(party)).outcome() for party in HONEST}
    found = {party: (each.code, each.reasons) for party, each in ended.items() if each is not None}
    assert set(found) == set(HONEST)
    return found


# Each takes two processes that import everything.
@pytest.mark.parametrize("how", [how if how in SOME else pytest.param(how, marks=pytest.mark.deep) for how in FLOODS])
def test_a_flood_ends_with_30_and_a_reason_at_every_honest_party_in_the_memory_of_a_run(federation, honest_mib, how):
    processes = begin(federation)
    own = federation.run, "bravo", federation.key_file("bravo"), federation.work("bravo")
    network = wait_for_peers(*own, Written().log)
    pours = {p: lambda p=p: pour(network.channels[p]._sock, FLOODS[how]()) for p in HONEST}
    sent = in_parallel({**pours, "used": lambda: ended(processes)})
    network.close()
    for party, (code, reasons) in outcomes(federation).items():
        used = sent["used"].value[party]
        assert code == 30, (party, reasons)
        assert reasons
        assert all(reason.what and reason.party in PARTIES for reason in reasons)
        assert used["peak_memory_mib"] < honest_mib[party] + MORE_MIB
        assert used["peers_received_kib"] < MOST_TAKEN_KIB
        assert sent[party].value < FLOOD_BYTES  # it has hung up
