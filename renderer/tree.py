"""The committed tree beside the one that the documents make: what differs, as a diff, and written.

Only files that the renderer owns are ever touched: everything under `argocd/rendered`, and in `argocd` the files
`appproject-*.yaml`, `namespace-*.yaml` and `applicationset.yaml`, and in `argocd/admission` all of its YAML.
"""

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from renderer import names
from renderer.render import RenderedFile

_OWNED = ("appproject-*.yaml", "namespace-*.yaml", "applicationset.yaml")
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
    new = {file.path: file.text for file in files}
    old = {path: _read(root / path) for path in _owned(root)}
    return tuple(
        Change(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


def write(root: Path, differences: Iterable[Change]) -> None:
    """Make the tree what the documents say; directories that become empty are removed."""
    for change in differences:
        path = root / change.path
        if change.new is None:
            path.unlink()
            _remove_empty(path.parent, root / names.RENDERED)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(change.new.encode("utf-8"))


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


def _read(path: Path) -> str:
    # A file that somebody has put there may hold anything; it then differs, and that is all we need to know.
    return path.read_bytes().decode("utf-8", errors="replace")


def _owned(root: Path) -> tuple[PurePosixPath, ...]:
    argo_cd, rendered = root / names.ARGO_CD, root / names.RENDERED
    # A link would lead our writing and removing out of the tree.
    for directory in (argo_cd, rendered, root / _ADMISSION):
        if directory.is_symlink():
            raise ForeignPathError(PurePosixPath(directory.relative_to(root)))
    found = [path for pattern in _OWNED for path in argo_cd.glob(pattern)]
    found += (root / _ADMISSION).glob("*.yaml")
    for place, subdirectories, files in os.walk(rendered):
        found += [Path(place, name) for name in files]
        found += [Path(place, name) for name in subdirectories if Path(place, name).is_symlink()]
    for path in found:
        if path.is_symlink() or not path.is_file():
            raise ForeignPathError(PurePosixPath(path.relative_to(root)))
    return tuple(PurePosixPath(path.relative_to(root)) for path in found)


def _remove_empty(directory: Path, top: Path) -> None:
    while directory.is_relative_to(top) and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent
