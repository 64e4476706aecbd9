"""Limits across runs, by the whole worker: real Swift, three parties; who is refused, and how little peers hear of it."""

import json

import pytest

from tests.worker.conftest import PARTIES, Written, everybody
from tests.worker.endpoints.faults import FaultProxy
from tests.worker.stores import POLICY, World
from worker.compute import compute
from worker.fetch import fetch
from worker.publish import publish
from worker.runspec import FilesSource
from worker.workdir import WorkDir


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    world = World(federation, swift, swift_users)
    limit(world, "{runs: 1, per: P30D}")
    return world


def limit(world: World, limits: str) -> None:
    world.upload_policy("alpha", POLICY.replace("DATASET", "alpha/flights") + f"  limits: {limits}\n")


def entries(world: World) -> list[str]:
    return [name for name in world.objects("alpha", world.data) if ".limits/" in name]


def slots(world: World) -> list[str]:
    """What was paid: one slot for each run."""
    return [name[-6:] for name in entries(world) if name[-6:].isdigit()]


class Attempt:
    def __init__(self, world: World) -> None:
        self.world, self.logs = world, {party: Written() for party in PARTIES}

    def go(self) -> dict[str, int]:
        return everybody(self._party)

    def _party(self, party: str) -> int:
        spec, work = self.world.spec(party), WorkDir(self.world.federation.work(party))
        for file in work.root.iterdir():
            file.unlink()
        secrets, log = self.world.secrets(party), self.logs[party].log
        fetch(spec, work, secrets, log)
        compute(spec, work, secrets, log)
        ended = publish(spec, work, secrets, log)
        return 0 if ended is None else ended.code

    def event(self, name: str) -> dict:
        (found,) = [event for event in self.logs["alpha"].events if event["event"] == name]
        return found


def test_the_run_beyond_the_limit_is_refused_before_data_moves_and_peers_hear_nothing_else(world):
    first = Attempt(world)
    assert first.go() == dict.fromkeys(PARTIES, 0)
    assert first.event("limits spent")["entries"] == f"{world.data}/flights.csv.limits/"
    assert entries(world) == [f"flights.csv.limits/000001{end}" for end in ("", ".1", ".1.closed", ".closed")]
    world.federation = world.federation.with_run(run_id="delays-1111111111")
    with FaultProxy(world.swift.port) as proxy:
        world.mount("alpha", port=proxy.port)
        second = Attempt(world)
        assert second.go() == dict.fromkeys(PARTIES, 30)
        assert proxy.count("/flights.csv$") == 0
    manifest = json.loads(world.objects("carol", world.answers)["delays-1111111111/manifest.json"])
    assert manifest["status"] == "rejected"
    (reason,) = manifest["reasons"]
    fix = "ask alpha, whose policy sets limits across runs"
    assert reason == {
        "party": "alpha",
        "code": 30,
        "what": "refused: limit",
        "where": "",
        "rule": "",
        "flow": "",
        "fix": fix,
    }
    # Its owner is told which one.
    told = second.event("limit reached")
    assert (told["clause"], told["used"], told["allowed"]) == ("spec.limits.runs", 1, 1)
    for party in ("bravo", "carol"):
        assert "spec.limits" not in second.logs[party].stream.getvalue()
        assert "000001" not in second.logs[party].stream.getvalue()
    assert slots(world) == ["000001"]


def test_an_attempt_that_is_repeated_spends_once(world):
    world.client("bravo").delete_object(world.data, "flights.csv")
    assert Attempt(world).go() == {"alpha": 40, "bravo": 50, "carol": 40}
    world.upload_data("bravo", "carrier,delay\nAA,1\n")
    assert Attempt(world).go() == dict.fromkeys(PARTIES, 0)
    assert slots(world) == ["000001"]


def test_a_run_whose_records_are_sent_elsewhere_is_no_repeat_of_it(world):
    assert Attempt(world).go() == dict.fromkeys(PARTIES, 0)
    world.records = f"{world.records}-elsewhere"
    work = WorkDir(world.federation.work("alpha"))
    fetch(world.spec("alpha"), work, world.secrets("alpha"), Written().log)
    assert work.outcome().reasons[0].what == "refused: limit"


def test_a_run_that_was_done_before_spends_nothing(world):
    limit(world, "{runs: 3}")
    assert Attempt(world).go() == dict.fromkeys(PARTIES, 0)
    assert Attempt(world).go() == dict.fromkeys(PARTIES, 0)
    assert slots(world) == ["000001"]


def test_after_the_last_day_it_is_the_same_refusal(world):
    limit(world, "{until: 2026-01-31}")
    attempt = Attempt(world)
    assert attempt.go() == dict.fromkeys(PARTIES, 30)
    assert attempt.event("limit reached")["clause"] == "spec.limits.until"
    assert entries(world) == []


def test_entries_may_have_a_container_of_their_own(world):
    limit(world, f"{{runs: 1, container: ledger-{world.token}}}")
    assert Attempt(world).go() == dict.fromkeys(PARTIES, 0)
    assert entries(world) == []
    assert "flights.csv.limits/000001" in world.objects("alpha", f"ledger-{world.token}")


@pytest.mark.parametrize("named", [True, False])
def test_beside_a_volume_nothing_can_be_written_so_the_policy_names_the_records_container(world, tmp_path, named):
    limit(world, f"{{runs: 1, container: {world.records}}}" if named else "{runs: 1}")
    volume = tmp_path / "volumes" / "clinic"
    volume.mkdir(parents=True)
    for name, content in world.objects("alpha", world.data).items():
        (volume / name).write_bytes(content)
    spec = world.spec("alpha")
    source = FilesSource(dataset="alpha/flights", format="csv", claim="clinic", path="flights.csv")
    spec = spec.model_copy(update={"own": spec.own.model_copy(update={"sources": (source,)})})
    work = WorkDir(world.federation.work("alpha"))
    fetch(spec, work, world.secrets("alpha"), Written().log, volumes=volume.parent)
    if named:
        assert work.fetched() is not None
        assert "alpha/flights.limits/000001" in world.objects("alpha", world.records)
    else:
        outcome = work.outcome()
        assert outcome.code == 10
        assert outcome.reasons[0].where == "alpha/flights, spec.limits.container"
