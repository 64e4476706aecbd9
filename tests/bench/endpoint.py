"""How fast a worker fetches from a real Swift, beside what curl reaches from the same one.

Both write the same object to the same disk, in turns, the one before the other and then the other before the one: a
shared machine slows both alike. curl is given a token; the worker signs in, and digests what comes (SHA-256 for the
manifest, MD5 against the store's ETag).
"""

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
    """Return both speeds, in each round and the fastest, and the ratio of the fastest."""
    user = SwiftUser("bench", "steward", secrets.token_hex(16), admin=True)
    with tempfile.TemporaryDirectory(prefix="ccd-bench-") as directory:
        root = Path(directory)
        with start_swift(root / "swift", SwiftUsers((user,))) as swift:
            connection = swiftclient.Connection(swift.url, user.login, user.key, auth_version="1")
            account, token = connection.get_auth()
            connection.put_container(CONTAINER)
            _upload(connection, mib, root / NAME)
            for key, value in {"ST_AUTH": swift.url, "ST_USER": user.login, "ST_KEY": user.key}.items():
                (root / "secrets" / "store").mkdir(parents=True, exist_ok=True)
                (root / "secrets" / "store" / key).write_text(value)
            ways = {
                "curl": lambda: _curl(f"{account}/{CONTAINER}/{NAME}", token, root),
                "fetch": lambda: _fetch(root),
            }
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(rounds):
                for name in sorted(ways, reverse=number % 2 == 1):
                    seconds[name].append(ways[name]())
                    (root / NAME).unlink()
    speeds = {name: [round(mib / each, 1) for each in taken] for name, taken in seconds.items()}
    pairs = [curl / fetch for curl, fetch in zip(seconds["curl"], seconds["fetch"], strict=True)]
    return {
        "endpoint": "swift",
        "mib": mib,
        "rounds": rounds,
        "curl_mib_per_s": max(speeds["curl"]),
        "fetch_mib_per_s": max(speeds["fetch"]),
        "ratio": round(min(seconds["curl"]) / min(seconds["fetch"]), 3),
        "median_ratio_of_a_round": round(statistics.median(pairs), 3),
        "all_mib_per_s": speeds,
        "load": round(os.getloadavg()[0], 1),
    }


def line_of(report: dict[str, Any]) -> str:
    """Return the report for people."""
    return (
        f"{report['endpoint']}: {report['mib']} MiB, fastest of {report['rounds']}: "
        f"fetch {report['fetch_mib_per_s']} MiB/s, curl {report['curl_mib_per_s']} MiB/s, ratio {report['ratio']} "
        f"(median of the rounds: {report['median_ratio_of_a_round']})"
    )


def _upload(connection: swiftclient.Connection, mib: int, path: Path) -> None:
    """Put one plain object, which both see alike."""
    with path.open("wb") as file:
        for _ in range(mib):
            file.write(secrets.token_bytes(MIB))
    with path.open("rb") as file:
        connection.put_object(CONTAINER, NAME, file, content_length=mib * MIB)
    path.unlink()


def _curl(url: str, token: str, root: Path) -> float:
    # The token in a file: a process's arguments can be read by others.
    config = root / "curl"
    config.write_text(json.dumps(f"X-Auth-Token: {token}").join(("header = ", "\n")))
    begun = time.perf_counter()
    subprocess.run(["curl", "--silent", "--fail", "--config", config, "--output", root / NAME, url], check=True)
    return time.perf_counter() - begun


def _fetch(root: Path) -> float:
    begun = time.perf_counter()
    SwiftStore(root / "secrets", "store").download(CONTAINER, NAME, root / NAME)
    return time.perf_counter() - begun
