"""Attempts to connect, made from within a pod's network."""

import subprocess
import sys

from tests.cluster.pods.cluster import Cluster

TIMEOUT_S = 2
PROBE = f"""
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[3] == "udp" else socket.SOCK_STREAM
probe = socket.socket(socket.AF_INET, kind)
probe.settimeout({TIMEOUT_S})
try:
    probe.connect((sys.argv[1], int(sys.argv[2])))
    if kind == socket.SOCK_DGRAM:
        # A question for the address of `kubernetes.default.svc.cluster.local`: the answer shows that it arrived.
        name = b"".join(bytes([len(part)]) + part.encode() for part in "kubernetes default svc cluster local".split())
        probe.send(b"\\x12\\x34\\x01\\x00\\x00\\x01" + bytes(6) + name + b"\\x00\\x00\\x01\\x00\\x01")
        probe.recv(512)
    print("connected")
except TimeoutError:
    print("nothing")
except OSError as error:
    print(type(error).__name__)
"""


def connects(cluster: Cluster, pod: dict[str, object], address: str, port: int, protocol: str = "tcp") -> bool:
    """Whether a connection from the pod's network to an address is made."""
    command = cluster.machine.inside("nsenter", "--target", str(_pid(cluster, pod)), "--net", "--")
    words = [*command, sys.executable, "-I", "-c", PROBE, address, str(port), protocol]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip() == "connected"


def process_status(cluster: Cluster, pod: dict[str, object]) -> dict[str, str]:
    """Return what the kernel says of the pod's worker."""
    text = cluster.machine.run("cat", f"/proc/{_pid(cluster, pod)}/status")
    return {name: value.strip() for name, value in (line.split(":", 1) for line in text.splitlines())}


def _pid(cluster: Cluster, pod: dict[str, object]) -> int:
    """Return a process of the pod, as the machine counts them."""
    uid = pod["metadata"]["uid"]  # type: ignore[index]
    only = (f'labels."io.kubernetes.pod.uid"=={uid}', 'labels."io.cri-containerd.kind"==container')
    ours = set(cluster.containerd.ctr("containers", "ls", "-q", ",".join(only)).split())
    tasks = [line.split() for line in cluster.containerd.ctr("tasks", "ls").splitlines()[1:]]
    return next(int(pid) for name, pid, state, *_ in tasks if name in ours and state == "RUNNING")
