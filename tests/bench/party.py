"""One of the three processes: `python -m tests.bench.party JSON`, connected sockets inherited, a JSON line out."""

import gc
import json
import socket
import ssl
import sys
import time
from pathlib import Path

import numpy as np

from conclave.mpc.channel import Channel, Network
from conclave.mpc.party import Party
from tests.bench.workloads import WORKLOADS, is_right, open_all, shares_of
from worker.runspec import MemberSpec
from worker.tls import contexts

NAMES = ("alpha", "bravo", "carol")
TIMEOUT_S = 120.0


def main() -> None:
    """Take part in the runs that the argument describes, and report each."""
    job = json.loads(sys.argv[1])
    network = Network(NAMES[job["index"]], _channels(job), TIMEOUT_S)
    me = Party.setup(network, NAMES, b"bench")
    # The kernels that numba compiles or loads are ready in a worker, too, before the first row comes.
    _measure(me, job["op"], min(job["rows"], 256), job["key_bits"], job["seed"])
    idle = _memory_bytes("VmRSS")
    reports = [_measure(me, job["op"], job["rows"], job["key_bits"], job["seed"] + k) for k in range(job["repeat"])]
    print(json.dumps({"runs": reports, "idle_bytes": idle, "peak_bytes": _memory_bytes("VmHWM")}))


def _memory_bytes(field: str) -> int:
    """Return what Linux says of this process: VmRSS is now, VmHWM the most since its program began.

    `getrusage` would begin with what the process had that started it.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def _measure(me: Party, op: str, rows: int, bits: int, seed: int) -> dict[str, object]:
    workload = WORKLOADS[op]
    inputs = workload.inputs(rows, bits, np.random.default_rng(seed))
    shares = shares_of(workload, inputs, me.index, np.random.default_rng(seed + 1))
    network = me.network
    before = network.rounds, network.bytes_sent
    gc.collect()
    network.exchange_control(dict.fromkeys(network.channels, b"ready"), network.channels, limit=16)
    wall, cpu = time.perf_counter(), time.process_time()
    result = workload.work(shares, bits, me)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    spent = network.rounds - before[0], network.bytes_sent - before[1]
    correct = is_right(op, open_all(result, me), workload.expected(inputs, bits))
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "rounds": spent[0],
        "bytes_sent": spent[1],
        "correct": bool(correct),
    }


def _channels(job: dict[str, object]) -> dict[str, Channel]:
    channels = {}
    for peer, (descriptor, is_server) in sorted(job["sockets"].items()):
        sock = socket.socket(fileno=descriptor)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if job["identities"]:
            sock = _wrap(sock, job, bool(is_server))
        channels[peer] = Channel(sock, peer)
    return channels


def _wrap(sock: socket.socket, job: dict[str, object], is_server: bool) -> ssl.SSLSocket:
    scratch = Path(str(job["identities"]))
    members = tuple(MemberSpec(name=n, certificate=(scratch / f"{n}.pem").read_text(), host="localhost") for n in NAMES)
    me = members[int(job["index"])]
    accept, dial = contexts(members, me.certificate, scratch / f"{me.name}.key", scratch)
    return (accept if is_server else dial).wrap_socket(sock, server_side=is_server)


if __name__ == "__main__":
    main()
