"""A server of the tests ends with them, whatever ends them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from renderer.local.process import die_with_parent
from tests.cluster.process import wait_until

TESTS = """
import sys
from pathlib import Path
from tests.cluster.process import running
with running("server", ["sleep", "600"], Path(sys.argv[1])) as server:
    print(server.process.pid, flush=True)
    server.process.wait()
"""


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.skipif(not die_with_parent(), reason="there is no setpriv (util-linux) here")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name)
def test_it_does_not_outlive_tests_that_are_ended_by(end: signal.Signals, tmp_path: Path):
    with subprocess.Popen([sys.executable, "-c", TESTS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        assert is_alive(pid)
        # Not a moment before the kernel has been told to end it with its parent.
        wait_until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "the server runs", 60.0)
        os.kill(tests.pid, end)

    wait_until(lambda: not is_alive(pid), "the server has ended", 10.0)
