"""The installation: a real one if the environment names it, else the stand-in."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.dataverse.model import Installation
from tests.dataverse.server import Dataverse, Storage, running
from tests.dataverse.steward import Steward
from worker.endpoints.dataverse import Address, DataverseOrigin
from worker.endpoints.store import Download

POLICY, SIGNATURE = b"apiVersion: ccd.dev/v1alpha1\nkind: Policy\n", b"c2lnbmF0dXJl\n"


@dataclass
class Contract:
    """An installation with its steward. Every dataset that is made is removed again, where that is allowed."""

    steward: Steward
    storage: tuple[str, ...]
    directory: Path
    made: list[str] = field(default_factory=list)

    def new_dataset(self) -> str:
        self.made.append(self.steward.new_dataset())
        return self.made[-1]

    def published(self, content: bytes, path: str = "data.bin", **options: str) -> str:
        """Version 1.0 of a new dataset with a file, its policy and its signature."""
        dataset = self.new_dataset()
        self.steward.add(dataset, path, content, **options)
        self.steward.add(dataset, f"{path}.policy.yaml", POLICY)
        self.steward.add(dataset, f"{path}.policy.yaml.sig", SIGNATURE)
        self.steward.publish(dataset)
        return dataset

    def origin(self, dataset: str, file: str | int, token: str | None = None, **changes: str) -> DataverseOrigin:
        settings = {"version": "1.0"} | changes
        return DataverseOrigin(Address(self.steward.url, dataset, file=file, storage=self.storage, **settings), token)

    def download(self, *args: object, **kwargs: str) -> tuple[bytes, Download]:
        path = self.directory / secrets.token_hex(8)
        done = self.origin(*args, **kwargs).download(path)
        return path.read_bytes(), done


@pytest.fixture
def contract(tmp_path: Path) -> Iterator[Contract]:
    url = os.environ.get("CCD_DATAVERSE_URL", "").rstrip("/")
    if url:
        collection = os.environ.get("CCD_DATAVERSE_COLLECTION", "root")
        steward = Steward(url, os.environ["CCD_DATAVERSE_TOKEN"], collection)
        contract = Contract(steward, tuple(os.environ.get("CCD_DATAVERSE_STORAGE", "").split()), tmp_path)
        yield contract
        for dataset in contract.made:
            steward.destroy(dataset)
        return
    storage = Storage()
    dataverse = Dataverse(Installation(), storage)
    with running(dataverse, storage):
        yield Contract(Steward(dataverse.url, dataverse.installation.steward), (storage.url,), tmp_path)
