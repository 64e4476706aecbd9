"""A dataset on a mounted volume of the owner's own cluster.

Whoever writes to the volume may put links on it, or swap a file for a link while it is read. What is opened lies within
the volume whatever they do: the path is resolved once, and then walked without following any link.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from worker.endpoints.disk import disk_problem, incoming, write_all
from worker.endpoints.origin import (
    MAX_POLICY_BYTES,
    MAX_SIGNATURE_BYTES,
    POLICY_SUFFIX,
    SIGNATURE_SUFFIX,
    Beside,
)
from worker.endpoints.patience import Watch, unwatched
from worker.endpoints.store import Download
from worker.errors import BadDocument, StoreRefused, StoreUnavailable

CHUNK_BYTES = 1 << 20
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # not blocking: a FIFO must not hold us up
_DIRECTORY = os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True)
class FilesOrigin:
    """A `worker.endpoints.origin.Origin`."""

    volumes: Path  # where volumes are mounted, a directory each
    claim: str
    path: str  # within the volume
    watch: Watch = unwatched

    @property
    def place(self) -> str:
        """Claim and path."""
        return f"{self.claim}/{self.path}"

    def policy(self) -> Beside:
        """Return the policy."""
        return self._beside(POLICY_SUFFIX, MAX_POLICY_BYTES)

    def signature(self) -> Beside:
        """Return the policy's signature."""
        return self._beside(SIGNATURE_SUFFIX, MAX_SIGNATURE_BYTES)

    def download(self, path: Path) -> Download:
        """Copy the file to `path`: the owner may change theirs while the run goes on."""
        try:
            with self._open(self.path) as source, incoming(path) as target:
                return self._copy(source, target)
        except OSError as error:
            raise disk_problem(error, self.place) from None

    def _copy(self, source: BinaryIO, target: FileIO) -> Download:
        sha256, size_bytes = hashlib.sha256(), 0
        before = os.fstat(source.fileno())
        while chunk := self._read(source, CHUNK_BYTES, self.path):
            sha256.update(chunk)
            size_bytes += len(chunk)
            write_all(target, chunk)
            self.watch(size_bytes, before.st_size)
        after = os.fstat(source.fileno())
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size) or size_bytes != after.st_size:
            fix = "put a new file beside the old one and rename it over that"
            raise StoreUnavailable("the file was changed while it was read", self.place, fix=fix)
        return Download(size_bytes, sha256.hexdigest())

    def _beside(self, suffix: str, limit_bytes: int) -> Beside:
        name, place = self.path + suffix, self.place + suffix
        with self._open(name) as file:
            content = self._read(file, limit_bytes + 1, name)
        if len(content) > limit_bytes:
            raise BadDocument(f"the file is larger than {limit_bytes} bytes", place)
        return Beside(place, content)

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        descriptor = self._descriptor(name)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._refused("is no regular file", name)
        with open(descriptor, "rb", buffering=0) as file:
            yield file

    def _descriptor(self, name: str) -> int:
        """Open a file within the volume.

        Links within the volume are followed, once; what has become a link since then is refused by the kernel.
        """
        root = self.volumes / self.claim
        try:
            real_root = root.resolve(strict=True)
            real = (real_root / name).resolve(strict=True)
            if not real.is_relative_to(real_root) or real == real_root:
                raise self._refused("leads out of the volume", name, "keep data and policy within the volume")
            return _walk(real_root, real.relative_to(real_root).parts)
        except FileNotFoundError:
            fix = "check the path in the party document, or put the file there"
            raise self._refused("is not there", name, fix) from None
        except PermissionError:
            fix = "let user or group 65532 read it, or any user"
            raise self._refused("may not be read", name, fix) from None
        except (OSError, RuntimeError) as error:
            # RuntimeError: links that lead in a circle.
            raise self._refused(f"cannot be opened ({type(error).__name__})", name) from None

    def _read(self, file: BinaryIO, n_bytes: int, name: str) -> bytes:
        try:
            return file.read(n_bytes)
        except OSError as error:
            what = f"the volume cannot be read ({type(error).__name__})"
            raise StoreUnavailable(what, f"{self.claim}/{name}", fix="check the volume") from None

    def _refused(self, what: str, name: str, fix: str = "") -> StoreRefused:
        return StoreRefused(f"the file {what}", f"{self.claim}/{name}", "a file lies within its volume", fix)


def _walk(root: Path, parts: tuple[str, ...]) -> int:
    """Open the file at `parts` below `root`, where nothing on the way may be a link."""
    *directories, last = parts
    with contextlib.ExitStack() as opened:
        at = os.open(root, _DIRECTORY)
        opened.callback(os.close, at)
        for directory in directories:
            at = os.open(directory, _DIRECTORY, dir_fd=at)
            opened.callback(os.close, at)
        return os.open(last, _FILE, dir_fd=at)
