"""The kernel is the judge: what a process says it used is what it used."""

import json
import subprocess
import sys
from types import SimpleNamespace

from policy.resources import Usage
from worker.meter import used_so_far
from worker.workdir import WorkDir

PROGRAM = """
import sys, time
held = bytearray(200 << 20) if "hold" in sys.argv else b""
held = None
end = time.process_time() + (1.0 if "burn" in sys.argv else 0.0)
while time.process_time() < end:
    pass
from worker.meter import used_so_far
print(used_so_far(0).model_dump_json())
"""


def used_by(*words: str) -> Usage:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, check=True, timeout=60)
    return Usage.model_validate(json.loads(done.stdout))


def test_memory_that_was_let_go_still_counts_and_our_starters_does_not() -> None:
    ours = bytearray(300 << 20)
    small, large = used_by(), used_by("hold")
    del ours
    assert small.peak_memory_mib < 200 <= large.peak_memory_mib < 500


def test_computing_is_counted_and_takes_at_least_as_long() -> None:
    used = used_by("burn")
    assert 1.0 <= used.cpu_seconds < 10
    assert used.wall_seconds >= 1.0


def test_bytes_are_rounded_up_to_whole_units() -> None:
    channels = [SimpleNamespace(bytes_sent=1000, bytes_received=1), SimpleNamespace(bytes_sent=25, bytes_received=0)]
    used = used_so_far((1 << 20) + 1, 1024, channels)
    assert (used.disk_mib, used.store_received_kib, used.peers_sent_kib, used.peers_received_kib) == (2, 1, 2, 1)


def test_the_work_directory_is_measured_before_its_data_goes(tmp_path) -> None:
    work = WorkDir(tmp_path)
    work.data_file("alpha/flights", "csv").write_bytes(b"x" * 5000)
    work.remove_data()
    assert work.size_bytes() == 0
    assert work.most_bytes == 5000
