"""What Dataverse says of one version of a dataset: which files it has, and the checksums of their bytes.

A file of tables is *ingested* when it is uploaded: Dataverse then keeps the bytes as they came (the original) and makes
a tab-separated text of them (the archival form), which it calls by a name of its own, `visits.tab` for `visits.csv`.
Checksum and original size are those of the bytes as they came. The archival form has none: its first line is put in
front of it when it is downloaded, so not even the stated size is that of what arrives.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Form = Literal["original", "archival"]
# As Dataverse writes them, and as hashlib does.
ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}
_HEX = re.compile(r"[0-9a-f]{32,128}")


class _Answer(BaseModel):
    """A part of an answer; what we have no use for is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class Checksum(_Answer):
    """A digest of a file's bytes as they were uploaded."""

    type: str
    value: str


class DataFile(_Answer):
    """A file, whichever versions it is in. Its bytes never change: a replaced file has another number."""

    id: int
    filesize: int | None = None  # of an ingested file: of the archival form, without its first line
    checksum: Checksum | None = None
    tabular_data: bool = False
    original_file_format: str | None = None
    original_file_name: str | None = None
    original_file_size: int | None = None

    @property
    def is_ingested(self) -> bool:
        """Whether there is an archival form beside the original. Older installations do not say `tabularData`."""
        return self.tabular_data or self.original_file_format is not None


class FileEntry(_Answer):
    """A file as one version of the dataset names it."""

    label: str
    directory_label: str | None = None
    restricted: bool = False
    data_file: DataFile

    @property
    def path(self) -> str:
        """Its name, within its directory."""
        return self._in_directory(self.label)

    @property
    def original_path(self) -> str | None:
        """The name it had before it was ingested, within its directory; None if it was not, or nobody knows."""
        name = self.data_file.original_file_name
        return self._in_directory(name) if name and self.data_file.is_ingested else None

    def _in_directory(self, name: str) -> str:
        return f"{self.directory_label.strip('/')}/{name}" if self.directory_label else name


class Version(_Answer):
    """One version of a dataset."""

    version_number: int | None = None  # a draft has none
    version_minor_number: int | None = None
    version_state: str = ""
    dataset_persistent_id: str | None = None
    files: tuple[FileEntry, ...] = ()

    @property
    def number(self) -> str:
        """As people write it: 1.0."""
        return f"{self.version_number}.{self.version_minor_number}"

    @property
    def is_published(self) -> bool:
        """Whether it stays as it is. A draft changes; of a deaccessioned version only a tombstone is left."""
        has_number = self.version_number is not None and self.version_minor_number is not None
        return self.version_state == "RELEASED" and has_number

    def find(self, file: str | int, form: Form) -> FileEntry | None:
        """Return the file of that number or name; the original may also be called as it was uploaded."""
        for test in _tests(file, form):
            found = [entry for entry in self.files if test(entry) == file]
            if len(found) == 1:
                return found[0]
        return None


class VersionAnswer(_Answer):
    """The answer to a question for a version."""

    data: Version


@dataclass(frozen=True)
class Expected:
    """What a file's bytes must be."""

    algorithm: str  # as Dataverse calls it
    value: str  # hex
    size_bytes: int | None

    def digest(self, content: bytes) -> str:
        """Return the digest of `content` by the same algorithm."""
        return hashlib.new(ALGORITHMS[self.algorithm], content, usedforsecurity=False).hexdigest()


def expected_of(entry: FileEntry, form: Form) -> Expected | None:
    """Return what is known of the bytes of a file in that form; None if that is nothing."""
    file = entry.data_file
    if (file.is_ingested and form == "archival") or file.checksum is None:
        return None
    value = file.checksum.value.strip().lower()
    if file.checksum.type not in ALGORITHMS or not _HEX.fullmatch(value):
        return None
    return Expected(file.checksum.type, value, file.original_file_size if file.is_ingested else file.filesize)


def _tests(file: str | int, form: Form) -> Iterator[Callable[[FileEntry], object]]:
    if isinstance(file, int):
        yield lambda entry: entry.data_file.id
        return
    yield lambda entry: entry.path
    if form == "original":
        yield lambda entry: entry.original_path
