"""Whoever makes datasets: the public API's documented calls, and nothing that only the stand-in would know."""

import functools
import json
import threading
import time
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import httpx

LOCKED_S = 120


@dataclass(frozen=True)
class Steward:
    """A user who may create datasets in a collection."""

    url: str
    token: str
    collection: str = "root"

    def new_dataset(self) -> str:
        """A draft without files; its persistent identifier."""
        made = self._call("POST", f"dataverses/{self.collection}/datasets", json=_metadata("Test of ccd"))
        return str(made["persistentId"])

    def add(self, dataset: str, path: str, content: bytes, **options: Any) -> int:
        """A file into the draft; its number."""
        directory, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
        described = {"directoryLabel": directory, **options} if directory != "." else options
        made = self._call(
            "POST",
            "datasets/:persistentId/add",
            params={"persistentId": dataset},
            files={"file": (name, content)},
            data={"jsonData": json.dumps(described)},
        )
        self._wait_until_unlocked(dataset)
        return int(made["files"][0]["dataFile"]["id"])

    def publish(self, dataset: str, kind: str = "major") -> None:
        params = {"persistentId": dataset, "type": kind}
        self._call("POST", "datasets/:persistentId/actions/:publish", params=params)
        self._wait_until_unlocked(dataset)

    def destroy(self, dataset: str) -> None:
        """Remove all trace of it. A user who may not leaves it: what is published stays."""
        headers = {"X-Dataverse-key": self.token}
        address = f"{self.url}/api/datasets/:persistentId/destroy"
        _client().delete(address, params={"persistentId": dataset}, headers=headers)

    def _wait_until_unlocked(self, dataset: str) -> None:
        """Ingest and publication go on after their answers."""
        deadline = time.monotonic() + LOCKED_S
        while self._call("GET", "datasets/:persistentId/locks", params={"persistentId": dataset}):
            assert time.monotonic() < deadline, "the dataset stays locked"
            threading.Event().wait(0.5)

    def _call(self, method: str, path: str, **request: Any) -> Any:
        headers = {"X-Dataverse-key": self.token}
        answer = _client().request(method, f"{self.url}/api/{path}", headers=headers, **request)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["data"]


@functools.cache
def _client() -> httpx.Client:
    return httpx.Client(timeout=60)


def _metadata(title: str) -> dict[str, Any]:
    """The least that a dataset must say of itself."""

    def field(name: str, value: Any, kind: str = "primitive", multiple: bool = False) -> dict[str, Any]:
        return {"typeName": name, "multiple": multiple, "typeClass": kind, "value": value}

    contact = {
        "datasetContactName": field("datasetContactName", "Steward"),
        "datasetContactEmail": field("datasetContactEmail", "steward@example.org"),
    }
    description = {"dsDescriptionValue": field("dsDescriptionValue", "May be removed.")}
    fields = [
        field("title", title),
        field("author", [{"authorName": field("authorName", "Steward")}], "compound", True),
        field("datasetContact", [contact], "compound", True),
        field("dsDescription", [description], "compound", True),
        field("subject", ["Other"], "controlledVocabulary", True),
    ]
    return {"datasetVersion": {"metadataBlocks": {"citation": {"displayName": "Citation", "fields": fields}}}}
