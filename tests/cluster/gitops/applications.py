"""What Argo CD says of an Application, as whoever has kubectl reads it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.client import Client, Refused
from tests.cluster.gitops.install import APPLICATION, NAMESPACE
from tests.cluster.process import wait_until
from tests.cluster.tree import Manifest

SYNC_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Application:
    """One Application as it is now."""

    manifest: Manifest

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Where it applies to."""
        return str(self.manifest["spec"]["destination"]["namespace"])

    @property
    def _status(self) -> Manifest:
        return dict(self.manifest.get("status", {}))

    @property
    def sync(self) -> str:
        """Synced, OutOfSync, Unknown."""
        return str(self._status.get("sync", {}).get("status", ""))

    @property
    def revision(self) -> str:
        """The commit that it was last compared with."""
        return str(self._status.get("sync", {}).get("revision", ""))

    @property
    def health(self) -> str:
        """Healthy, Progressing, Degraded, …"""
        return str(self._status.get("health", {}).get("status", ""))

    @property
    def operation(self) -> Manifest:
        """The last sync: phase, message, when."""
        return dict(self._status.get("operationState", {}))

    @property
    def n_syncs(self) -> int:
        """How many syncs have succeeded."""
        return len(self._status.get("history", []))

    @property
    def compared_at(self) -> str:
        """When it was last compared with Git."""
        return str(self._status.get("reconciledAt", ""))

    @property
    def said(self) -> str:
        """All that it tells a reader: conditions, the operation's message, each resource's."""
        conditions = [f"{one['type']}: {one['message']}" for one in self._status.get("conditions", [])]
        results = self.operation.get("syncResult", {}).get("resources", [])
        resources = [f"{one['kind']}/{one['name']}: {one.get('message', '')}" for one in results]
        return "\n".join([*conditions, str(self.operation.get("message", "")), *resources])

    def resource(self, kind: str) -> Manifest:
        """Return what it says of its one object of a kind."""
        [one] = [each for each in self._status.get("resources", []) if each["kind"] == kind]
        return dict(one)

    @property
    def is_done(self) -> bool:
        """Whether all that is in Git is in the cluster."""
        return self.sync == "Synced" and self.operation.get("phase") == "Succeeded"


def application(client: Client, name: str) -> Application | None:
    """Return the Application, or None if there is none."""
    try:
        return Application(client.get(APPLICATION, "Application", name, NAMESPACE))
    except Refused as error:
        if error.code == 404:
            return None
        raise


def applications(client: Client) -> list[Application]:
    """Return all Applications."""
    return [Application(one) for one in client.list_all(APPLICATION, "Application", NAMESPACE)]


def wait_for(what: str, is_true: Callable[[], bool]) -> None:
    """Wait as long as Argo CD may take until a condition is true."""
    wait_until(is_true, what, SYNC_TIMEOUT_S)
