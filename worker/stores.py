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
