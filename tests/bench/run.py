"""Start the three parties, with or without TLS, on links with or without a delay, and put together what they report."""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

from policy.identity import new_identity
from tests.bench.least import least_bytes
from tests.bench.link import Links, slow_links
from tests.bench.party import NAMES
from tests.bench.workloads import WORKLOADS

LEAST_INPUT_BYTES = 1 << 20


def run_bench(
    op: str, rows: int, key_bits: int, tls: bool, repeat: int, seed: int = 1, delay_ms: float = 0.0
) -> dict[str, Any]:
    """Return the report of the fastest of `repeat` runs.

    Raises:  SystemExit if a party failed, or a result was not what numpy says.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if tls:
            for name in NAMES:
                key, certificate = new_identity(name, days=1)
                (Path(scratch) / f"{name}.key").write_bytes(key)
                (Path(scratch) / f"{name}.pem").write_text(certificate)
        job = {"op": op, "rows": rows, "key_bits": key_bits, "repeat": repeat, "seed": seed}
        reports = _run_parties({**job, "identities": scratch if tls else None}, delay_ms / 1000)
    fastest = min(range(repeat), key=lambda k: max(r["runs"][k]["seconds"] for r in reports))
    runs = [report["runs"][fastest] for report in reports]
    if not all(run["correct"] for report in reports for run in report["runs"]):
        raise SystemExit(f"{op} of {rows} rows opened to something else than numpy computes")
    seconds = max(run["seconds"] for run in runs)
    # What the inputs and the checking of results take is counted, too: a worker has neither.
    grown = max(report["peak_bytes"] - report["idle_bytes"] for report in reports)
    input_bytes = rows * WORKLOADS[op].row_bytes(key_bits)
    return {
        "op": op,
        "rows": rows,
        "key_bits": key_bits,
        "tls": tls,
        "seconds": round(seconds, 4),
        "rows_per_s": round(rows / seconds),
        "bytes_sent_per_party": [run["bytes_sent"] for run in runs],
        "rounds": runs[0]["rounds"],
        "delay_ms": delay_ms,
        "ms_per_round": round(1000 * seconds / runs[0]["rounds"], 3),
        "cpu_seconds_per_party": [round(run["cpu_seconds"], 4) for run in runs],
        "least_bytes_sent": least_bytes(op, rows, key_bits, runs[0]["bytes_sent"]),
        "peak_bytes_per_party": [report["peak_bytes"] for report in reports],
        "input_bytes": input_bytes,
        # Of less than this a process takes more for itself.
        "memory_per_input": round(grown / input_bytes, 1) if input_bytes >= LEAST_INPUT_BYTES else None,
        "runs": repeat,
    }


def _run_parties(job: dict[str, Any], delay_s: float) -> list[dict[str, Any]]:
    with slow_links(delay_s) if delay_s else contextlib.nullcontext() as links:
        said = _said_by_parties(job, links)
    return [json.loads(text.splitlines()[-1]) for text in said]


def _said_by_parties(job: dict[str, Any], links: Links | None) -> list[str]:
    sockets: list[dict[str, tuple[int, bool]]] = [{} for _ in NAMES]
    opened = []
    for a, b in combinations(range(3), 2):
        left, right = _tcp_pair()
        if links is not None:
            (left, near), (right, far) = (left, right), _tcp_pair()
            links.join(near, far)
        opened += [left, right]
        sockets[a][NAMES[b]], sockets[b][NAMES[a]] = (left.fileno(), True), (right.fileno(), False)
    parties = []
    for index, mine in enumerate(sockets):
        told = json.dumps({**job, "index": index, "sockets": mine})
        command = [sys.executable, "-m", "tests.bench.party", told]
        kept = [descriptor for descriptor, _ in mine.values()]
        parties.append(subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=kept, text=True))
    for sock in opened:
        sock.close()  # only the parties hold them now, so one that fails is seen by the others
    said = [party.communicate()[0] for party in parties]
    if any(party.returncode for party in parties):
        raise SystemExit("a party failed; what went wrong stands above")
    return said


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dialing = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    return accepted, dialing
