"""kubelet, kube-scheduler and kube-proxy: what makes a machine a node."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.binaries import binary
from tests.cluster.client import Client
from tests.cluster.control_plane import ControlPlane
from tests.cluster.pods.containerd import SOCKET
from tests.cluster.pods.machine import GATEWAY, Machine
from tests.cluster.process import Server

# So that the API server, which is outside of the machine, finds its kubelet: by the node's name, on the real loopback.
NODE = "localhost"
DNS_ADDRESS = "10.0.0.10"  # of the control plane's range of Services
DOMAIN = "cluster.local"
POD_RANGE = "10.88.0.0/24"


@contextmanager
def start_kubelet(machine: Machine, plane: ControlPlane, kubeconfig: Path, port: int) -> Iterator[Server]:
    """Run a kubelet on the machine, and wait until its node is registered."""
    directory = machine.directory / "kubelet"
    directory.mkdir()
    configuration = directory / "config.json"
    configuration.write_text(json.dumps(_kubelet_configuration(machine, plane) | {"port": port}))
    command = [
        binary("kubelet", "kubelet"),
        *("--config", configuration, "--kubeconfig", kubeconfig, "--root-dir", directory / "root"),
        *("--cert-dir", directory / "certificates", "--hostname-override", NODE, "--node-ip", GATEWAY),
    ]
    admin = plane.client()
    with machine.to_inside(GATEWAY, port), machine.serving("kubelet", *command) as server:
        server.wait_until(lambda: admin.exists("v1", "Node", NODE), timeout_s=120)
        yield server


@contextmanager
def start_scheduler_and_proxy(machine: Machine, scheduler: Path, proxy: Path) -> Iterator[None]:
    """Run what gives pods a node, and Services an address."""
    directory = machine.directory / "kube-proxy"
    directory.mkdir()
    with ExitStack() as stack:
        command = [binary("kubelet", "kube-scheduler"), "--kubeconfig", scheduler, "--leader-elect=false"]
        # Its own health endpoint is nobody's business here.
        stack.enter_context(machine.serving("kube-scheduler", *command, "--secure-port=0"))
        configuration = directory / "config.json"
        configuration.write_text(json.dumps(_proxy_configuration(proxy)))
        command = [binary("kubelet", "kube-proxy"), "--config", configuration, "--hostname-override", NODE]
        stack.enter_context(machine.serving("kube-proxy", *command))
        yield


def is_ready(admin: Client) -> bool:
    """Whether the node is ready for pods: it has a network by now."""
    conditions = admin.get("v1", "Node", NODE).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _kubelet_configuration(machine: Machine, plane: ControlPlane) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": GATEWAY,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(plane.authority.certificate)},
        },
        "authorization": {"mode": "AlwaysAllow"},  # of those with a certificate of this control plane
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{machine.name}",
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": DOMAIN,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "enforceNodeAllocatable": ["pods"],
        # A full disk of whoever runs the tests is no reason to evict.
        "evictionHard": {"imagefs.available": "0%", "memory.available": "0%", "nodefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        # Kernels that mount cgroup v1 (also beside v2) still serve.
        "failCgroupV1": False,
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,
        "nodeStatusUpdateFrequency": "5s",
        "oomScoreAdj": 0,  # -999 needs CAP_SYS_RESOURCE
        "podLogsDir": str(machine.directory / "pod-logs"),
        "protectKernelDefaults": False,
        "readOnlyPort": 0,
        "registerNode": True,
        "resolvConf": "",
        "runtimeRequestTimeout": "2m",
        "serializeImagePulls": False,
        "syncFrequency": "2s",
        "fileCheckFrequency": "1h",
        "volumePluginDir": str(machine.directory / "volume-plugins"),
        "volumeStatsAggPeriod": "1h",
    }


def _proxy_configuration(kubeconfig: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_RANGE,
        "mode": "nftables",
        "nodePortAddresses": ["primary"],
        # These are the whole kernel's, not the machine's own.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
