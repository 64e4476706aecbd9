"""A file that comes in, and a disk that cannot take it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from worker.errors import StoreUnavailable

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def incoming(path: Path) -> Iterator[FileIO]:
    """Open a file for what comes in; it is gone if that fails."""
    try:
        # Without a buffer: closing one would fail once more on a full disk.
        with path.open("wb", buffering=0) as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def write_all(file: FileIO, content: bytes | memoryview) -> None:
    """Write all of it: a disk that fills up takes a part first, and says so only the next time."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def disk_problem(error: OSError, where: str) -> StoreUnavailable:
    """Return what to raise when the work directory cannot take what comes in. Another node may have more room."""
    if error.errno in _NO_ROOM:
        return no_room(where)
    name = errno.errorcode.get(error.errno or 0, "unknown error")
    return StoreUnavailable(f"the work directory cannot be written to ({name})", where)


def no_room(where: str, detail: str = "") -> StoreUnavailable:
    """Return what to raise when there is no room."""
    fix = "raise spec.resources.work in the party document, or free room on the node"
    return StoreUnavailable(f"the work directory has no room for the object{detail}", where, fix=fix)
