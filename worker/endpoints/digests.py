"""Bytes on their way from a store: written and digested beside the network, so that it never waits.

hashlib releases the interpreter's lock, so threads use several cores: MD5, the slowest part, has one of its own. They
hand a few buffers round, which bounds the memory and copies nothing.
"""

import hashlib
import queue
import threading
from collections.abc import Callable, Sequence
from io import FileIO

from worker.endpoints.disk import write_all

BATCH_BYTES = 512 * 1024  # a lock is passed on for each write and digest
MAX_BATCHES = 16  # on their way: 8 MiB, which the threads share
Batch = memoryview  # of a buffer, up to where it is filled


class Digests:
    """SHA-256 of a stream, and unless they are not wanted its MD5 and that of each segment whose size is told."""

    def __init__(self, segment_bytes: Sequence[int] = (), with_md5: bool = True) -> None:
        self._sha256, self.with_md5 = hashlib.sha256(), with_md5
        self._segments = list(segment_bytes)
        self._left = self._segments[0] if self._segments else -1
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size_bytes = 0
        self.segment_md5s: list[str] = []

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self.update_sha256(chunk)
        self.update_md5(chunk)

    def update_sha256(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes for what is not of MD5; another thread may do the other half."""
        self._sha256.update(chunk)
        self.size_bytes += len(chunk)

    def update_md5(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes for MD5."""
        if not self.with_md5:
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
        self._free: queue.LifoQueue[memoryview] = queue.LifoQueue()  # the last one used is still in a cache
        self._n_buffers = 0
        self._buffer: memoryview | None = None
        self._filled_bytes = 0
        self._writing = _Stage(self._write, lambda batch: self._free.put(memoryview(batch.obj)))
        self._digesting = _Stage(lambda batch: self.digests.update_md5(batch), self._writing.take)

    def take(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:  OSError of an earlier write.
        """
        view = memoryview(chunk)
        while view:
            room = self.room()
            n_bytes = min(len(room), len(view))
            room[:n_bytes] = view[:n_bytes]
            self.filled(n_bytes)
            view = view[n_bytes:]

    def room(self) -> memoryview:
        """Return where the next bytes may be put, to be told by `filled` how many were; waits for a buffer.

        Raises:  OSError of an earlier write.
        """
        if self._buffer is None:
            self._raise_problem()
            if self._n_buffers < MAX_BATCHES and self._free.empty():
                self._n_buffers += 1
                self._free.put(memoryview(bytearray(BATCH_BYTES)))
            self._buffer = self._free.get()
        return self._buffer[self._filled_bytes :]

    def filled(self, n_bytes: int) -> None:
        """Take the first `n_bytes` of the room."""
        self._filled_bytes += n_bytes
        if self._filled_bytes == BATCH_BYTES:
            self._hand_over()

    def settle(self) -> Digests:
        """Return the digests when everything taken has been written.

        Raises:  OSError.
        """
        self._hand_over()
        # The batches are done when every buffer has come back.
        for buffer in [self._free.get() for _ in range(self._n_buffers)]:
            self._free.put(buffer)
        self._raise_problem()
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
        self._digesting.close()
        self._writing.close()

    def _hand_over(self) -> None:
        if self._buffer is None:
            return
        first = self._digesting if self.digests.with_md5 else self._writing
        first.take(self._buffer[: self._filled_bytes])
        self._buffer, self._filled_bytes = None, 0

    def _raise_problem(self) -> None:
        problem = self._digesting.problem or self._writing.problem
        if problem is not None:
            raise problem

    def _write(self, batch: Batch) -> None:
        if self._file is not None:
            write_all(self._file, batch)
        self.digests.update_sha256(batch)


class _Stage:
    """A thread that does one thing to every batch, in order, until that fails; and passes each one on."""

    def __init__(self, act: Callable[[Batch], None], then: Callable[[Batch], None]) -> None:
        self._act, self._then = act, then
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self.problem: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def take(self, batch: Batch) -> None:
        self._queue.put(batch)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            try:
                if self.problem is None:
                    self._act(batch)
            except Exception as problem:
                self.problem = problem
            self._then(batch)
