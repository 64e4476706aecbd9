"""A machine of our own to run pods on: namespaces for processes, mounts and network, and cgroups of its own name.

Nothing in it reaches the real machine's network, nor anything beyond. What it may speak to is another network
namespace, the *outside*, where the stores are; relays lead from addresses there to servers on the real loopback, and from
a port there to the kubelet, for the API server.

`python -m tests.cluster.pods.machine` tries whether one can be made here: it ends with 0, or says why not and ends with 1.
"""

import errno
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.pods.relay import Relay, relay
from tests.cluster.process import Server, running, wait_until

PREFIX = "ccdt-"
CGROUPS = Path("/sys/fs/cgroup")
# Documentation's networks (RFC 5737), so that no address here can mean a real one.
GATEWAY, OUTSIDE = "192.0.2.1", "192.0.2.2"
STORE, STRANGER = "192.0.2.10", "192.0.2.99"
CABLE = "ccdt-out"  # the machine's end
NEEDED = ("unshare", "nsenter", "ip", "nft", "runc")


class NoMachine(Exception):
    """This machine cannot make another one."""


@dataclass(frozen=True)
class Machine:
    """Namespaces held by process `pid`; `outside` is the process that holds the network beyond it."""

    name: str
    pid: int
    outside: int
    directory: Path
    logs: Path

    def inside(self, *command: str | Path) -> list[str]:
        """Return `command` so that it runs on the machine."""
        return ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net", "--", *map(str, command)]

    def run(self, *command: str | Path, text: str | None = None) -> str:
        """Run a command on the machine; return what it prints."""
        done = subprocess.run(self.inside(*command), input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoMachine(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    @contextmanager
    def serving(self, name: str, *command: str | Path) -> Iterator[Server]:
        """Run a server on the machine."""
        with running(name, self.inside(*command), self.logs) as server:
            yield server

    def from_inside(self, address: str, port: int) -> Relay:
        """Lead connections to `address` on the machine to the same port on the real loopback."""
        return relay(self.pid, address, port, "127.0.0.1", port)

    def to_inside(self, address: str, port: int) -> Relay:
        """Lead connections to a port of the real loopback to the same port of `address` on the machine."""
        return relay(None, "127.0.0.1", port, address, port, self.pid)

    def from_outside(self, address: str, port: int, to_port: int) -> Relay:
        """Lead connections to `address` in the network outside to a port on the real loopback."""
        return relay(self.outside, address, port, "127.0.0.1", to_port)


@contextmanager
def start_machine(directory: Path) -> Iterator[Machine]:
    """Make a machine for the time of a `with` block; afterwards nothing of it is left, however the block ends.

    Raises:  NoMachine with what is missing.
    """
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        raise NoMachine(f"{', '.join(missing)}: not found (fix: install what .ci/packages lists)")
    sweep()
    name = f"{PREFIX}{uuid.uuid4().hex[:8]}"
    logs = directory / "logs"
    logs.mkdir(parents=True)
    with _namespaces(directory, logs, "machine") as pid, _holder() as outside:
        machine = Machine(name, pid, outside, directory, logs)
        _connect(machine)
        _make_cgroups(name)
        try:
            yield machine
        finally:
            _end(pid)
            _remove_cgroups(name)


def sweep() -> None:
    """Remove what a killed run may have left: cgroups. Everything else ends with its processes."""
    for parent in CGROUPS.glob(f"*/{PREFIX}*"):
        if not parent.with_name(parent.name).joinpath("cgroup.procs").read_text().strip():
            _remove_tree(parent)


@contextmanager
def _namespaces(directory: Path, logs: Path, name: str) -> Iterator[int]:
    errors = logs / f"{name}.log"
    command = ["unshare", "--fork", "--pid", "--mount", "--net", "--propagation", "private", "--kill-child=KILL"]
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "tests.cluster.pods.init", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        if process.stdout.readline() != b"ready\n":
            raise NoMachine(f"no namespaces here: {errors.read_text()[-2000:]}")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield int(children[0])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def _holder() -> Iterator[int]:
    process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()  # it is `cat` now, in its namespace
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _connect(machine: Machine) -> None:
    """Lay a cable between the machine and the network outside."""
    machine.run("ip", "link", "add", CABLE, "type", "veth", "peer", "name", "ccdt-in")
    machine.run("ip", "addr", "add", f"{GATEWAY}/24", "dev", CABLE)
    machine.run("ip", "link", "set", CABLE, "up")
    # Seen from the machine, whose process numbers are its own, the other namespace has no number; so from here.
    _ip(machine.pid, "link", "set", "ccdt-in", "netns", str(machine.outside))
    for address in (OUTSIDE, STORE, STRANGER):
        _ip(machine.outside, "addr", "add", f"{address}/24", "dev", "ccdt-in")
    _ip(machine.outside, "link", "set", "lo", "up")
    _ip(machine.outside, "link", "set", "ccdt-in", "up")
    _ip(machine.outside, "route", "add", "default", "via", GATEWAY)


def _ip(pid: int, *arguments: str) -> None:
    subprocess.run(["nsenter", "--target", str(pid), "--net", "--", "ip", *arguments], check=True)


def _make_cgroups(name: str) -> None:
    for controller in _controllers():
        group = controller / name
        group.mkdir()
        if (group / "cpuset.cpus").exists():
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((controller / setting).read_text())


def _controllers() -> Sequence[Path]:
    # On cgroup v2 alone, one hierarchy; else each controller's, without the second names that are links.
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in sorted(CGROUPS.iterdir()) if path.is_dir() and not path.is_symlink()]


def _end(pid: int) -> None:
    subprocess.run(["kill", "-KILL", str(pid)], check=False)


def _remove_cgroups(name: str) -> None:
    for controller in _controllers():
        # What was killed leaves its group a moment later.
        wait_until(lambda group=controller / name: _is_removed(group), f"{controller.name}'s group {name} is empty")


def _is_removed(group: Path) -> bool:
    try:
        _remove_tree(group)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _remove_tree(group: Path) -> None:
    for path in sorted(group.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
    group.rmdir()


def main() -> int:
    """Try whether a machine can be made here."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            with start_machine(Path(directory) / "machine"):
                return 0
        except (NoMachine, OSError, subprocess.CalledProcessError) as error:
            print(f"no machine for pods can be made here: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(main())
