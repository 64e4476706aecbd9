"""An owner whose data lie where its Spark reads them, beside one with Swift: the whole worker, and a real Spark."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from conclave.ir.walk import scans_in
from conclave.local.errors import DataMismatch
from policy.identity import load_private_key
from policy.manifest import Manifest, verify_manifest
from policy.parse import parse_policy
from policy.signature import sign
from tests.spark.server import SparkServer
from tests.worker.conftest import PARTIES, Written
from tests.worker.stores import POLICY, ROWS, World
from tests.worker.test_run import Runs
from worker.engine import load, open_engine
from worker.errors import BadDocument
from worker.fetch import fetch
from worker.runspec import RunSpec, SparkSource, tables_of
from worker.spark import endpoint_of, open_session
from worker.unwanted import hide_unwanted, show_pandas
from worker.workdir import WorkDir

TEXT = POLICY.replace("DATASET", "alpha/flights")


@dataclass
class Lake:
    """alpha's flights as Spark would have written them, in two files, with the policy beside their directory."""

    world: World
    server: SparkServer
    root: Path

    def __post_init__(self) -> None:
        (self.root / "flights").mkdir(parents=True)
        self.write(ROWS["alpha"])
        key = load_private_key(self.world.federation.keys["alpha"])
        (self.root / "flights.policy.yaml").write_text(TEXT)
        (self.root / "flights.policy.yaml.sig").write_text(sign(key, "policy", parse_policy(TEXT, "policy")))
        secret = self.world.secrets("alpha") / "spark"
        secret.mkdir()
        (secret / "SPARK_REMOTE").write_text(self.endpoint)
        (secret / "SPARK_TOKEN").write_text(self.server.token)

    @property
    def endpoint(self) -> str:
        return f"sc://127.0.0.1:{self.server.port}"

    @property
    def token(self) -> Path:
        return self.world.secrets("alpha") / "spark" / "SPARK_TOKEN"

    def write(self, rows: list[tuple[str, int]]) -> None:
        schema = pa.schema([("carrier", pa.string()), ("delay", pa.int32())])
        for number, part in enumerate((rows[:1], rows[1:])):
            table = pa.table([[row[i] for row in part] for i in range(2)], schema=schema)
            pq.write_table(table, self.root / "flights" / f"part-{number}.parquet")

    @property
    def source(self) -> SparkSource:
        return SparkSource(
            dataset="alpha/flights",
            format="parquet",
            endpoint=self.endpoint,
            path=f"file://{self.root}/flights",
            credentials="spark",
        )

    def spec(self, party: str = "alpha") -> RunSpec:
        spec = self.world.spec(party)
        own = spec.own.model_copy(update={"sources": (self.source,)}) if party == "alpha" else spec.own
        return RunSpec(run=spec.run, own=own)

    def fetch(self, written: Written) -> WorkDir:
        work = WorkDir(self.world.federation.work("alpha"))
        fetch(self.spec(), work, self.world.secrets("alpha"), written.log)
        return work


@dataclass
class LakeRuns(Runs):
    """Runs in which alpha's worker is told of its Spark."""

    lake: Lake

    def __post_init__(self) -> None:
        super().__init__(self.lake.world)

    def spec(self, party: str) -> RunSpec:
        return self.lake.spec(party)


@pytest.fixture
def lake(federation, swift, swift_users, spark_server, tmp_path) -> Lake:
    return Lake(World(federation, swift, swift_users), spark_server, tmp_path / "lake")


@pytest.mark.spark
def test_owners_with_different_engines_reach_the_answer_over_all_their_rows(lake):
    world, runs = lake.world, LakeRuns(lake)
    assert runs.go() == {"alpha": 0, "bravo": 0, "carol": 0}, runs.manifest("alpha").reasons
    run_id = world.federation.run.run_id
    stored = world.objects("carol", world.answers)
    assert stored[f"{run_id}/result.csv"] == b"carrier,total,n\nAA,1017,3\nDL,0,1\nUA,2,2\n"
    manifest = Manifest.model_validate_json(stored[f"{run_id}/manifest.json"])
    assert verify_manifest(manifest, world.federation.certificates()) == []
    for party in PARTIES:
        assert lake.server.token not in runs.logs[party].stream.getvalue()


@pytest.mark.spark
def test_what_is_told_of_a_dataset_is_its_rows_in_whatever_files_they_lie(lake, written):
    (first,) = lake.fetch(written).fetched().datasets
    assert (first.header, first.n_rows, first.file, first.size_bytes) == (("carrier", "delay"), 3, "", 0)
    lake.write(ROWS["alpha"][::-1])
    (again,) = lake.fetch(written).fetched().datasets
    assert again.sha256 == first.sha256
    assert again.version != first.version
    lake.write([("AA", 10), ("AA", 10), ("UA", -3)])
    (other,) = lake.fetch(written).fetched().datasets
    assert other.sha256 != first.sha256
    assert not any(event["event"] == "data fetched" for event in written.events)


