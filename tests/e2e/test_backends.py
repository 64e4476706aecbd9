"""One table whose three parts lie in three kinds of store: Dataverse, a mounted volume, and Swift."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest

from renderer.check import load_workspace
from renderer.dev.upload import POLICIES, sign_policy
from renderer.errors import CommandError
from renderer.local.run import Ended, prepare_run
from tests.dataverse.model import Installation
from tests.dataverse.server import TOKEN, Dataverse, Storage, running
from tests.dataverse.steward import Steward
from tests.e2e.conftest import DELAYS, MARKET, Federation

SWIFT_PLACE = """\
      backend: swift
      container: flights
      object: flights.csv
"""
CREDENTIALS = "credentials: swift-data"


@dataclass
class Mixed:
    """The federation with ewr's flights in Dataverse, jfk's on a volume and lga's in Swift."""

    federation: Federation
    dataverse: Dataverse
    storage: Storage
    dataset: str  # ewr's
    token: str
    ended: Ended


def move(federation: Federation, party: str, place: str, credentials: str, egress: tuple[str, ...] = ()) -> None:
    """Say in the party's document that its flights lie elsewhere."""
    path = federation.root / "workflows" / "parties" / f"{party}.yaml"
    text = path.read_text()
    for old, new in ((SWIFT_PLACE, place), (f"      {CREDENTIALS}\n", credentials)):
        assert text.count(old) == 1
        text = text.replace(old, new)
    opened = "".join(f"    - {{cidr: 127.0.0.1/32, port: {url.rpartition(':')[2]}}}\n" for url in egress)
    path.write_text(text.replace("  egress:\n", f"  egress:\n{opened}"))


def signed(federation: Federation, party: str) -> tuple[bytes, bytes]:
    text = (POLICIES / f"{party}.flights.policy.yaml").read_text()
    return text.encode(), sign_policy(federation.root, federation.party(party), "flights", text).encode()


def into_dataverse(federation: Federation, dataverse: Dataverse, storage: Storage, content: bytes) -> tuple[str, str]:
    """Publish ewr's flights, restricted; return their identifier and the token with which the worker reads them."""
    steward = Steward(dataverse.url, dataverse.installation.steward)
    policy, signature = signed(federation, "ewr")
    dataset = steward.new_dataset()
    steward.add(dataset, "2013/flights.csv", content, restrict="true")
    steward.add(dataset, "2013/flights.csv.policy.yaml", policy)
    steward.add(dataset, "2013/flights.csv.policy.yaml.sig", signature)
    steward.publish(dataset)
    token = dataverse.installation.new_user("worker")
    dataverse.installation.dataset(dataset).readers.add("worker")
    secret = federation.root / "secrets" / "airport-ewr" / "dataverse-data"
    secret.mkdir(parents=True)
    (secret / "DATAVERSE_TOKEN").write_text(token)
    (secret / "DATAVERSE_URL").write_text(dataverse.url)
    place = f"""\
      backend: dataverse
      url: {dataverse.url}
      persistentId: {dataset}
      version: ":latest"
      file: 2013/flights.csv
      storage: ["{storage.url}"]
"""
    move(federation, "ewr", place, "      credentials: dataverse-data\n", (dataverse.url, storage.url))
    return dataset, token


def onto_a_volume(federation: Federation, content: bytes) -> None:
    directory = federation.root / "volumes" / "airport-jfk" / "flights" / "2013"
    directory.mkdir(parents=True)
    policy, signature = signed(federation, "jfk")
    for name, data in {"": content, ".policy.yaml": policy, ".policy.yaml.sig": signature}.items():
        (directory / f"flights.csv{name}").write_bytes(data)
    place = """\
      backend: files
      volume: {claim: flights}
      path: 2013/flights.csv
"""
    move(federation, "jfk", place, "")


@pytest.fixture
def mixed(federation, few_flights) -> Iterator[Mixed]:
    storage = Storage()
    dataverse = Dataverse(Installation(), storage)
    with running(dataverse, storage):
        dataset, token = into_dataverse(federation, dataverse, storage, few_flights["ewr"].read_bytes())
        onto_a_volume(federation, few_flights["jfk"].read_bytes())
        federation.steward("ewr").delete_object("flights", "flights.csv")
        federation.steward("jfk").delete_object("flights", "flights.csv")
        federation.render()
        yield Mixed(federation, dataverse, storage, dataset, token, federation.run(MARKET))


@pytest.mark.deep  # each store has quick tests in tests/worker/endpoints, and fetching from it in test_fetch_elsewhere.py
def test_the_answer_is_what_duckdb_finds_wherever_the_parts_lie(mixed, few_flights):
    assert mixed.ended.exit_code == 0
    assert mixed.ended.filed.problems == ()
    query = load_workspace(mixed.federation.root).workflows["market-concentration"].model.spec.query
    with duckdb.connect() as connection:
        files = [str(path) for path in few_flights.values()]
        connection.execute("CREATE TABLE flights AS FROM read_csv($files, nullstr = 'NA')", {"files": files})
        ((expected,),) = connection.execute(query).fetchall()
    assert mixed.ended.filed.rows == [{"hhi": pytest.approx(expected, rel=1e-6)}]

    # Everybody's manifest says which version it was; stores without versions say nothing.
    data = mixed.ended.filed.manifest["parties"][0]["statement"]["data"]
    assert {each["dataset"]: each.get("version") for each in data} == {
        "ewr/flights": "1.0",
        "jfk/flights": None,
        "lga/flights": None,
    }
    fetched = {each["party"]: each for each in mixed.federation.said("data fetched")}
    assert fetched["ewr"]["checksum"] == "MD5"

    # The token is known to the installation alone.
    assert {asked.headers.get(TOKEN.lower()) for asked in mixed.dataverse.asked[-4:]} == {mixed.token}
    assert mixed.storage.asked
    assert mixed.token not in repr(mixed.storage.asked)
    root = mixed.federation.root
    seen = [path for path in (root / ".ccd").rglob("*") if path.is_file()] + list((root / "argocd").rglob("*.yaml"))
    assert not any(mixed.token in path.read_text() for path in seen)
    assert "Signature" not in json.dumps(mixed.ended.filed.manifest) + "".join(
        path.read_text() for path in seen if path.suffix == ".log"
    )


def test_a_volume_that_nobody_made_is_named_before_anything_runs(federation, few_flights):
    onto_a_volume(federation, few_flights["jfk"].read_bytes())
    federation.render()
    (federation.root / "volumes" / "airport-jfk" / "flights").rename(federation.root / "elsewhere")
    with pytest.raises(CommandError, match="airport-jfk has no volume for the claim flights"):
        federation.run(prepare_run(federation.root, DELAYS))
    assert federation.events == []
