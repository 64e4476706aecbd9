"""etcd, API server and controllers together, and kubeconfigs for whoever speaks with them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client, config

from tests.cluster.apiserver import ADMIN_GROUP, ApiServer, start_apiserver
from tests.cluster.certificates import Authority
from tests.cluster.client import Client
from tests.cluster.controllers import start_controllers
from tests.cluster.etcd import start_etcd
from tests.cluster.process import Server

CONTROLLERS = "system:kube-controller-manager"


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane."""

    directory: Path
    authority: Authority
    api: ApiServer
    servers: tuple[Server, ...]

    @property
    def url(self) -> str:
        """Where the API server is."""
        return self.api.url

    def kubeconfig(self, user: str, *groups: str) -> Path:
        """Return a kubeconfig file with which a client is that user, in those groups. RBAC decides what it may do."""
        return write_kubeconfig(self.directory, self.api.url, self.authority, user, *groups)

    def client(self, user: str = "admin", *groups: str) -> Client:
        """Return a client; without a name, one that may do everything."""
        groups = (ADMIN_GROUP,) if user == "admin" else groups
        configuration = client.Configuration()
        config.load_kube_config(str(self.kubeconfig(user, *groups)), client_configuration=configuration)
        configuration.proxy = None  # what the environment says of proxies is not for loopback
        return Client(client.ApiClient(configuration), self.directory / "discovery.json")

    def logs(self) -> str:
        """Return the end of each server's log."""
        return "\n".join(server.tail() for server in self.servers)


@contextmanager
def start_control_plane(directory: Path, address: str = "127.0.0.1") -> Iterator[ControlPlane]:
    """Run a control plane for the time of a `with` block; everything it writes is in `directory`."""
    logs = directory / "logs"
    logs.mkdir(parents=True)
    authority = Authority(directory / "certificates")
    with ExitStack() as stack:
        etcd = stack.enter_context(start_etcd(directory / "etcd", authority, logs))
        api = stack.enter_context(start_apiserver(etcd, authority, logs, address))
        kubeconfig = write_kubeconfig(directory, api.url, authority, CONTROLLERS)
        controllers = stack.enter_context(start_controllers(api, kubeconfig, authority, logs))
        plane = ControlPlane(directory, authority, api, (etcd.server, api.server, controllers))
        admin = plane.client()
        # Without it no pod is admitted; it is also the sign that the controllers are at work.
        controllers.wait_until(lambda: admin.exists("v1", "ServiceAccount", "default", "default"))
        yield plane


def write_kubeconfig(directory: Path, url: str, authority: Authority, user: str, *groups: str) -> Path:
    """Write a kubeconfig with a fresh certificate of that user."""
    path = directory / "kubeconfigs" / user.replace(":", "-")
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        return path
    pair = authority.client(user, *groups)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(authority.certificate)}}],
        "users": [{"name": user, "user": {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}}],
    }
    path.write_text(json.dumps(document))  # which is YAML
    return path
