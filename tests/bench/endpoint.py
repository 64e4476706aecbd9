"""How fast a worker fetches from a real Swift, beside what curl reaches from the same one.

All write the same object to a file on the same disk, in turns, forwards and backwards: a shared machine slows all
alike. curl is given a token, checks nothing and digests nothing; the worker signs in, and digests what comes: `fetch` by SHA-256, which the object tells, as one does that
we have put; `fetch_by_etag` by MD5 too, to hold it to the store's ETag, as it must where no SHA-256 is told. Digests have threads of their own, so they cost time only where the processors are
busy without them: `cpu_s_per_gib` tells.
"""

import hashlib
import json
import os
import secrets
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import swiftclient

from renderer.dev.swift import start_swift
from renderer.dev.swift_users import SwiftUser, SwiftUsers
from worker.endpoints.swift import SwiftStore

MIB = 1 << 20
CONTAINER, NAME = "bench", "data"


def run_endpoint(mib: int, rounds: int) -> dict[str, Any]:
    """Return the speeds, in each round and the fastest, and the ratios of the fastest."""
    user = SwiftUser("bench", "steward", secrets.token_hex(16), admin=True)
    with tempfile.TemporaryDirectory(prefix="ccd-bench-") as directory:
        root = Path(directory)
        with start_swift(root / "swift", SwiftUsers((user,))) as swift:
            connection = swiftclient.Connection(swift.url, user.login, user.key, auth_version="1")
            account, token = connection.get_auth()
            connection.put_container(CONTAINER)
            sha256 = _upload(connection, mib, root / NAME)
            for key, value in {"ST_AUTH": swift.url, "ST_USER": user.login, "ST_KEY": user.key}.items():
                (root / "secrets" / "store").mkdir(parents=True, exist_ok=True)
                (root / "secrets" / "store" / key).write_text(value)
            ways = {
                "curl": lambda: _curl(f"{account}/{CONTAINER}/{NAME}", token, root),
                "fetch": lambda: _fetch(root, connection, {"X-Object-Meta-Sha256": sha256}),
                "fetch_by_etag": lambda: _fetch(root, connection, {}),
            }
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            cpu_s: dict[str, list[float]] = {name: [] for name in (*ways, "swift")}
            for number in range(rounds):
                for name in sorted(ways, reverse=number % 2 == 1):
                    before = _cpu_s(swift.process.pid)
                    seconds[name].append(ways[name]())
                    ours, theirs = (b - a for a, b in zip(before, _cpu_s(swift.process.pid), strict=True))
                    cpu_s[name].append(ours)
                    cpu_s["swift"].append(theirs)
                    (root / NAME).unlink()
    speeds = {name: [round(mib / each, 1) for each in taken] for name, taken in seconds.items()}
    ratios = {name: round(min(seconds["curl"]) / min(seconds[name]), 3) for name in ("fetch", "fetch_by_etag")}
    return {
        "endpoint": "swift",
        "mib": mib,
        "rounds": rounds,
        "curl_mib_per_s": max(speeds["curl"]),
        "fetch_mib_per_s": max(speeds["fetch"]),
        "fetch_by_etag_mib_per_s": max(speeds["fetch_by_etag"]),
        "ratio": ratios["fetch"],
        "ratio_by_etag": ratios["fetch_by_etag"],
        "all_mib_per_s": speeds,
        # Where others use the processors, these tell more than the clock: with a core each for Swift and for us, the
        # larger of the two decides.
        "cpu_s_per_gib": {name: round(statistics.median(each) * 1024 / mib, 2) for name, each in cpu_s.items()},
        "load": round(os.getloadavg()[0], 1),
    }


def line_of(report: dict[str, Any]) -> str:
    """Return the report for people."""
    return (
        f"{report['endpoint']}: {report['mib']} MiB, fastest of {report['rounds']}: "
        f"curl {report['curl_mib_per_s']} MiB/s, fetch {report['fetch_mib_per_s']} MiB/s (ratio {report['ratio']}), "
        f"by ETag {report['fetch_by_etag_mib_per_s']} MiB/s (ratio {report['ratio_by_etag']})"
    )


def _upload(connection: swiftclient.Connection, mib: int, path: Path) -> str:
    """Put one plain object; return its SHA-256."""
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(secrets.token_bytes(MIB))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        connection.put_object(CONTAINER, NAME, file, content_length=mib * MIB)
    path.unlink()
    return sha256


def _cpu_s(server: int) -> tuple[float, float]:
    """Return the processor time used so far by this process with those it has waited for, and by the server."""
    own = os.times()
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    theirs = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own.user + own.system + own.children_user + own.children_system, theirs


def _curl(url: str, token: str, root: Path) -> float:
    # The token in a file: a process's arguments can be read by others.
    config = root / "curl"
    config.write_text(json.dumps(f"X-Auth-Token: {token}").join(("header = ", "\n")))
    begun = time.perf_counter()
    subprocess.run(["curl", "--silent", "--fail", "--config", config, "--output", root / NAME, url], check=True)
    return time.perf_counter() - begun


def _fetch(root: Path, connection: swiftclient.Connection, told: dict[str, str]) -> float:
    connection.post_object(CONTAINER, NAME, told)
    begun = time.perf_counter()
    SwiftStore(root / "secrets", "store").download(CONTAINER, NAME, root / NAME)
    return time.perf_counter() - begun
