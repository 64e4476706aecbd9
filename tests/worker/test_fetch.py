import pytest

from tests.worker.stores import POLICY, ROWS, World, csv_of
from worker.fetch import fetch
from worker.workdir import WorkDir


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


def run_fetch(world, party, written):
    work = WorkDir(world.federation.work(party))
    fetch(world.spec(party), work, world.secrets(party), written.log)
    return work


def test_data_policy_and_facts_are_left_for_compute(world, written):
    work = run_fetch(world, "alpha", written)
    (fetched,) = work.fetched().datasets
    assert fetched.dataset == "alpha/flights"
    assert fetched.header == ("carrier", "delay")
    assert fetched.n_rows == 3
    assert (work.root / fetched.file).read_text() == csv_of(ROWS["alpha"])
    assert fetched.policy == POLICY.replace("DATASET", "alpha/flights")
    assert work.outcome() is None
    assert not work.is_done()


def test_a_party_without_data_fetches_nothing(world, written):
    assert run_fetch(world, "carol", written).fetched().datasets == ()


@pytest.mark.parametrize("container", ["records", "answers"])
def test_a_run_that_has_a_manifest_is_done_and_no_data_is_touched(world, written, container):
    client = world.client("carol")
    name = getattr(world, container)
    client.put_container(name)
    client.put_object(name, f"{world.federation.run.run_id}/manifest.json", b"{}")
    work = run_fetch(world, "carol", written)
    assert work.is_done()
    assert work.fetched() is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (csv_of(ROWS["alpha"], "carrier,dep_delay"), "lacks delay and has undeclared dep_delay"),
        (csv_of([*ROWS["alpha"], ("AA", "secret17")]), "column delay, row 4: is no integer"),
        (csv_of([("too long", 1)]), "column carrier, row 1: is longer than 2 bytes"),
    ],
)
def test_data_that_is_not_as_declared_ends_with_20_and_shows_no_value(world, written, text, says):
    world.upload_data("alpha", text)
    work = run_fetch(world, "alpha", written)
    outcome = work.outcome()
    assert (outcome.status, outcome.code) == ("failed", 20)
    assert says in outcome.reasons[0].what
    assert outcome.reasons[0].where == f"{world.data}/flights.csv"
    assert "secret17" not in repr(outcome) + written.stream.getvalue()
    assert not work.data.exists()


def test_more_rows_than_declared_end_with_20(world, written):
    run = world.federation.run
    for most, is_taken in ((3, True), (2, False)):
        datasets = tuple(each.model_copy(update={"most_rows": most}) for each in run.datasets)
        spec = world.spec("alpha")
        work = WorkDir(world.federation.work("alpha"))
        declared = spec.model_copy(update={"run": run.model_copy(update={"datasets": datasets})})
        fetch(declared, work, world.secrets("alpha"), written.log)
        assert (work.outcome() is None) == is_taken
    assert work.outcome().code == 20
    assert "has more rows than the 2 that are declared" in work.outcome().reasons[0].what


def test_a_policy_that_another_key_signed_ends_with_10_before_data_moves(world, written):
    world.upload_policy("alpha", POLICY.replace("DATASET", "alpha/flights"), signer="bravo")
    work = run_fetch(world, "alpha", written)
    assert work.outcome().code == 10
    assert "signature of the policy of alpha/flights does not hold" in work.outcome().reasons[0].what
    assert not any(e["event"] == "data fetched" for e in written.events)


def test_a_policy_on_another_dataset_ends_with_10(world, written):
    world.upload_policy("alpha", POLICY.replace("DATASET", "alpha/other"))
    assert "is on another dataset" in run_fetch(world, "alpha", written).outcome().reasons[0].what


def test_a_policy_that_cannot_be_read_is_told_by_line(world, written):
    text = POLICY.replace("DATASET", "alpha/flights").replace("grants:", "grant:")
    world.client("alpha").put_object(world.data, "flights.csv.policy.yaml", text.encode())
    outcome = run_fetch(world, "alpha", written).outcome()
    assert outcome.code == 10
    assert outcome.reasons[0].where.endswith("flights.csv.policy.yaml:8:3")


def test_data_without_a_policy_is_not_fetched(world, written):
    world.client("alpha").delete_object(world.data, "flights.csv.policy.yaml")
    outcome = run_fetch(world, "alpha", written).outcome()
    assert outcome.code == 50
    assert outcome.reasons[0].where.endswith("flights.csv.policy.yaml")
    assert not any(e["event"] == "data fetched" for e in written.events)


@pytest.mark.parametrize("container", ["answers", "records"])
def test_a_place_that_may_not_be_written_to_stops_the_run_before_any_data_moves(world, written, container):
    for name in (world.answers, world.records):
        access = {"X-Container-Read": "carol:output", "X-Container-Write": "carol:output"}
        world.client("carol").put_container(name, access)
    world.client("carol").post_container(getattr(world, container), {"X-Container-Write": "carol:worker"})
    world.mount("carol", "carol:output")
    outcome = run_fetch(world, "carol", written).outcome()
    assert outcome.code == 50
    assert "answered 403" in outcome.reasons[0].what
    assert outcome.reasons[0].where.startswith(getattr(world, container))
    assert "access to this container" in outcome.reasons[0].fix
    assert world.objects("carol", world.answers) == world.objects("carol", world.records) == {}
