"""Bytes on their way from a store: digested and written in a thread of their own, so that the network never waits.

hashlib releases the interpreter's lock, so the two threads use two cores. The queue between them bounds the memory.
"""

import hashlib
import queue
import threading
from collections.abc import Sequence
from io import FileIO

BATCH_BYTES = 512 * 1024
MAX_BATCHES = 16  # on their way: 8 MiB


class Digests:
    """SHA-256 and MD5 of a stream, and the MD5 of each of its segments, if their sizes are told."""

    def __init__(self, segment_bytes: Sequence[int] = ()) -> None:
        self._sha256 = hashlib.sha256()
        self._segments = list(segment_bytes)
        self._left = self._segments[0] if self._segments else -1
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0
        self.segment_md5s: list[str] = []

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._sha256.update(chunk)
        self.size_bytes += len(chunk)
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
    """Takes a stream. What goes wrong in its thread is raised by the next call."""

    def __init__(self, file: FileIO | None) -> None:
        self._file = file
        self.digests = Digests()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._queue: queue.Queue[list[bytes] | None] = queue.Queue(MAX_BATCHES)
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="sink", daemon=True)
        self._thread.start()

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
        self._queue.join()
        self._raise_problem()
        return self.digests

    def restart(self, segment_bytes: Sequence[int] = ()) -> None:
        """Forget what came: the next byte is the stream's first."""
        self.settle()
        self.digests = Digests(segment_bytes)
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()

    def close(self) -> None:
        """End the thread. The file stays open: it is its owner's."""
        self._queue.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        self._raise_problem()
        if self._batch:
            self._queue.put(self._batch)
            self._batch, self._batch_bytes = [], 0

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                if self._problem is None:
                    for chunk in batch:
                        self._write(chunk)
                        self.digests.update(chunk)
            except Exception as problem:
                self._problem = problem
            finally:
                self._queue.task_done()

    def _write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while self._file is not None and view:
            view = view[self._file.write(view) :]  # a disk that fills up takes a part first
