"""Bytes on their way from a store: written and digested beside the network, so that it never waits.

hashlib releases the interpreter's lock, so threads use several cores: MD5, the slowest part, has one of its own. The
queues between them bound the memory.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Sequence
from io import FileIO

BATCH_BYTES = 512 * 1024
MAX_BATCHES = 16  # on their way: 8 MiB, which the threads share


class Digests:
    """SHA-256 of a stream, and unless they are not wanted its MD5 and that of each segment whose size is told."""

    def __init__(self, segment_bytes: Sequence[int] = (), with_md5: bool = True) -> None:
        self._sha256, self._with_md5 = hashlib.sha256(), with_md5
        self._segments = list(segment_bytes)
        self._left = self._segments[0] if self._segments else -1
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0
        self.segment_md5s: list[str] = []

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.update_sha256(chunk)
        self.update_md5(chunk)

    def update_sha256(self, chunk: bytes) -> None:
        """Take the next bytes for what is not of MD5; another thread may do the other half."""
        self._sha256.update(chunk)
        self.size_bytes += len(chunk)

    def update_md5(self, chunk: bytes) -> None:
        """Take the next bytes for MD5."""
        if not self._with_md5:
            return
        view = memoryview(chunk)
        while 0 <= self._left <= len(view):
            self._md5.update(view[: self._left])
            view = view[self._left :]
            self._end_segment()
        self._md5.update(view)
        self._left -= len(view) if self._left >= 0 else 0

    @property
    def sha256(self) -> str:
        """Of the whole, in hex."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """Of the whole, or of what came after the last segment that is complete, in hex."""
        return self._md5.hexdigest()

    def _end_segment(self) -> None:
        self.segment_md5s.append(self._md5.hexdigest())
        self._md5 = hashlib.md5(usedforsecurity=False)
        n_done = len(self.segment_md5s)
        self._left = self._segments[n_done] if n_done < len(self._segments) else -1


class Sink:
    """Takes a stream. What goes wrong in its threads is raised by the next call."""

    def __init__(self, file: FileIO | None) -> None:
        self._file = file
        self.digests = Digests()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._stages = (_Stage(self._write), _Stage(lambda batch: self.digests.update_md5(batch)))

    def take(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:  OSError of an earlier write.
        """
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        if self._batch_bytes >= BATCH_BYTES:
            self._hand_over()

    def settle(self) -> Digests:
        """Return the digests when everything taken has been written.

        Raises:  OSError.
        """
        self._hand_over()
        for stage in self._stages:
            stage.settle()
        return self.digests

    def restart(self, digests: Digests) -> None:
        """Forget what came: the next byte is the stream's first, and for these digests."""
        self.settle()
        self.digests = digests
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def close(self) -> None:
        """End the threads. The file stays open: it is its owner's."""
        for stage in self._stages:
            stage.close()

    def _hand_over(self) -> None:
        if not self._batch:
            return
        # One piece: a lock is passed on for each write and digest, and copying costs far less than that.
        batch = b"".join(self._batch)
        self._batch, self._batch_bytes = [], 0
        for stage in self._stages:
            stage.take(batch)

    def _write(self, batch: bytes) -> None:
        view = memoryview(batch)
        while self._file is not None and view:
            view = view[self._file.write(view) :]  # a disk that fills up takes a part first
        self.digests.update_sha256(batch)


class _Stage:
    """A thread that does one thing to every batch, in order, until that fails."""

    def __init__(self, act: Callable[[bytes], None]) -> None:
        self._act = act
        self._queue: queue.Queue[bytes | None] = queue.Queue(MAX_BATCHES)
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def take(self, batch: bytes) -> None:
        if self._problem is not None:
            raise self._problem
        self._queue.put(batch)

    def settle(self) -> None:
        self._queue.join()
        if self._problem is not None:
            raise self._problem

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                if self._problem is None:
                    self._act(batch)
            except Exception as problem:
                self._problem = problem
            finally:
                self._queue.task_done()
