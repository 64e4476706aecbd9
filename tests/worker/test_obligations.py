"""What policies ask for, through the whole worker: three parties, real store, real TLS, real keys, real MPC."""

import pytest

from policy.manifest import Manifest
from tests.worker.stores import POLICY, World, csv_of
from tests.worker.test_run import Runs

# Carriers and delays; who was delayed is what the delays say, so that some are with both owners and some come twice.
ROWS = {
    "alpha": [("AA", 10), ("UA", -3), ("AA", 7), ("DL", 1), ("DL", 1), ("DL", 1), ("ZZ", 4)],
    "bravo": [("UA", 5), ("DL", 1), ("AA", 1000), ("ZZ", 4), ("ZZ", 6)],
}


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    world = World(federation, swift, swift_users)
    for party, rows in ROWS.items():
        world.upload_data(party, csv_of(rows))
    return world


def ask(world: World, party: str, clauses: str = "", delay: str = "{type: integer, subject: true}") -> None:
    text = POLICY.replace("DATASET", f"{party}/flights").replace("delay: {type: integer}", f"delay: {delay}")
    world.upload_policy(party, text + clauses)


COUNTED = "SELECT carrier, COUNT(*) AS n FROM flights GROUP BY carrier ORDER BY carrier"


def rows_told(manifest: Manifest) -> dict[str, int]:
    """How many rows each dataset has, as everybody was told and has signed."""
    (told,) = {party.statement.data for party in manifest.parties if party.statement is not None}
    return {each.dataset: each.rows for each in told}


def results(world: World) -> dict[str, bytes]:
    return world.objects("carol", world.answers)


def test_groups_under_the_strictest_minimum_are_not_in_the_result(world):
    """Three are asked for by alpha, two by bravo: AA has three; UA and ZZ have two, DL one, in four rows."""
    ask(world, "alpha", "  minimum: {subjects: 3}\n")
    ask(world, "bravo", "  minimum: {subjects: 2}\n")
    world.federation = world.federation.with_run(query=COUNTED)
    runs = Runs(world)
    assert runs.go() == {"alpha": 0, "bravo": 0, "carol": 0}
    run_id = world.federation.run.run_id
    stored = results(world)
    assert stored[f"{run_id}/result.csv"] == b"carrier,n\nAA,3\n"
    manifest = Manifest.model_validate_json(stored[f"{run_id}/manifest.json"])
    assert manifest.status == "succeeded"
    # Of all rows nobody is told the number: those of all but one could be taken from it.
    assert rows_told(manifest) == {"alpha/flights": 30, "bravo/flights": 20}


def test_a_group_under_the_minimum_ends_the_run_where_one_policy_says_so(world):
    ask(world, "alpha", "  minimum: {subjects: 2, otherwise: reject}\n")
    ask(world, "bravo", "  minimum: {subjects: 2}\n")
    world.federation = world.federation.with_run(query=COUNTED)
    runs = Runs(world)
    assert runs.go() == {"alpha": 30, "bravo": 30, "carol": 30}
    stored = results(world)
    assert not any(name.endswith("result.csv") for name in stored)
    manifest = runs.manifest("alpha")
    assert (manifest.status, manifest.code) == ("rejected", 30)
    assert "fewer subjects than a policy asks for" in manifest.reasons[0].what
    assert "answer" not in {each.kind for each in manifest.learned}


def test_bounds_and_padding_are_kept(world):
    ask(world, "alpha", "  padding: {rows: 10}\n", "{type: integer, bounds: [0, 5]}")
    ask(world, "bravo", delay="{type: integer, bounds: [-10, 100]}")
    runs = Runs(world)
    assert runs.go() == {"alpha": 0, "bravo": 0, "carol": 0}
    result = results(world)[f"{world.federation.run.run_id}/result.csv"]
    assert result == b"carrier,total,n\nAA,110,3\nDL,4,4\nUA,5,2\nZZ,14,3\n"
    assert rows_told(runs.manifest("alpha")) == {"alpha/flights": 10, "bravo/flights": 5}


CARRIERS = "{type: varchar(2), values: [AA, UA, YY]}"
BOUNDED = "{type: integer, bounds: [-10, 100]}"


def ask_for_noise(world: World, epsilon: float, clauses: str = "") -> None:
    for party in ROWS:
        text = POLICY.replace("DATASET", f"{party}/flights").replace("{type: varchar(2)}", CARRIERS)
        noise = f"  noise: {{epsilon: {epsilon}, unit: row}}\n"
        world.upload_policy(party, text.replace("delay: {type: integer}", f"delay: {BOUNDED}") + noise + clauses)


def forget(world: World) -> None:
    """Leave neither result nor manifest, as if both had not been stored; how the attempt ended and what it spent stays."""
    for party in ("alpha", "bravo", "carol"):
        for container in (world.answers, world.records):
            for name in world.objects(party, container):
                if "/settled/" not in name:
                    world.client(party).delete_object(container, name)
        for file in world.federation.work(party).iterdir():
            file.unlink()


def test_with_hardly_any_noise_the_result_is_of_the_listed_groups(world):
    """At such an epsilon a noise that is not 0 has a chance below 10**-100; nobody has a flight of YY."""
    ask_for_noise(world, 1_000_000)
    runs = Runs(world)
    assert runs.go() == {"alpha": 0, "bravo": 0, "carol": 0}
    result = results(world)[f"{world.federation.run.run_id}/result.csv"]
    assert result == b"carrier,total,n\nAA,117,3\nUA,2,2\nYY,0,0\n"
    told = [each.subject for each in runs.manifest("carol").learned if each.kind == "noise" and each.to == ("carol",)]
    (of_total,) = [fact for fact in told if fact.startswith("total, with noise")]
    assert of_total.endswith("three discrete Laplace noises of scale 0.0008, at epsilon 500000")


def test_another_attempt_at_a_run_gives_the_same_noise_and_costs_nothing_more(world):
    """The answer was opened, and then nothing of it was kept: with new noise the two together would tell more."""
    ask_for_noise(world, 0.5, "  limits: {epsilon: 0.5}\n")
    run_id = world.federation.run.run_id
    found = []
    for _ in range(2):
        runs = Runs(world)
        assert runs.go() == {"alpha": 0, "bravo": 0, "carol": 0}
        found.append(results(world)[f"{run_id}/result.csv"])
        forget(world)
    assert found[0] == found[1]
    world.federation = world.federation.with_run(run_id="delays-2222222222")
    runs = Runs(world)
    assert runs.go() == {"alpha": 30, "bravo": 30, "carol": 30}
    (told,) = [event for event in runs.logs["alpha"].events if event["event"] == "limit reached"]
    assert [told[each] for each in ("clause", "used", "allowed", "left")] == ["spec.limits.epsilon", 0.5, 0.5, 0]
