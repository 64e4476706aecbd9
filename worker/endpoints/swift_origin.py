"""A dataset in Swift: an object, with its policy and signature in the same container."""

from dataclasses import dataclass
from pathlib import Path

from worker.endpoints.origin import (
    MAX_POLICY_BYTES,
    MAX_SIGNATURE_BYTES,
    POLICY_SUFFIX,
    SIGNATURE_SUFFIX,
    Beside,
)
from worker.endpoints.store import Download, Store


@dataclass(frozen=True)
class SwiftOrigin:
    """A `worker.endpoints.origin.Origin`."""

    store: Store
    container: str
    name: str

    @property
    def place(self) -> str:
        """Container and object."""
        return f"{self.container}/{self.name}"

    def policy(self) -> Beside:
        """Return the policy."""
        return self._beside(POLICY_SUFFIX, MAX_POLICY_BYTES)

    def signature(self) -> Beside:
        """Return the policy's signature."""
        return self._beside(SIGNATURE_SUFFIX, MAX_SIGNATURE_BYTES)

    def download(self, path: Path) -> Download:
        """Stream the object to `path`."""
        return self.store.download(self.container, self.name, path)

    def _beside(self, suffix: str, limit_bytes: int) -> Beside:
        return Beside(self.place + suffix, self.store.get_small(self.container, self.name + suffix, limit_bytes))
