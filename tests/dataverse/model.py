"""Datasets, versions, files, users and their rights, as the API's documentation describes them."""

import csv
import hashlib
import io
import itertools
import secrets
import threading
from dataclasses import dataclass, field, replace
from typing import Any

HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


@dataclass(frozen=True)
class DataFile:
    """The bytes of a file; the same in all versions that it is in."""

    id: int
    content: bytes  # as uploaded
    content_type: str
    checksum_type: str
    table: bytes | None = None  # what ingest made of it, without its first line
    header: bytes = b""  # which is put in front of that when it is downloaded
    original_name: str | None = None

    def checksum(self) -> str:
        return hashlib.new(HASHES[self.checksum_type], self.content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class FileMetadata:
    """A file as one version has it."""

    label: str
    directory: str
    restricted: bool
    file: DataFile

    def json(self) -> dict[str, Any]:
        file = self.file
        data: dict[str, Any] = {
            "id": file.id,
            "persistentId": "",
            "filename": self.label,
            "contentType": "text/tab-separated-values" if file.table is not None else file.content_type,
            "filesize": len(file.content if file.table is None else file.table),
            "storageIdentifier": f"local://{file.id}",
            "rootDataFileId": -1,
            "checksum": {"type": file.checksum_type, "value": file.checksum()},
            "tabularData": file.table is not None,
            "creationDate": "2026-01-02",
        }
        if file.checksum_type == "MD5":
            data["md5"] = file.checksum()
        if file.table is not None:
            data |= {
                "originalFileFormat": file.content_type,
                "originalFormatLabel": "Comma Separated Values",
                "originalFileSize": len(file.content),
                "originalFileName": file.original_name,
                "UNF": "UNF:6:" + secrets.token_hex(8),
            }
        directory = {"directoryLabel": self.directory} if self.directory else {}
        return {"label": self.label, "restricted": self.restricted, **directory, "version": 1, "dataFile": data}


@dataclass(frozen=True)
class Version:
    """A version, published or being worked on."""

    files: tuple[FileMetadata, ...] = ()
    number: tuple[int, int] | None = None  # a draft has none
    state: str = "DRAFT"

    def json(self, persistent_id: str) -> dict[str, Any]:
        numbers = {"versionNumber": self.number[0], "versionMinorNumber": self.number[1]} if self.number else {}
        return {
            "id": 1,
            "datasetId": 1,
            "datasetPersistentId": persistent_id,
            **numbers,
            "versionState": self.state,
            "metadataBlocks": {},
            "files": [file.json() for file in self.files],
        }


@dataclass
class Dataset:
    """A dataset with its versions, the oldest first."""

    persistent_id: str
    owner: str
    versions: list[Version] = field(default_factory=lambda: [Version()])
    readers: set[str] = field(default_factory=set)  # who may download its restricted files
    guestbook: int | None = None

    @property
    def published(self) -> list[Version]:
        return [version for version in self.versions if version.state == "RELEASED"]

    def draft(self) -> Version:
        """The version being worked on; made from the last published one if there is none."""
        if self.versions[-1].state != "DRAFT":
            self.versions.append(replace(self.versions[-1], number=None, state="DRAFT"))
        return self.versions[-1]

    def find(self, name: str, user: str | None) -> Version | None:
        """The version that the API's name for it means to `user`."""
        visible = self.versions if user == self.owner else self.published
        if name == ":draft":
            return next((version for version in visible if version.state == "DRAFT"), None)
        if name == ":latest-published":
            return self.published[-1] if self.published else None
        if name == ":latest":
            return visible[-1] if visible else None
        wanted = name if "." in name else f"{name}.0"
        return next((v for v in visible if v.number and f"{v.number[0]}.{v.number[1]}" == wanted), None)


class Installation:
    """The whole state. `tokens` leads from API tokens to users; one whose user may create datasets is made first."""

    def __init__(self, checksum_type: str = "MD5") -> None:
        self.checksum_type = checksum_type
        self.tokens: dict[str, str] = {}
        self.datasets: dict[str, Dataset] = {}
        self.lock = threading.RLock()
        self._ids = itertools.count(1000)
        self.steward = self.new_user("steward")

    def new_user(self, name: str) -> str:
        token = f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-{secrets.token_hex(6)}"
        self.tokens[token] = name
        return token

    def new_dataset(self, owner: str) -> Dataset:
        persistent_id = f"doi:10.5072/FK2/{secrets.token_hex(3).upper()}"
        self.datasets[persistent_id.lower()] = Dataset(persistent_id, owner)
        return self.datasets[persistent_id.lower()]

    def dataset(self, persistent_id: str) -> Dataset | None:
        return self.datasets.get(persistent_id.lower())

    def add_file(
        self, dataset: Dataset, name: str, content: bytes, content_type: str, options: dict[str, Any]
    ) -> FileMetadata:
        file = DataFile(next(self._ids), content, content_type, self.checksum_type)
        if name.endswith(".csv") and str(options.get("tabIngest", "true")).lower() == "true":
            header, table = ingest(content)
            file = replace(file, content_type="text/csv", table=table, header=header, original_name=name)
            name = f"{name.removesuffix('.csv')}.tab"
        restricted = str(options.get("restrict", "false")).lower() == "true"
        added = FileMetadata(name, options.get("directoryLabel", ""), restricted, file)
        draft = dataset.draft()
        others = [each for each in draft.files if (each.label, each.directory) != (added.label, added.directory)]
        dataset.versions[-1] = replace(draft, files=(*others, added))
        return added

    def publish(self, dataset: Dataset, kind: str) -> Version:
        major, minor = (dataset.published[-1].number or (0, 0)) if dataset.published else (0, 0)
        number = (major, minor + 1) if kind == "minor" and dataset.published else (major + 1, 0)
        dataset.versions[-1] = replace(dataset.draft(), number=number, state="RELEASED")
        return dataset.versions[-1]

    def file(self, number: int) -> tuple[Dataset, FileMetadata] | None:
        for dataset in self.datasets.values():
            for version in reversed(dataset.versions):
                for file in version.files:
                    if file.file.id == number:
                        return dataset, file
        return None


def ingest(content: bytes) -> tuple[bytes, bytes]:
    """What becomes of comma-separated values: tabs, texts in quotes, numbers plain; the names apart."""
    names, *rows = csv.reader(io.StringIO(content.decode()))
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(names))]
    lines = [
        "\t".join(value if numeric[i] else f'"{value}"' if value else "" for i, value in enumerate(row)) for row in rows
    ]
    return ("\t".join(names) + "\n").encode(), ("\n".join(lines) + "\n").encode()


def _is_number(text: str) -> bool:
    return text == "" or text.lstrip("-").replace(".", "", 1).isdigit()
