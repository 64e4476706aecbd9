"""kube-controller-manager: the Job controller and all others, each with the rights of its own service account."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from renderer.dev.ports import free_ports
from tests.cluster.apiserver import ApiServer
from tests.cluster.binaries import binary
from tests.cluster.certificates import Authority
from tests.cluster.process import Server, running


@contextmanager
def start_controllers(api: ApiServer, kubeconfig: Path, authority: Authority, logs: Path) -> Iterator[Server]:
    """Run the controllers for the time of a `with` block; the caller waits for what they bring about."""
    [port] = free_ports(1)
    command = [
        binary("plane", "kube-controller-manager"),
        *("--kubeconfig", kubeconfig, "--leader-elect=false", "--use-service-account-credentials=true"),
        *("--bind-address", "127.0.0.1", "--secure-port", str(port)),
        *("--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig),
        *("--service-account-private-key-file", api.service_account_key.key),
        *("--root-ca-file", authority.certificate),
        *("--cluster-signing-cert-file", authority.certificate, "--cluster-signing-key-file", authority.key),
    ]
    with running("kube-controller-manager", command, logs) as server:
        yield server
