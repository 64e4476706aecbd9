"""Argo CD's processes: application controller, ApplicationSet controller, repo server, and Redis."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from renderer.dev.ports import free_ports
from tests.cluster.binaries import binary
from tests.cluster.control_plane import ControlPlane
from tests.cluster.federation import ARGO_CD_GROUPS
from tests.cluster.gitops.install import NAMESPACE, install, install_scripts
from tests.cluster.gitops.keys import end_agent
from tests.cluster.gitops.redis import Redis, start_redis
from tests.cluster.process import Server, running

HEALTHY = 200


@dataclass(frozen=True)
class ArgoCd:
    """A running Argo CD."""

    plane: ControlPlane
    keyring: Path  # public keys, a file for each: what the ConfigMap `argocd-gpg-keys-cm` is in a pod
    servers: tuple[Server, ...]

    def logs(self) -> str:
        """Return the end of each server's log."""
        return "\n".join(server.tail() for server in self.servers)


@dataclass(frozen=True)
class _Setting:
    """What the processes have in common."""

    program: Path
    directory: Path
    logs: Path
    plane: ControlPlane
    redis: Redis
    keyring: Path

    def kubeconfig(self, name: str) -> Path:
        """Return how a part speaks with the API server: as its own service account, which may do what was bound to it."""
        return self.plane.kubeconfig(f"system:serviceaccount:{NAMESPACE}:argocd-{name}", *ARGO_CD_GROUPS)

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of the process that plays `name`."""
        home = self.directory / name
        temporary = home / "tmp"
        temporary.mkdir(parents=True)
        (home / "gnupg").mkdir(mode=0o700)
        return {
            # One program plays all parts.
            "ARGOCD_BINARY_NAME": f"argocd-{name}",
            "ARGOCD_FAKE_IN_CLUSTER": "true",  # https://kubernetes.default.svc is what the kubeconfig names
            "ARGOCD_LOG_LEVEL": "warn",
            "KUBECONFIG": str(self.kubeconfig(name)),
            "REDIS_PASSWORD": self.redis.password,
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "ARGOCD_GNUPGHOME": str(home / "gnupg"),
            "ARGOCD_GPG_DATA_PATH": str(self.keyring),
            "ARGOCD_GPG_ENABLED": "true",
            "ARGOCD_ASK_PASS_SOCK": str(home / "ask-pass.sock"),
            "ARGOCD_TLS_DATA_PATH": str(home),
            "ARGOCD_SSH_DATA_PATH": str(home),
            "ARGOCD_APP_CONF_PATH": str(home),
            # Nothing by the clock: the tests say when something has been merged, as webhooks do.
            "ARGOCD_RECONCILIATION_TIMEOUT": "0s",
            "ARGOCD_RECONCILIATION_JITTER": "0s",
            # Health with its reason in the Application itself, for whoever has kubectl and no more.
            "ARGOCD_APPLICATION_CONTROLLER_PERSIST_RESOURCE_HEALTH": "true",
            "GIT_CONFIG_NOSYSTEM": "1",
            "NO_PROXY": "*",
        }

    @contextmanager
    def part(self, name: str, health: str, *arguments: str) -> Iterator[Server]:
        """Run the program as one of the parts for the time of a `with` block; it is up once `health` answers."""
        command = [self.program, *arguments]
        with running(f"argocd-{name}", command, self.logs, self.environment(name)) as server:
            server.wait_until(lambda: _is_healthy(f"http://{health}"))
            yield server


@contextmanager
def start_argo_cd(plane: ControlPlane, directory: Path) -> Iterator[ArgoCd]:
    """Run Argo CD for the time of a `with` block.

    Raises:  NoBinaries.
    """
    logs, keyring = directory / "logs", directory / "keyring"
    for place in (logs, keyring, directory / "bin"):
        place.mkdir()
    program = binary("argocd", "argocd")
    install(plane.client())
    install_scripts(directory / "bin")
    with ExitStack() as stack:
        stack.callback(end_agent, directory / "repo-server/gnupg")
        redis = stack.enter_context(start_redis(directory, logs))
        setting = _Setting(program, directory, logs, plane, redis, keyring)
        servers = [stack.enter_context(part) for part in _parts(setting)]
        yield ArgoCd(plane, keyring, (*servers, redis.server))


def _parts(setting: _Setting) -> Iterator[AbstractContextManager[Server]]:
    """Yield the parts in the order in which they are started."""
    repo_port, *ports = free_ports(6)
    repo_server, host = f"127.0.0.1:{repo_port}", "127.0.0.1"
    namespace = ("--namespace", NAMESPACE)
    yield setting.part(
        "repo-server",
        f"{host}:{ports[0]}/healthz?full=true",
        *("--address", host, "--port", str(repo_port)),
        *("--metrics-address", host, "--metrics-port", str(ports[0])),
        *("--redis", setting.redis.address),
    )
    yield setting.part(
        "application-controller",
        f"{host}:{ports[1]}/healthz",
        # It counts things at this port for whoever asks, on all addresses; there is no option for that.
        *("--metrics-port", str(ports[1])),
        *("--kubeconfig", str(setting.kubeconfig("application-controller")), *namespace),
        *("--redis", setting.redis.address, "--repo-server", repo_server),
    )
    yield setting.part(
        "applicationset-controller",
        f"{host}:{ports[2]}/metrics",
        *("--metrics-addr", f"{host}:{ports[2]}", "--probe-addr", f"{host}:{ports[3]}"),
        *("--webhook-addr", f"{host}:{ports[4]}"),
        *("--kubeconfig", str(setting.kubeconfig("applicationset-controller")), *namespace),
        *("--argocd-repo-server", repo_server),
    )


def _is_healthy(url: str) -> bool:
    try:
        # No proxy for loopback, whatever the environment says.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == HEALTHY)
    except (urllib.error.URLError, OSError):
        return False
