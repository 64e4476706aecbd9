"""What a run has filed, brought back by the code that filed it; against a real Swift."""

import secrets
from pathlib import Path

import pytest
import swiftclient

from tests.worker.endpoints.mounting import mount, v1
from worker.dataspec import FiledReport, FiledRequest
from worker.endpoints import swift_listing
from worker.endpoints.swift import SwiftStore
from worker.environment import Means
from worker.filed import bring

RUN = "wage-gap-0123456789"


class Shelf:
    """A container of a party's, and what is asked about it."""

    def __init__(self, root: Path, url: str, login: str, key: str) -> None:
        self.root, self.keys = root, v1(url, login, key)
        self.container = f"filed-{secrets.token_hex(4)}"
        self.client = swiftclient.Connection(url, login, key, auth_version="1")
        self.brought = root / "brought"
        self.brought.mkdir()

    def file(self, name: str, content: bytes) -> None:
        self.client.put_container(self.container)
        self.client.put_object(self.container, f"{RUN}/{name}", content)

    def ask(self, suffix: str | None = "csv", environment: dict[str, str] | None = None, **keys: str) -> FiledReport:
        mounted = mount(self.root / "secrets", self.keys | keys, "swift-output")
        request = FiledRequest(
            run_id=RUN, container=self.container, credentials="swift-output", directory=str(self.brought), suffix=suffix
        )
        return bring(request, Means(mounted, Path("/nowhere"), environment=environment))


@pytest.fixture
def shelf(tmp_path, swift, swift_users) -> Shelf:
    user = swift_users.of("alpha:steward")
    return Shelf(tmp_path, swift.url, user.login, user.key)


def test_manifest_and_result_are_brought(shelf: Shelf):
    shelf.file("manifest.json", b"{}")
    shelf.file("result.csv", b"n\n1\n")

    report = shelf.ask()

    assert report == FiledReport(code=0, manifest=f"{RUN}/manifest.json", result=f"{RUN}/result.csv")
    assert (shelf.brought / "manifest").read_bytes() == b"{}"
    assert (shelf.brought / "result").read_bytes() == b"n\n1\n"


def test_of_records_the_manifest_alone(shelf: Shelf):
    shelf.file("manifest.json", b"{}")
    shelf.file("result.csv", b"n\n1\n")

    assert shelf.ask(suffix=None).result is None
    assert [path.name for path in shelf.brought.iterdir()] == ["manifest"]


def test_without_a_final_manifest_the_last_attempt_s(shelf: Shelf):
    for number in (2, 3, 1):
        shelf.file(f"attempts/2026-0{number}-01-aa.json", str(number).encode())
    shelf.file("result.csv", b"not yet anybody's word")

    report = shelf.ask()

    assert report.manifest == f"{RUN}/attempts/2026-03-01-aa.json"
    assert (shelf.brought / "manifest").read_bytes() == b"3"
    assert report.result is None


def test_nothing_filed_is_no_error_and_a_container_that_is_not_there_neither(shelf: Shelf):
    assert shelf.ask() == FiledReport(code=0)


def test_a_wrong_key_is_said_by_the_names_of_the_keys(shelf: Shelf):
    report = shelf.ask(ST_KEY="hush-1")

    assert (report.code, report.manifest) == (50, None)
    assert "401" in report.problems[0].what
    assert "ST_KEY" in report.problems[0].fix
    assert "hush-1" not in report.model_dump_json()


def test_the_environment_opens_the_store_too(shelf: Shelf):
    shelf.file("manifest.json", b"{}")

    assert shelf.ask(environment=shelf.keys, ST_KEY="not this one").manifest == f"{RUN}/manifest.json"


def test_a_list_of_many_pages_is_read_to_its_end(shelf: Shelf, tmp_path, monkeypatch):
    wanted = [f"{RUN}/attempts/{number:02d}&?=%{number}.json" for number in range(7)]
    for name in wanted:
        shelf.file(name.removeprefix(f"{RUN}/"), b"")
    store = SwiftStore(mount(tmp_path / "secrets", shelf.keys), "store")
    asked: list[str] = []
    send = store._session.send

    def by_twos(method, container, query, **more):
        asked.append(query)
        return send(method, container, query=f"{query}&limit=2", **more)

    monkeypatch.setattr(store._session, "send", by_twos)

    assert swift_listing.names(store._session, shelf.container, f"{RUN}/attempts/") == wanted
    assert len(asked) == 5
