"""Cilium: pods' network, and NetworkPolicies enforced in the kernel by the eBPF programs that it compiles and loads.

What it loads is held by the machine's network and by a BPF file system of the machine's own: both end with it.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.cluster.binaries import binary, module_directory
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.pods.kubelet import NODE, POD_RANGE
from tests.cluster.pods.machine import CABLE, Machine, NoMachine
from tests.cluster.process import Server, wait_until

MODULE = "github.com/cilium/cilium"
USER = "ccdt-cilium"
GROUP, VERSION = "cilium.io", "cilium.io/v2"
# What the agent waits for, by the options below.
DEFINITIONS = (
    "v2/ciliumcidrgroups",
    "v2/ciliumclusterwidenetworkpolicies",
    "v2/ciliumendpoints",
    "v2/ciliumidentities",
    "v2/ciliumloadbalancerippools",
    "v2/ciliumnetworkpolicies",
    "v2/ciliumnodes",
    "v2alpha1/ciliuml2announcementpolicies",
    "v2alpha1/ciliumpodippools",
)
# The first is the version that Cilium's own image has.
COMPILERS = tuple(Path(f"/usr/lib/llvm-{version}/bin") for version in (19, 20, 18))


@dataclass(frozen=True)
class Cilium:
    """A running Cilium."""

    server: Server
    admin: Client

    def guards(self, pod: Mapping[str, Any]) -> bool:
        """Whether the programs of this pod are loaded, with the policies for its labels."""
        metadata = pod["metadata"]
        if not self.admin.exists(VERSION, "CiliumEndpoint", metadata["name"], metadata["namespace"]):
            return False
        endpoint = self.admin.get(VERSION, "CiliumEndpoint", metadata["name"], metadata["namespace"])
        return bool(endpoint.get("status", {}).get("state") == "ready")


@contextmanager
def start_cilium(machine: Machine, plane: ControlPlane, networks: Path) -> Iterator[Cilium]:
    """Run Cilium on the machine, whose node is registered; when it is ready, its CNI configuration is in `networks`."""
    compiler = next((path for path in COMPILERS if (path / "clang").exists()), None)
    if compiler is None:
        raise NoMachine("clang 19: not found (fix: install what .ci/packages lists)")
    directory = machine.directory / "cilium"
    directory.mkdir()
    source = module_directory("cilium", MODULE)
    admin = plane.client()
    _install(admin, source / "pkg/k8s/apis/cilium.io/client/crds")
    # It writes what the kernel can do beside its sources.
    shutil.copytree(
        source / "bpf", directory / "bpf", ignore=shutil.ignore_patterns("*tests*"), copy_function=shutil.copyfile
    )
    for path in (directory / "bpf", *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    admin.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "spec": {"podCIDR": POD_RANGE}})
    configuration = directory / "05-cilium.conflist"
    options = _options(directory, plane.kubeconfig(USER), configuration)
    command: list[str | Path] = [
        *("env", f"PATH={compiler}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", f"K8S_NODE_NAME={NODE}"),
        binary("cilium", "cilium-agent"),
        *(f"--{name}={value}" for name, value in options.items()),
    ]
    with machine.serving("cilium-agent", *command) as server:
        server.wait_until(configuration.exists)
        # Moved to its place, as Cilium would, it would not be seen by containerd, which waits for something written.
        (networks / configuration.name).write_text(configuration.read_text())
        yield Cilium(server, admin)


def plugin_directory() -> Path:
    """Return where its CNI plug-in is."""
    return binary("cilium", "cilium-cni").parent


def _options(directory: Path, kubeconfig: Path, configuration: Path) -> dict[str, object]:
    return {
        "k8s-kubeconfig-path": kubeconfig,
        "lib-dir": directory,
        "state-dir": "/run/cilium",
        "write-cni-conf-when-ready": configuration,
        "cni-log-file": directory.parent / "logs/cilium-cni.log",
        "identity-allocation-mode": "crd",
        "ipam": "kubernetes",
        "devices": CABLE,
        # No masquerading, no tunnel: the machine's outside sees, and answers, the pods' own addresses.
        "routing-mode": "native",
        "ipv4-native-routing-cidr": POD_RANGE,
        "enable-ipv4-masquerade": False,
        "enable-ipv6": False,
        "enable-ipv6-masquerade": False,
        # Services are kube-proxy's; the programs of sockets would be attached to cgroups, which are not the machine's.
        "kube-proxy-replacement": False,
        "bpf-lb-sock": False,
        "install-iptables-rules": False,
        # What is left out has no part in NetworkPolicies.
        "enable-l7-proxy": False,
        "enable-health-checking": False,
        "enable-endpoint-health-checking": False,
        "enable-gops": False,
    }


def _install(admin: Client, definitions: Path) -> None:
    """Register its kinds, as its operator would, and give it its rights."""
    documents = [YAML(typ="safe").load(definitions / f"{name}.yaml") for name in DEFINITIONS]
    for document in documents:
        admin.apply(document)
    kinds = [(document["spec"]["versions"][0]["name"], document["spec"]["names"]["kind"]) for document in documents]
    wait_until(
        lambda: all(admin.serves(f"{GROUP}/{version}", kind) for version, kind in kinds),
        "the API server serves Cilium's kinds",
    )
    read, write = ["get", "list", "watch"], ["create", "update", "patch", "delete"]
    rules = [
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        {"apiGroups": [""], "resources": ["namespaces", "services", "pods", "nodes", "configmaps"], "verbs": read},
        {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": read},
        {"apiGroups": [GROUP], "resources": ["*"], "verbs": [*read, *write]},
    ]
    group = "rbac.authorization.k8s.io"
    admin.create({"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": USER}, "rules": rules})
    admin.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": USER},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": USER},
            "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
        }
    )
