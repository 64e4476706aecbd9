"""The whole worker, three parties in three threads: real Swift, real TLS, real keys, real MPC."""

import json
import time
from collections.abc import Callable

import pytest

from policy.manifest import Manifest, body_of, verify_manifest
from tests.worker.conftest import PARTIES, Written, everybody
from tests.worker.stores import POLICY, World, csv_of
from worker.compute import compute
from worker.fetch import fetch
from worker.publish import publish
from worker.runspec import RunSpec, run_digest
from worker.workdir import WorkDir


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


class Runs:
    """One attempt of all parties: each container's code in a row, in a thread a party."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.logs = {party: Written() for party in PARTIES}
        self.works = {party: WorkDir(world.federation.work(party)) for party in PARTIES}
        self.hooks: dict[str, Callable[[], object]] = {}

    def go(self) -> dict[str, int]:
        return everybody(self._party)

    def spec(self, party: str) -> RunSpec:
        return self.world.spec(party)

    def _party(self, party: str) -> int:
        spec, work, log = self.spec(party), self.works[party], self.logs[party].log
        fetch(spec, work, self.world.secrets(party), log)
        compute(spec, work, self.world.secrets(party), log)
        ended = publish(spec, work, self.world.secrets(party), log)
        return 0 if ended is None else ended.code

    def manifest(self, party: str) -> Manifest:
        manifest = self.works[party].manifest()
        assert manifest is not None
        return manifest


def test_a_run_ends_with_the_answer_and_a_manifest_signed_by_all(world):
    runs = Runs(world)
    assert runs.go() == {"alpha": 0, "bravo": 0, "carol": 0}
    run_id = world.federation.run.run_id
    stored = world.objects("carol", world.answers)
    assert sorted(stored) == [f"{run_id}/manifest.json", f"{run_id}/result.csv"]
    assert stored[f"{run_id}/result.csv"] == b"carrier,total,n\nAA,1017,3\nDL,0,1\nUA,2,2\n"
    manifest = Manifest.model_validate_json(stored[f"{run_id}/manifest.json"])
    assert manifest.resources is None  # others than its party may read this one
    digest = run_digest(world.federation.run)
    assert verify_manifest(manifest, world.federation.certificates(), digest) == []
    assert sorted(manifest.signatures) == ["alpha", "bravo", "carol"]
    assert manifest.outputs[0].rows == 3
    kinds = [step.kind for step in manifest.steps]
    assert kinds[:3] == ["local", "local", "share"]
    assert kinds[-2:] == ["reveal", "local"]
    assert {learned.kind for learned in manifest.learned} <= {"answer", "row_count", "table_size"}
    for party in PARTIES:
        copy = Manifest.model_validate_json(world.objects(party, world.records)[f"{run_id}/manifest.json"])
        assert copy.signatures == manifest.signatures
        assert body_of(copy) == body_of(manifest)
        assert (copy.outputs[0].opening is not None) == (party == "carol")  # the only recipient
        assert verify_manifest(copy, world.federation.certificates(), digest) == []
        assert copy.resources is not None
        assert copy.resources.party == party
        used = copy.resources.fetch_and_compute
        assert min(used.cpu_seconds, used.wall_seconds, used.peak_memory_mib) > 0
        assert min(used.disk_mib, used.peers_sent_kib, used.peers_received_kib) > 0
        assert (used.store_received_kib > 0) == (party != "carol")  # who has no data
        assert not runs.works[party].data.exists()
        assert not runs.works[party].result("csv").exists()


def test_a_second_run_computes_nothing(world):
    Runs(world).go()
    again = Runs(world)
    for work in again.works.values():
        for file in work.root.iterdir():
            file.unlink()
    assert again.go() == {"alpha": 0, "bravo": 0, "carol": 0}
    for log in again.logs.values():
        assert {event["event"] for event in log.events} == {"done already"}


def test_one_policys_refusal_stops_all_with_its_clause(world):
    text = POLICY.replace("DATASET", "bravo/flights").replace("[sum, count, mean]", "[count]")
    world.upload_policy("bravo", text)
    runs = Runs(world)
    assert runs.go() == {"alpha": 30, "bravo": 30, "carol": 30}
    run_id = world.federation.run.run_id
    stored = world.objects("carol", world.answers)
    assert sorted(stored) == [f"{run_id}/manifest.json"]
    manifest = Manifest.model_validate_json(stored[f"{run_id}/manifest.json"])
    assert verify_manifest(manifest, world.federation.certificates()) == []
    assert (manifest.status, manifest.code) == ("rejected", 30)
    (reason,) = manifest.reasons
    assert reason.party == "bravo"
    assert "bravo/flights policy v3" in reason.rule
    assert not any(event["event"] == "step" for log in runs.logs.values() for event in log.events)


def test_data_that_is_not_as_declared_ends_all_with_20(world):
    world.upload_data("alpha", csv_of([("AA", 1)], "carrier,wait"))
    runs = Runs(world)
    assert runs.go() == {"alpha": 20, "bravo": 20, "carol": 20}
    for party in PARTIES:
        manifest = runs.manifest(party)
        assert manifest.status == "failed"
        assert manifest.reasons[0].party == "alpha"
        assert sorted(manifest.signatures) == ["alpha", "bravo", "carol"]


def test_a_store_that_refuses_is_worth_another_attempt_for_all(world):
    world.client("alpha").delete_object(world.data, "flights.csv")
    runs = Runs(world)
    assert runs.go() == {"alpha": 50, "bravo": 40, "carol": 40}
    names = sorted(world.objects("carol", world.answers))
    assert len(names) == 1
    assert names[0].startswith(f"{world.federation.run.run_id}/attempts/")
    # The cause is gone: the next attempt succeeds.
    world.upload_data("alpha", csv_of([("AA", 1)]))
    for work in runs.works.values():
        for file in work.root.iterdir():
            file.unlink()
    assert Runs(world).go() == {"alpha": 0, "bravo": 0, "carol": 0}


def test_no_value_of_the_data_is_logged(world):
    rows = [("QZ", 48151623), ("XK", 42108042)]
    world.upload_data("alpha", csv_of(rows))
    runs = Runs(world)
    assert set(runs.go().values()) == {0}
    for party, log in runs.logs.items():
        text = log.stream.getvalue()
        for value in ("QZ", "XK", "48151623", "42108042"):
            assert value not in text, party
        for line in text.splitlines():
            json.loads(line)


def test_a_local_step_that_fails_ends_all_with_20_at_once(world):
    huge = 2**63 - 1
    columns = tuple(
        column.model_copy(update={"type": "bigint"}) if column.name == "delay" else column
        for column in world.federation.run.datasets[0].columns
    )
    datasets = tuple(each.model_copy(update={"columns": columns}) for each in world.federation.run.datasets)
    world.federation = world.federation.with_run(datasets=datasets)
    for party in ("alpha", "bravo"):
        text = POLICY.replace("DATASET", f"{party}/flights").replace("integer", "bigint")
        world.upload_policy(party, text)
    world.upload_data("alpha", csv_of([("AA", huge), ("AA", huge)]))
    runs = Runs(world)
    begun = time.monotonic()
    assert runs.go() == {"alpha": 20, "bravo": 20, "carol": 20}
    assert time.monotonic() - begun < world.federation.run.deadlines.receive_s
    (reason,) = runs.manifest("alpha").reasons
    assert reason.what.startswith("local step")
    assert str(huge) not in "".join(log.stream.getvalue() for log in runs.logs.values())
    assert runs.manifest("bravo").reasons == runs.manifest("carol").reasons == (reason,)
