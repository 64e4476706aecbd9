"""The committed tree beside the one that the documents make: what differs, as a diff, and written.

Only files that the renderer owns are ever touched: everything under `argocd/rendered`, and in `argocd` the files
that `_OWNED` names, and in `argocd/admission` all of its YAML.
"""

import difflib
import fnmatch
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from renderer import names
from renderer.progress import Watch, unwatched
from renderer.render import RenderedFile

_OWNED = (
    "applicationset-*.yaml",
    "appproject-*.yaml",
    "cluster.yaml",
    "clusterrole.yaml",
    "namespace-*.yaml",
    "rolebinding-*.yaml",
)
_ADMISSION = names.ARGO_CD / "admission"


@dataclass(frozen=True)
class Change:
    """One file that is not what the documents say. None stands for no file."""

    path: PurePosixPath
    old: str | None
    new: str | None

    @property
    def kind(self) -> Literal["added", "changed", "removed"]:
        """What writing it would do."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


class ForeignPathError(Exception):
    """Something lies where a rendered file belongs, and it is not the renderer's to replace."""

    def __init__(self, path: PurePosixPath) -> None:
        super().__init__(f"{path} is not a plain file or directory (fix: remove it; nothing here may be a link)")
        self.path = path


def changes(root: Path, files: Iterable[RenderedFile]) -> tuple[Change, ...]:
    """Return what differs below `root`, in the order of the paths.

    Raises:  ForeignPathError if a link or a special file lies in the way.
    """
    current, new = dict[str, RenderedFile](), dict[str, RenderedFile]()
    for file in files:
        (current if file.is_current else new)[str(file.path)] = file
    old = {path: _read(file) for path, file in _owned(root) if path not in current}
    found = [(path, old.get(path), new[path].text if path in new else None) for path in old.keys() | new.keys()]
    found.sort(key=lambda change: change[0].split("/"))
    return tuple(
        Change(new[path].path if path in new else PurePosixPath(path), text, made)
        for path, text, made in found
        if text != made
    )


def holds(file: str, text: str) -> bool:
    """Whether a plain file lies there, and holds this very text."""
    try:
        with open(file, "rb", buffering=0, opener=_open_plainly) as stream:
            return stream.read() == text.encode("utf-8")
    except OSError:
        return False


def write(root: Path, differences: Collection[Change], watch: Watch = unwatched) -> None:
    """Make the tree what the documents say; directories that become empty are removed."""
    directories: dict[PurePosixPath, list[Change]] = {}
    for change in differences:
        if change.new is None:
            (root / change.path).unlink()
            _remove_empty((root / change.path).parent, root / names.RENDERED)
        else:
            directories.setdefault(change.path.parent, []).append(change)
    for path in watch("directories written", directories):
        _write_in(f"{root}/{path}", directories[path])


def _write_in(directory: str, files: Iterable[Change]) -> None:
    os.makedirs(directory, exist_ok=True)
    for change in files:
        with open(f"{directory}/{change.path.name}", "wb") as file:
            file.write((change.new or "").encode("utf-8"))


def unified_diff(differences: Iterable[Change]) -> str:
    """Return the changes as `diff -u` and Git print them."""
    return "".join(line for change in differences for line in _diff(change))


def is_rendered(path: PurePosixPath) -> bool:
    """Whether a file is the renderer's to write and to remove."""
    if path.parent == names.ARGO_CD:
        return any(path.match(pattern) for pattern in _OWNED)
    if path.parent == _ADMISSION:
        return path.suffix == ".yaml"
    return path.is_relative_to(names.RENDERED)


def _diff(change: Change) -> Iterable[str]:
    old_name = "/dev/null" if change.old is None else f"a/{change.path}"
    new_name = "/dev/null" if change.new is None else f"b/{change.path}"
    old, new = ((text or "").splitlines(keepends=True) for text in (change.old, change.new))
    for line in difflib.unified_diff(old, new, old_name, new_name):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _read(file: str) -> str:
    # A file that somebody has put there may hold anything; it then differs, and that is all we need to know.
    with open(file, "rb") as stream:
        return stream.read().decode("utf-8", errors="replace")


def _open_plainly(file: str, flags: int) -> int:
    """Open a file; what a link leads to is another one, and a pipe in its place must not make us wait."""
    return os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _owned(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the files that are the renderer's, by their path below `root` and as they can be opened."""
    argo_cd, rendered = root / names.ARGO_CD, root / names.RENDERED
    # A link would lead our writing and removing out of the tree.
    owned = {argo_cd: _OWNED, root / _ADMISSION: ("*.yaml",), rendered: None}
    for directory in owned:
        if directory.is_symlink():
            raise ForeignPathError(PurePosixPath(directory.relative_to(root)))
    above = len(str(root / "-")) - 1
    for directory, patterns in owned.items():
        for entry in _entries(directory, patterns):
            path = entry.path[above:]
            if not entry.is_file(follow_symlinks=False):
                raise ForeignPathError(PurePosixPath(path))
            yield path, entry.path


def _entries(directory: str | Path, patterns: tuple[str, ...] | None) -> Iterator[os.DirEntry[str]]:
    """Yield what lies in a directory and fits a pattern; with None for them all, its directories' content in their place."""
    try:
        entries = os.scandir(directory)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            if patterns is None and entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path, patterns)
            elif patterns is None or any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in patterns):
                yield entry


def _remove_empty(directory: Path, top: Path) -> None:
    while directory.is_relative_to(top) and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent
