"""Files and directories that only their owner can read, from their first moment on."""

import os
import secrets
from pathlib import Path


def private_directory(path: Path) -> Path:
    """Make `path` and missing parents with mode 0700; return it."""
    missing = [path, *path.parents]
    for each in reversed([item for item in missing if not item.exists()]):
        each.mkdir(mode=0o700, exist_ok=True)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path` with mode 0600, all or nothing: a reader sees the old file or the new one."""
    private_directory(path.parent)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Put `content` into a new file with `mode`.

    Raises:  FileExistsError: not even a file that came into being just now is overwritten.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def keep_from_git(directory: Path) -> Path:
    """Make a private directory that Git ignores, wherever it is, and whatever others write into .gitignore."""
    ignore = private_directory(directory) / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return directory
