"""A file as a stream of bytes, for libraries that read streams, with somebody watching how far it is."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

Watch = Callable[[int, int], None]  # how many bytes are read, and how many there are


def unwatched(n_bytes: int, size_bytes: int) -> None:
    """Watch nothing."""


class Reading:
    """Reads a file from its beginning; `ending` follows its last byte."""

    def __init__(self, path: Path, watch: Watch = unwatched, ending: bytes = b"") -> None:
        self._file, self._watch, self._ending = path.open("rb"), watch, ending
        self._n_bytes, self._size_bytes = 0, path.stat().st_size

    def __enter__(self) -> "Reading":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it can be read no more."""
        return self._file.closed

    def read(self, n_bytes: int = -1) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        content = self._file.read(n_bytes)
        if content:
            self._n_bytes += len(content)
            self._watch(self._n_bytes, self._size_bytes)
        elif n_bytes:
            content, self._ending = self._ending, b""
        return content

    def close(self) -> None:
        """Close the file."""
        self._file.close()
