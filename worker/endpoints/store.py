"""What every store offers that runs are filed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

PutResult = Literal["created", "exists"]


@dataclass(frozen=True)
class Download:
    """What is known of a file that came in whole."""

    size_bytes: int
    sha256: str  # hex
    version: str | None = None  # which one it was, where the store has versions
    checksum: str = ""  # the store's own digest that the bytes were held against


class Store(Protocol):
    """One account of one store. Every method raises StoreUnavailable, or StoreRefused if the store says no."""

    def download(self, container: str, name: str, path: Path) -> Download:
        """Stream an object to `path`, checked against the store's own digest; `path` is gone if that fails."""

    def digest(self, container: str, name: str) -> Download:
        """Read an object through as `download` does, and keep nothing of it."""

    def get_small(self, container: str, name: str, limit_bytes: int) -> bytes:
        """Return an object that must not be larger than `limit_bytes`."""

    def get_newest(self, container: str, name: str, limit_bytes: int) -> bytes | None:
        """Return a small object as whoever wrote it last left it, wherever copies of it lie; None: it is not there."""

    def exists(self, container: str, name: str) -> bool:
        """Whether the object is there; a missing container is an absent object."""

    def names(self, container: str, prefix: str) -> list[str]:
        """Return the names of the objects that begin with `prefix`, in order; a missing container has none."""

    def put_once(self, container: str, name: str, content: bytes | Path, readers: Sequence[str] = ()) -> PutResult:
        """Store an object unless one of that name is there already.

        A missing container is made, open to `readers`; one that is there keeps its access rules.
        """

    def check_writable(self, container: str) -> None:
        """Raise StoreRefused now if objects could not be put there later; nothing is put."""

    def remove(self, container: str, name: str) -> None:
        """Delete an object; one that is not there is fine."""

    def missing_readers(self, container: str, readers: Sequence[str]) -> tuple[str, ...]:
        """Return which of `readers` the container's rules, as far as we are shown them, do not let read."""
