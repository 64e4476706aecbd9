import os
import signal
import time

import pytest

from renderer.local.observe import ContainerLine, ContainerStarted

# Says its children's pids and waits; the grandchild ignores SIGTERM.
STUBBORN = """
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"],
    stdout=subprocess.PIPE)
child.stdout.readline()
open("work/data.csv", "w").write("plaintext")
print(os.getpid(), child.pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_data(lab, number):
    pids = []

    def interrupt(event):
        if isinstance(event, ContainerLine):
            pids.extend(int(pid) for pid in event.text.split())
            os.kill(os.getpid(), number)

    lab.watchers.append(interrupt)
    job = lab.job(STUBBORN)
    pod = job["spec"]["template"]["spec"]
    pod["volumes"] = [{"name": "work", "emptyDir": {}}]
    pod["containers"][0]["volumeMounts"] = [{"name": "work", "mountPath": "/work"}]
    with pytest.raises(KeyboardInterrupt):
        lab.run_job(job)
    assert len(pids) == 2
    assert len(lab.of(ContainerStarted)) == 1
    for pid in pids:
        assert is_gone_soon(pid)
    assert list(lab.pods.iterdir()) == []


def test_what_a_container_leaves_running_ends_with_it(lab):
    script = "import subprocess, sys; print(subprocess.Popen(['sleep', '900']).pid)"
    assert lab.run_job(lab.job(script)).succeeded
    assert is_gone_soon(int(lab.lines()[0]))


def is_gone_soon(pid: int) -> bool:
    """Whether the process, which has been killed, ends: the kernel closes its files before it says so."""
    ends = time.monotonic() + 300
    while not is_gone(pid) and time.monotonic() < ends:
        os.sched_yield()
    return is_gone(pid)


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one killed but not yet collected by init counts."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
