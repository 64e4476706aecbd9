"""A file that comes in over several attempts: how far it is, and whether it is what was expected."""

import hashlib
from io import FileIO

from worker.endpoints.dataverse_metadata import ALGORITHMS, Expected
from worker.endpoints.disk import write_all


class Receipt:
    """Writes to a file and counts along. An attempt goes on where the last one stopped, or starts again."""

    def __init__(self, file: FileIO, expected: Expected | None) -> None:
        self._file, self._expected = file, expected
        self.size_bytes = 0
        self.furthest = 0  # byte that any attempt came to: what counts as progress
        self._rejected = 0
        # Without a checksum nobody could tell that two halves belong together.
        self.may_resume = expected is not None
        self.restart()

    def restart(self) -> None:
        """Forget what came in."""
        if self.size_bytes:
            self._file.seek(0)
            self._file.truncate()
            self.size_bytes = 0
        self._sha256 = hashlib.sha256()
        algorithm = ALGORITHMS[self._expected.algorithm] if self._expected else "sha256"
        self._checksum = hashlib.new(algorithm, usedforsecurity=False)

    def write(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        write_all(self._file, chunk)
        self._sha256.update(chunk)
        self._checksum.update(chunk)
        self.size_bytes += len(chunk)
        self.furthest = max(self.furthest, self.size_bytes)

    def reject(self) -> int:
        """Forget what came in, since it is wrong; return how often that has happened."""
        self.restart()
        self._rejected += 1
        return self._rejected

    @property
    def expected_bytes(self) -> int | None:
        """How many bytes there should be, if that is known."""
        return self._expected.size_bytes if self._expected else None

    @property
    def is_too_long(self) -> bool:
        """Whether more came in than there should be."""
        return self.expected_bytes is not None and self.size_bytes > self.expected_bytes

    @property
    def is_right(self) -> bool:
        """Whether the bytes have the expected checksum, or none is known."""
        return self._expected is None or self._checksum.hexdigest() == self._expected.value

    @property
    def sha256(self) -> str:
        """The digest of what came in, in hex."""
        return self._sha256.hexdigest()
