"""etcd, which keeps the control plane's state: one member, in a directory of its own."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from renderer.dev.ports import free_ports
from tests.cluster.binaries import binary
from tests.cluster.certificates import Authority, Pair
from tests.cluster.process import Server, running


@dataclass(frozen=True)
class Etcd:
    """A running etcd, and the certificate that opens it."""

    server: Server
    url: str
    client: Pair


@contextmanager
def start_etcd(directory: Path, authority: Authority, logs: Path) -> Iterator[Etcd]:
    """Run etcd for the time of a `with` block. Only who holds the client's certificate may speak with it."""
    client_port, peer_port = free_ports(2)
    url, peer_url = f"https://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    pair, client = authority.server("etcd", "127.0.0.1"), authority.client("etcd-client")
    command = [
        binary("plane", "etcd"),
        *("--name", "one", "--data-dir", directory, "--unsafe-no-fsync"),
        *("--listen-client-urls", url, "--advertise-client-urls", url),
        *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
        *("--initial-cluster", f"one={peer_url}"),
        *("--cert-file", pair.certificate, "--key-file", pair.key),
        *("--client-cert-auth", "--trusted-ca-file", authority.certificate),
    ]
    with running("etcd", command, logs) as server:
        server.wait_until(lambda: answers(f"{url}/health", authority, client))
        yield Etcd(server, url, client)


def answers(url: str, authority: Authority, client: Pair) -> bool:
    """Whether a server answers with 200 to a client that the authority vouches for."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(client.certificate, client.key)
    try:
        return httpx.get(url, verify=context, trust_env=False, timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
