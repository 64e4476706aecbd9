"""Datasets that do not lie in Swift, through the whole first container."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from policy.identity import load_private_key
from policy.parse import parse_policy
from policy.signature import sign
from tests.dataverse.model import Installation
from tests.dataverse.server import Dataverse, running
from tests.dataverse.steward import Steward
from tests.worker.stores import POLICY, ROWS, World, csv_of
from worker.fetch import fetch
from worker.runspec import DataverseSource, FilesSource, Source, Text
from worker.workdir import WorkDir

TEXT = POLICY.replace("DATASET", "alpha/flights")
TAB = Text(delimiter="\t", quote="", escape="")  # as a run spec says of `format: tab`


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


@dataclass
class Place:
    """alpha's flights in Dataverse, ingested and restricted, with a token in a Secret."""

    world: World
    dataverse: Dataverse
    dataset: str

    def fetch(self, written, **changes) -> WorkDir:
        settings = {"file": "flights.csv", "format": "csv"} | changes
        source = DataverseSource(
            dataset="alpha/flights",
            url=self.dataverse.url,
            persistent_id=self.dataset,
            version="1.0",
            credentials="token",
            **settings,
        )
        return run_fetch(self.world, source, written)


@pytest.fixture
def place(world) -> Iterator[Place]:
    dataverse = Dataverse(Installation())
    with running(dataverse):
        steward = Steward(dataverse.url, dataverse.installation.steward)
        dataset = steward.new_dataset()
        steward.add(dataset, "flights.csv", csv_of(ROWS["alpha"]).encode(), restrict="true")
        for name in ("flights.csv", "flights.tab"):
            steward.add(dataset, f"{name}.policy.yaml", TEXT.encode())
            steward.add(dataset, f"{name}.policy.yaml.sig", signature(world).encode())
        steward.publish(dataset)
        (world.secrets("alpha") / "token").mkdir()
        (world.secrets("alpha") / "token" / "DATAVERSE_TOKEN").write_text(steward.token)
        (world.secrets("alpha") / "token" / "DATAVERSE_URL").write_text(dataverse.url)
        yield Place(world, dataverse, dataset)


def signature(world: World) -> str:
    return sign(load_private_key(world.federation.keys["alpha"]), "policy", parse_policy(TEXT, "policy"))


def run_fetch(world: World, source: Source, written, **options) -> WorkDir:
    work = WorkDir(world.federation.work("alpha"))
    spec = world.federation.spec("alpha", sources=(source,), records=world.spec("alpha").own.records)
    fetch(spec, work, world.secrets("alpha"), written.log, **options)
    return work


@pytest.mark.parametrize(
    "how",
    [
        {"file": "flights.csv", "format": "csv"},
        {"file": "flights.tab", "format": "tab", "form": "archival", "text": TAB},
    ],
    ids=["original", "archival"],
)
def test_both_forms_of_an_ingested_table_are_the_declared_rows(place, written, how):
    work = place.fetch(written, **how)
    assert work.outcome() is None
    (fetched,) = work.fetched().datasets
    assert (fetched.header, fetched.n_rows, fetched.version) == (("carrier", "delay"), 3, "1.0")
    assert fetched.policy == TEXT
    (event,) = [event for event in written.events if event["event"] == "data fetched"]
    assert event["version"] == "1.0"
    assert event.get("checksum") == (None if how.get("form") == "archival" else "MD5")


def test_a_guestbook_ends_the_fetch_with_50_and_no_data(place, written):
    place.dataverse.installation.dataset(place.dataset).guestbook = 7
    secret = place.world.secrets("alpha") / "token" / "DATAVERSE_TOKEN"
    secret.write_text(place.dataverse.installation.new_user("worker"))
    place.dataverse.installation.dataset(place.dataset).readers.add("worker")
    work = place.fetch(written)
    assert work.outcome().code == 50
    assert "guestbook" in work.outcome().reasons[0].what
    assert place.dataset in work.outcome().reasons[0].where
    assert secret.read_text() not in written.stream.getvalue()


def test_a_policy_that_another_key_signed_ends_it_before_data_moves(place, written):
    steward = Steward(place.dataverse.url, place.dataverse.installation.steward)
    other = sign(load_private_key(place.world.federation.keys["bravo"]), "policy", parse_policy(TEXT, "policy"))
    steward.add(place.dataset, "flights.csv.policy.yaml.sig", other.encode())
    steward.publish(place.dataset)
    work = run_fetch(
        place.world,
        DataverseSource(
            dataset="alpha/flights",
            format="csv",
            url=place.dataverse.url,
            persistent_id=place.dataset,
            version="2.0",
            file="flights.csv",
            credentials="token",
        ),
        written,
    )
    assert work.outcome().code == 10
    assert work.outcome().reasons[0].where.endswith("version 2.0, flights.csv.policy.yaml.sig")
    assert not any(event["event"] == "data fetched" for event in written.events)


def test_a_file_on_a_volume_is_fetched_from_there(world, written, tmp_path):
    directory = tmp_path / "volumes" / "clinic" / "2024"
    directory.mkdir(parents=True)
    files = {"": csv_of(ROWS["alpha"]), ".policy.yaml": TEXT, ".policy.yaml.sig": signature(world)}
    for suffix, text in files.items():
        (directory / f"flights.csv{suffix}").write_text(text)
    source = FilesSource(dataset="alpha/flights", format="csv", claim="clinic", path="2024/flights.csv")
    (fetched,) = run_fetch(world, source, written, volumes=tmp_path / "volumes").fetched().datasets
    assert (fetched.n_rows, fetched.version) == (3, None)
