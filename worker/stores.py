"""The stores that a run spec names, each opened once, by its Secret."""

from dataclasses import dataclass, field
from pathlib import Path

from worker.endpoints.patience import Watch, unwatched
from worker.endpoints.store import Store
from worker.endpoints.swift import SwiftStore


@dataclass
class Stores:
    """Opens stores with mounted credentials."""

    secrets: Path
    opened: dict[str, Store] = field(default_factory=dict)
    watch: Watch = unwatched

    def of(self, credentials: str) -> Store:
        """Return the store that the Secret `credentials` opens.

        Raises:  BadDocument if the Secret is not mounted or lacks a key.
        """
        if credentials not in self.opened:
            self.opened[credentials] = SwiftStore(self.secrets, credentials, watch=self.watch)
        return self.opened[credentials]


def manifest_name(run_id: str) -> str:
    """Return the object's name under which a finished run's manifest lies."""
    return f"{run_id}/manifest.json"


def pending_name(run_id: str) -> str:
    """Return the object's name under which the writer's manifest waits until the result is there."""
    return f"{run_id}/pending.json"


def attempts_prefix(run_id: str) -> str:
    """Return what the names of the manifests of all attempts begin with; their order is that of time."""
    return f"{run_id}/attempts/"


def settlement_name(run_id: str, attempt: str) -> str:
    """Return the object's name under which it lies how an attempt ended for what is spent."""
    return f"{run_id}/settled/{attempt}.json"


def result_name(run_id: str, suffix: str) -> str:
    """Return the object's name under which the answer lies."""
    return f"{run_id}/result.{suffix}"


def attempt_name(run_id: str, when: str, token: str) -> str:
    """Return the object's name for the manifest of an attempt that will be repeated."""
    return f"{attempts_prefix(run_id)}{when}-{token}.json"
