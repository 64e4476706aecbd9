"""Where one dataset lies: its file, and beside it the owner's policy with its signature."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from worker.endpoints.store import Download

POLICY_SUFFIX = ".policy.yaml"
SIGNATURE_SUFFIX = ".policy.yaml.sig"
MAX_POLICY_BYTES = 256 * 1024
MAX_SIGNATURE_BYTES = 200


@dataclass(frozen=True)
class Beside:
    """A small file that lies beside the data."""

    place: str  # for messages
    content: bytes


class Origin(Protocol):
    """One dataset, wherever it is.

    Every method raises StoreUnavailable, StoreRefused if the store says no, or BadDocument for what is too large.
    """

    @property
    def place(self) -> str:
        """Where the data file lies, for messages: never with a credential, nor with an address that works like one."""

    def policy(self) -> Beside:
        """Return the policy, of at most MAX_POLICY_BYTES."""

    def signature(self) -> Beside:
        """Return the policy's signature, of at most MAX_SIGNATURE_BYTES."""

    def download(self, path: Path) -> Download:
        """Stream the data to `path`; it is whole, and what the store says it is, when this returns."""
