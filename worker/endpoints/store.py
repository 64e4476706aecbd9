"""What every store offers that runs are filed in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

PutResult = Literal["created", "exists"]


@dataclass(frozen=True)
class Download:
    """What is known of a file that came in whole."""

    size_bytes: int
    sha256: str  # hex


class Store(Protocol):
    """One account of one store. Every method raises StoreUnavailable, or StoreRefused if the store says no."""

    def download(self, container: str, name: str, path: Path) -> Download:
        """Stream an object to `path`, checked against the store's own digest."""

    def get_small(self, container: str, name: str, limit_bytes: int) -> bytes:
        """Return an object that must not be larger than `limit_bytes`."""

    def exists(self, container: str, name: str) -> bool:
        """Whether the object is there; a missing container is an absent object."""

    def put_once(self, container: str, name: str, content: bytes | Path) -> PutResult:
        """Store an object unless one of that name is there already; the container is made if it is missing."""
