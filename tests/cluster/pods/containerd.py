"""containerd with runc. Pods get their network from the CNI plug-ins whose configuration somebody writes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.binaries import binary
from tests.cluster.pods.machine import Machine, NoMachine
from tests.cluster.process import Server

# The reference plug-ins, for a pod's loopback: Debian's, everybody else's.
CNI_PLUGINS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
SOCKET = "/run/containerd/containerd.sock"


@dataclass(frozen=True)
class Containerd:
    """A running containerd."""

    server: Server
    machine: Machine
    networks: Path

    def ctr(self, *arguments: str | Path) -> str:
        """Run its command line tool in the namespace that the kubelet uses."""
        return self.machine.run(binary("containerd", "ctr"), "--address", SOCKET, "--namespace", "k8s.io", *arguments)

    def load(self, archive: Path, name: str) -> None:
        """Import an OCI archive, with the name by digest with which Jobs ask for it: `name@sha256:...`."""
        self.ctr("images", "import", "--digests", "--base-name", name, archive)


@contextmanager
def start_containerd(machine: Machine, sandbox_image: str, plugins: Path) -> Iterator[Containerd]:
    """Run containerd on the machine. `sandbox_image` holds a pod's network while its containers come and go.

    That network is made by a program in `plugins`, once somebody has put its configuration into `networks`.
    """
    directory = machine.directory / "containerd"
    networks = directory / "networks"
    networks.mkdir(parents=True)
    configuration = directory / "config.toml"
    configuration.write_text(_configuration(directory, networks, plugins, sandbox_image))
    program = binary("containerd", "containerd")
    binary("containerd", "containerd-shim-runc-v2")
    # containerd looks for its shim on PATH.
    command = ["env", f"PATH={program.parent}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", program]
    with machine.serving("containerd", *command, "--config", configuration) as server:
        started = Containerd(server, machine, networks)
        server.wait_until(lambda: _answers(started))
        yield started


def _answers(started: Containerd) -> bool:
    try:
        started.ctr("version")
    except NoMachine:
        return False
    return True


def _configuration(directory: Path, networks: Path, plugins: Path, sandbox_image: str) -> str:
    found = [str(path) for path in CNI_PLUGINS if (path / "loopback").exists()]
    if not found:
        raise NoMachine(f"the CNI plugins are in none of {', '.join(map(str, CNI_PLUGINS))}")
    return f"""
version = 3
root = "{directory}/root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]

[grpc]
address = "{SOCKET}"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{sandbox_image}"

[plugins."io.containerd.cri.v1.runtime"]
# Where the tests may not lower a process's chance to be killed for memory (no CAP_SYS_RESOURCE), neither may pods.
restrict_oom_score_adj = true
disable_apparmor = true

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = {json.dumps([*found, str(plugins)])}
conf_dir = "{networks}"
"""