@pytest.mark.spark
def test_files_that_are_exchanged_after_they_were_checked_end_the_run(lake, written):
    work = lake.fetch(written)
    lake.write([("UA", 1), ("UA", 2), ("UA", 3)])
    (scan,) = [scan for scan in scans_in(tables_of(lake.spec().run)["flights"]) if scan.owner == "alpha"]
    with open_engine(lake.spec(), work, lake.world.secrets("alpha")) as engine:
        load(lake.spec(), work.fetched(), work, engine)
        with pytest.raises(DataMismatch, match="no longer those that were checked"):
            engine.answer(scan)


@pytest.mark.spark
def test_a_wrong_token_is_50_and_stays_unsaid(lake, written, capfd):
    lake.token.write_text("guess-4711")
    outcome = lake.fetch(written).outcome()
    assert (outcome.code, outcome.reasons[0].what) == (50, "Spark refuses the worker's token")
    heard = capfd.readouterr()
    for text in (outcome.model_dump_json(), written.stream.getvalue(), heard.out, heard.err):
        assert "guess-4711" not in text


@pytest.mark.spark
def test_data_that_is_not_as_declared_is_refused_without_a_value(lake, written, capfd):
    lake.write([("AA", 1), ("SECRET", 2)])
    outcome = lake.fetch(written).outcome()
    assert (outcome.code, len(outcome.reasons)) == (20, 1)
    assert "column carrier" in outcome.reasons[0].what
    heard = capfd.readouterr()
    for text in (outcome.model_dump_json(), written.stream.getvalue(), heard.out, heard.err):
        assert "SECRET" not in text


@pytest.mark.spark
def test_without_a_policy_beside_the_data_nothing_is_looked_at(lake, written):
    (lake.root / "flights.policy.yaml").unlink()
    outcome = lake.fetch(written).outcome()
    assert outcome.code == 50
    assert outcome.reasons[0].where.endswith("/flights.policy.yaml")
    assert not any(event["event"] == "data looked at" for event in written.events)


SOURCE = SparkSource(
    dataset="alpha/flights", format="parquet", endpoint="sc://spark.example.org", path="s3a://lake/x", credentials="s"
)


def secret(tmp_path: Path, **keys: str) -> Path:
    (tmp_path / "s").mkdir()
    for name, value in keys.items():
        (tmp_path / "s" / name).write_text(value)
    return tmp_path


def test_a_server_elsewhere_is_spoken_with_over_tls_and_its_token_is_never_shown(tmp_path):
    endpoint = endpoint_of(SOURCE, secret(tmp_path, SPARK_REMOTE=SOURCE.endpoint, SPARK_TOKEN="t0ken"))
    assert (endpoint.host, endpoint.port, endpoint.tls, endpoint.token) == ("spark.example.org", 15002, True, "t0ken")
    assert "t0ken" not in repr(endpoint)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({}, "is not there"),
        ({"SPARK_REMOTE": "sc://spark.example.org:443"}, "leads its token to another Spark"),
        ({"SPARK_REMOTE": SOURCE.endpoint, "SPARK_TOKEN": "two words"}, "holds no token"),
        ({"SPARK_REMOTE": SOURCE.endpoint, "SPARK_CACERT": "none"}, "holds no certificates"),
    ],
)
def test_a_secret_that_is_not_for_the_server_is_refused(tmp_path, keys, what):
    with pytest.raises(BadDocument, match=what) as caught:
        endpoint_of(SOURCE, secret(tmp_path, **keys))
    assert "two words" not in str(caught.value.reasons("alpha"))


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "sc://spark.example.org/;token=x"},
        {"endpoint": "http://spark.example.org"},
        {"endpoint": "sc://u:p@spark.example.org"},
        {"path": "s3a://lake/{a,b}"},
        {"path": "s3a://lake/*"},
        {"path": "/etc/passwd"},
        {"path": "s3a://key:secret@lake/x"},
        {"credentials": "../x"},
    ],
)
def test_a_run_spec_leads_nowhere_else(change):
    with pytest.raises(ValidationError):
        SparkSource.model_validate({**SOURCE.model_dump(), **change})


def test_a_worker_without_the_client_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "conclave.local.sparksession", None)
    with pytest.raises(BadDocument, match="has no client of Spark"):
        open_session(SOURCE, secret(tmp_path, SPARK_REMOTE=SOURCE.endpoint))


def test_a_worker_that_hides_pandas_shows_it_to_the_client(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "pandas", raising=False)  # what is there already is found whatever is hidden
    monkeypatch.setitem(sys.modules, "conclave.local.sparksession", None)
    hide_unwanted()
    try:
        with pytest.raises(ModuleNotFoundError):
            importlib.util.find_spec("pandas")
        with pytest.raises(BadDocument, match="has no client of Spark"):
            open_session(SOURCE, secret(tmp_path, SPARK_REMOTE=SOURCE.endpoint))
        importlib.util.find_spec("pandas")  # there or not, nobody minds
    finally:
        show_pandas()
