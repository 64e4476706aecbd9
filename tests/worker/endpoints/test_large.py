"""Two gigabytes each way in bounded memory: what a process held at most, as the kernel counted it."""

import hashlib
import json
import secrets
import subprocess
import sys

import pytest
import swiftclient

from renderer.dev.swift import start_swift
from tests.worker.endpoints.mounting import mount, v1

pytestmark = pytest.mark.deep

PIECE = 256 << 20
PIECES = 8  # of which a segment each is listed: the disk holds it once
MOST_RESIDENT_MIB = 300
CHILD = """
import json, re, sys, time
from pathlib import Path
from worker.endpoints.swift import SwiftStore
store, act, container, name, path = SwiftStore(Path(sys.argv[1]), "store"), *sys.argv[2:]
if act == "download":
    done = store.download(container, name, Path(path))
    said = [done.size_bytes, done.sha256]
elif act == "digest":
    done = store.digest(container, name)
    said = [done.size_bytes, done.sha256]
else:
    said = [store.put_once(container, name, Path(path)), ""]
# Not getrusage: what it tells begins with the size of the process that started this one.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10
print(json.dumps([*said, peak]))
"""


@pytest.fixture
def own_swift(swift_users, tmp_path):
    """A Swift whose disk is gone after the test: gigabytes must not stay for the rest of the session."""
    with start_swift(tmp_path / "swift", swift_users) as started:
        yield started
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


@pytest.fixture
def in_child(own_swift, swift_users, tmp_path):
    user = swift_users.of("alpha:steward")
    root = mount(tmp_path / "secrets", v1(own_swift.url, user.login, user.key))

    def run(act, container, name, path=""):
        command = [sys.executable, "-c", CHILD, str(root), act, container, name, str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=550)
        what, sha256, peak_mib = json.loads(done.stdout)
        assert peak_mib < MOST_RESIDENT_MIB, f"{act} held {peak_mib} MiB"
        return what, sha256

    return run


def test_two_gigabytes_come_in_bounded_memory(in_child, own_swift, swift_users, tmp_path):
    user = swift_users.of("alpha:steward")
    client = swiftclient.Connection(own_swift.url, user.login, user.key, auth_version="1")
    piece = secrets.token_bytes(1 << 20) * (PIECE >> 20)
    client.put_container("c")
    client.put_object("c", "piece", piece)
    client.put_object("c", "o", json.dumps([{"path": "/c/piece"}] * PIECES), query_string="multipart-manifest=put")
    expected = hashlib.sha256()
    for _ in range(PIECES):
        expected.update(piece)
    assert in_child("download", "c", "o", tmp_path / "o") == (PIECE * PIECES, expected.hexdigest())
    with (tmp_path / "o").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == expected.hexdigest()
    assert in_child("digest", "c", "o") == (PIECE * PIECES, expected.hexdigest())


def test_two_gigabytes_go_in_bounded_memory(in_child, tmp_path):
    with (tmp_path / "result").open("wb") as file:
        file.truncate(PIECE * PIECES)  # takes no room
        file.write(b"a,b\n")
    with (tmp_path / "result").open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    assert in_child("put", "c", "run/result", tmp_path / "result")[0] == "created"
    assert in_child("digest", "c", "run/result") == (PIECE * PIECES, sha256)
