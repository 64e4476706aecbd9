"""kube-apiserver, with RBAC and all admission that is on by default: Pod Security and admission policies included."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from renderer.dev.ports import free_ports
from tests.cluster.binaries import binary
from tests.cluster.certificates import Authority, Pair
from tests.cluster.etcd import Etcd, answers
from tests.cluster.process import Server, running

SERVICE_RANGE = "10.0.0.0/24"
SERVICE_IP = "10.0.0.1"  # the first of the range: the Service `kubernetes`
ISSUER = "https://kubernetes.default.svc.cluster.local"
ADMIN_GROUP = "system:masters"


@dataclass(frozen=True)
class ApiServer:
    """A running API server."""

    server: Server
    url: str
    service_account_key: Pair


@contextmanager
def start_apiserver(etcd: Etcd, authority: Authority, logs: Path, address: str = "127.0.0.1") -> Iterator[ApiServer]:
    """Run an API server for the time of a `with` block; pods on a node reach it by an `address` that is not loopback."""
    [port] = free_ports(1)
    url = f"https://{address}:{port}"
    names = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "127.0.0.1",
        SERVICE_IP,
        address,
    )
    pair = authority.server("kube-apiserver", *dict.fromkeys(names))
    accounts = authority.signing_key("service-accounts")
    kubelets = authority.client("kube-apiserver-to-kubelets")
    command = [
        binary("plane", "kube-apiserver"),
        *("--bind-address", address, "--advertise-address", address, "--secure-port", str(port)),
        *("--etcd-servers", etcd.url, "--etcd-cafile", authority.certificate),
        *("--etcd-certfile", etcd.client.certificate, "--etcd-keyfile", etcd.client.key),
        *("--tls-cert-file", pair.certificate, "--tls-private-key-file", pair.key),
        *("--client-ca-file", authority.certificate, "--anonymous-auth=false"),
        *("--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction"),
        "--allow-privileged",  # as in any cluster: Pod Security is what refuses it
        *("--service-account-issuer", ISSUER, "--service-account-key-file", accounts.certificate),
        *("--service-account-signing-key-file", accounts.key),
        *("--service-cluster-ip-range", SERVICE_RANGE),
        # With a node there is, what its kubelet tells: logs, for one.
        *("--kubelet-client-certificate", kubelets.certificate, "--kubelet-client-key", kubelets.key),
        *("--kubelet-preferred-address-types", "Hostname"),
        # With loopback as its address it would list none that a pod could use.
        *("--endpoint-reconciler-type", "none" if address.startswith("127.") else "lease"),
    ]
    admin = authority.client("admin", ADMIN_GROUP)
    with running("kube-apiserver", command, logs) as server:
        server.wait_until(lambda: answers(f"{url}/readyz", authority, admin))
        yield ApiServer(server, url, accounts)
