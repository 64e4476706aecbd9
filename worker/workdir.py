"""The emptyDir that the three containers of a Job share: what lies where, and how the one tells the next."""

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from policy.canonical import canonical_json
from policy.manifest import ApprovalRef, Code, Manifest, Reason, Status, encode_manifest
from policy.resources import Usage
from worker.runspec import Model
from worker.settlement import Settlement

M = TypeVar("M", bound=BaseModel)


class Fetched(Model):
    """One own dataset, fetched and checked."""

    dataset: str
    policy: str  # the document's text, as its owner wrote it
    signature: str
    header: tuple[str, ...]
    sha256: str
    n_rows: int
    told_rows: int  # as many as others are told
    size_bytes: int
    version: str | None = None  # which one it was, where the store has versions
    file: str  # within the work directory; "" for what stays where Spark reads it, of which nothing was brought


class FetchedAll(Model):
    """`fetched.json`: from fetch to compute."""

    datasets: tuple[Fetched, ...]
    approval: ApprovalRef | None = None  # that let them be used, if a policy asks for one
    attempt: str | None = None  # its name in the ledger, if a policy sets limits
    held_to: tuple[str, ...] = ()  # what earlier attempts may have told answers of: this one tells of nothing else


class Outcome(Model):
    """`outcome.json`: how the run ended at this party, for the containers that still have to act."""

    party: str
    status: Status
    code: Code
    reasons: tuple[Reason, ...] = ()


class Done(Model):
    """`done.json`: the run was found done, here is where; nothing is left to compute."""

    found: str
    is_unfinished: bool = False  # result and manifest are there, only not yet under the manifest's own name


class WorkDir:
    """The files, by their roles."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.spill = root / "spill"  # what the local engine cannot hold in memory
        self.most_bytes = 0  # that were here when data was deleted
        self._done = root / "done.json"
        self._fetched = root / "fetched.json"
        self._outcome = root / "outcome.json"
        self._manifest = root / "manifest.json"
        self._usage = root / "usage.json"
        self._spec = root / "spec.sha256"
        self._settlement = root / "settlement.json"

    def data_file(self, dataset: str, suffix: str) -> Path:
        """Return where a dataset's file goes; its directory is there then."""
        directory = self.data / dataset
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory / f"data.{suffix}"

    def result(self, suffix: str) -> Path:
        """Return where the writer's answer lies between compute and publish."""
        return self.root / f"result.{suffix}"

    def size_bytes(self) -> int:
        """Return what lies here by now; links count for themselves."""
        return sum(path.lstat().st_size for path in self.root.rglob("*") if not path.is_dir())

    def remove_data(self, keep: Collection[Path] = ()) -> None:
        """Delete the plaintext of the party's own datasets, but for files that are read still; note how much there was."""
        self.most_bytes = max(self.most_bytes, self.size_bytes())
        if keep:
            for path in self.data.rglob("*"):
                if path not in keep and not path.is_dir():
                    path.unlink(missing_ok=True)
            return
        for directory in (self.data, self.spill):
            shutil.rmtree(directory, ignore_errors=True)

    def hold_to(self, digest: str, is_first: bool) -> bool:
        """Whether the run spec of that digest is the one that the first container was given."""
        if is_first:
            self._write(self._spec, digest.encode())
        return self._spec.exists() and self._spec.read_text() == digest

    def is_done(self) -> bool:
        """Whether fetch found the run done."""
        return self._done.exists()

    def done(self) -> Done | None:
        """Return what fetch found, or None."""
        return _read(self._done, Done)

    def write_done(self, done: Done) -> None:
        """Tell the later containers to do nothing."""
        self._write(self._done, canonical_json(done))

    def fetched(self) -> FetchedAll | None:
        """Return what fetch brought, or None if it did not come so far."""
        return _read(self._fetched, FetchedAll)

    def write_fetched(self, fetched: FetchedAll) -> None:
        """Tell compute what there is."""
        self._write(self._fetched, canonical_json(fetched))

    def usage(self) -> Usage:
        """Return what the containers before this one have used."""
        return _read(self._usage, Usage) or Usage()

    def write_usage(self, usage: Usage) -> None:
        """Tell the later containers what was used."""
        self._write(self._usage, canonical_json(usage))

    def outcome(self) -> Outcome | None:
        """Return how it ended so far, or None."""
        return _read(self._outcome, Outcome)

    def write_outcome(self, outcome: Outcome) -> None:
        """Tell the later containers, and let publish exit with its code."""
        self._write(self._outcome, canonical_json(outcome))

    def manifest(self) -> Manifest | None:
        """Return the manifest that compute left, or None."""
        return _read(self._manifest, Manifest)

    def write_manifest(self, manifest: Manifest) -> None:
        """Leave the manifest to publish."""
        self._write(self._manifest, encode_manifest(manifest))

    def settlement(self) -> Settlement | None:
        """Return how compute says that the attempt ended for what is spent, or None."""
        return _read(self._settlement, Settlement)

    def write_settlement(self, settlement: Settlement) -> None:
        """Leave it to publish."""
        self._write(self._settlement, canonical_json(settlement))

    def remove_result(self, suffix: str) -> None:
        """Delete the plaintext of the answer."""
        self.result(suffix).unlink(missing_ok=True)

    def write_result(self, suffix: str, content: bytes) -> None:
        """Leave the answer to publish."""
        self._write(self.result(suffix), content)

    def _write(self, path: Path, content: bytes) -> None:
        # All or nothing: the next container must never read half a document.
        beside = path.with_name(f".{path.name}.part")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        beside.replace(path)


def _read(path: Path, model: type[M]) -> M | None:
    if not path.exists():
        return None
    return model.model_validate_json(path.read_bytes())
