"""A whole cluster of one node that runs pods: control plane, machine, container runtime, kubelet, DNS, policies."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

from renderer.dev.ports import free_ports
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane, start_control_plane
from tests.cluster.pods.cilium import Cilium, plugin_directory, start_cilium
from tests.cluster.pods.containerd import Containerd, start_containerd
from tests.cluster.pods.dns import start_dns
from tests.cluster.pods.images import REGISTRY, one_program_image
from tests.cluster.pods.kubelet import NODE, is_ready, start_kubelet, start_scheduler_and_proxy
from tests.cluster.pods.machine import GATEWAY, Machine, NoMachine, start_machine
from tests.cluster.process import wait_until

# Holds a pod's network, and serves as the program in pods that are nobody's worker.
BUSYBOX = "ccdt-busybox"


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    plane: ControlPlane
    machine: Machine
    containerd: Containerd
    cilium: Cilium
    admin: Client
    kubelet_port: int

    @property
    def api_port(self) -> int:
        """Where the API server listens, on the machine as on the real loopback."""
        port = urlsplit(self.plane.url).port
        assert port is not None
        return port

    def logs(self) -> str:
        """Return the end of every server's log."""
        files = sorted(self.machine.logs.glob("*.log"))
        return "\n".join([self.plane.logs(), *(f"--- {file}\n{file.read_text()[-4000:]}" for file in files)])


@contextmanager
def start_cluster(directory: Path) -> Iterator[Cluster]:
    """Run a cluster for the time of a `with` block. Nothing of it is left afterwards.

    Raises:  NoMachine, NoBinaries.
    """
    busybox = which("busybox")
    if busybox is None:
        raise NoMachine("busybox: not found (fix: apt install busybox-static)")
    with ExitStack() as stack:
        plane = stack.enter_context(start_control_plane(directory / "plane"))
        machine = stack.enter_context(start_machine(directory / "machine"))
        port = urlsplit(plane.url).port
        assert port is not None
        for address in ("127.0.0.1", GATEWAY):
            stack.enter_context(machine.from_inside(address, port))
        archive = one_program_image(machine.directory, BUSYBOX, Path(busybox), "/bin/busybox", "sleep", "2000000")
        containerd = stack.enter_context(start_containerd(machine, f"{REGISTRY}/{BUSYBOX}:test", plugin_directory()))
        containerd.ctr("images", "import", archive)
        kubelet = plane.kubeconfig(f"system:node:{NODE}", "system:nodes")
        [kubelet_port] = free_ports(1)
        stack.enter_context(start_kubelet(machine, plane, kubelet, kubelet_port))
        cilium = stack.enter_context(start_cilium(machine, plane, containerd.networks))
        wait_until(lambda: is_ready(cilium.admin), "the node is ready for pods")
        users = (plane.kubeconfig(f"system:{name}") for name in ("kube-scheduler", "kube-proxy"))
        stack.enter_context(start_scheduler_and_proxy(machine, *users))
        start_dns(plane, containerd)
        yield Cluster(plane, machine, containerd, cilium, plane.client(), kubelet_port)
