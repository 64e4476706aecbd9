"""A stand-in, its steward, and origins that read from it."""

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.dataverse.server import Dataverse, Storage
from tests.dataverse.steward import Steward
from worker.endpoints.dataverse import Address, DataverseOrigin
from worker.endpoints.patience import Patience, Trying
from worker.errors import StoreUnavailable


@dataclass
class Bench:
    """A stand-in, its steward, and origins that note their pauses in the place of making them."""

    dataverse: Dataverse
    directory: Path
    storage: Storage | None = None
    pauses: list[float] = field(default_factory=list)
    patience: Patience = field(default_factory=Patience)

    @property
    def steward(self) -> Steward:
        return Steward(self.dataverse.url, self.dataverse.installation.steward)

    def dataset(self, **files: bytes) -> str:
        """Version 1.0 with those files and their policies; `data__x_csv` is `data/x.csv`."""
        dataset = self.steward.new_dataset()
        for name, content in files.items():
            path = name.replace("__", "/").replace("_", ".")
            self.steward.add(dataset, path, content)
            self.steward.add(dataset, f"{path}.policy.yaml", b"policy of " + path.encode())
            self.steward.add(dataset, f"{path}.policy.yaml.sig", b"signature")
        self.steward.publish(dataset)
        return dataset

    def origin(self, dataset: str, file: str | int = "x.csv", token: str | None = None, **changes) -> DataverseOrigin:
        storage = (self.storage.url,) if self.storage else ()
        settings = {"version": "1.0", "storage": storage} | changes
        address = Address(self.dataverse.url, dataset, file=file, **settings)
        return DataverseOrigin(address, token, trying=Trying(self.patience, self.pauses.append))

    def download(self, *args, **kwargs) -> tuple[bytes, object]:
        path = self.directory / f"copy-{secrets.token_hex(4)}"
        done = self.origin(*args, **kwargs).download(path)
        assert (done.size_bytes, done.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        return path.read_bytes(), done

    def fails(self, *args, **kwargs) -> StoreUnavailable:
        with pytest.raises(StoreUnavailable) as error:
            self.download(*args, **kwargs)
        return error.value

    def asked(self, where: str) -> list:
        return [asked for asked in self.dataverse.asked if where in asked.path]
