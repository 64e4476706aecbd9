"""Process 1 of the machine: mounts what must not be shared with the real machine, buries orphans, ends with the tests.

Runs in namespaces of its own (processes, mounts, network). When its stdin closes, because whoever started it has ended
or was killed, it ends too, and the kernel ends everything in it: containers, mounts, addresses, packet rules.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

# What a kubelet insists on, and what Cilium sets. Here they are files of this machine alone: the kernel's own stay as
# they are.
TUNABLES = {
    "vm/overcommit_memory": "1",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/timer_migration": "0",
    "kernel/unprivileged_bpf_disabled": "1",
}


def main(directory: Path) -> None:
    """Prepare the machine, say so on stdout, wait for the end."""
    _mount("-t", "proc", "proc", "/proc")
    for place in ("/run", "/var/log"):
        _mount("-t", "tmpfs", "-o", "mode=755,size=64m", "ccdt", place)
    for number, (name, value) in enumerate(TUNABLES.items()):
        if not Path("/proc/sys", name).exists():
            continue  # not every kernel has them all
        file = directory / f"tunable-{number}"
        file.write_text(f"{value}\n")
        _mount("--bind", str(file), f"/proc/sys/{name}")
    _mount("-t", "bpf", "bpf", "/sys/fs/bpf")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this network namespace
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.set_blocking(read, False)
    signal.set_wakeup_fd(write)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([sys.stdin, read], [], [])
        if sys.stdin in ready and not sys.stdin.buffer.read1(1):
            return
        if read in ready:
            os.read(read, 512)
        _bury()


def _bury() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
