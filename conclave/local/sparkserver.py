"""What a Spark Connect server is asked for, and where it is: all that the engine knows of it. See `sparksession`."""

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True)
class Endpoint:
    """Where the server is, and what it asks for. Without TLS only on this very machine."""

    host: str
    port: int
    tls: bool = True
    token: str | None = field(default=None, repr=False)
    authorities: bytes | None = field(default=None, repr=False)  # whom to trust instead of the usual, as PEM


@dataclass(frozen=True)
class StoredFile:
    """One file of a dataset, as Spark finds it. What is listed is compared, never shown."""

    path: str
    size_bytes: int
    changed: str


class Session(Protocol):
    """One session: its views are its own, and are gone with it.

    Every method raises LocalError, of which only the class of Spark's error is kept, or EngineUnavailable.
    """

    def run(self, sql: str, step: str = "query") -> pa.Table:
        """Return the answer to one query.

        Raises:  TooFewSubjectsLocally, too.
        """

    def define(self, view: str, sql: str) -> None:
        """Make a query a view."""

    def upload(self, view: str, table: pa.Table) -> None:
        """Make a table of the worker's a view."""

    def read_parquet(self, view: str, path: str) -> tuple[tuple[str, str], ...]:
        """Make files a view, and return its columns with their types, as Spark names them."""

    def read_csv(self, view: str, path: str, columns: tuple[str, ...], options: dict[str, str]) -> None:
        """Make texts a view with the `columns`, all of them strings."""

    def read_lines(self, view: str, path: str) -> None:
        """Make the lines of texts a view: `value`, `file`, `start` of the piece of the file it is in, and `place` within."""

    def files(self, path: str) -> tuple[StoredFile, ...]:
        """Return the files at `path`: itself, or all below it."""

    def content(self, path: str, limit_bytes: int) -> bytes | None:
        """Return what one file holds, or None if that is more than `limit_bytes`."""

    def close(self) -> None:
        """End the session; what it held at the server is gone."""


def quoted_name(name: str) -> str:
    """Return a column's name as Spark's SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def same_files(files: tuple[StoredFile, ...]) -> str:
    """Return a word that is another one when any file was added, taken away, or written again."""
    text = "\n".join(f"{file.path}\t{file.size_bytes}\t{file.changed}" for file in files)
    return f"files-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
