import pytest

from policy.identity import load_private_key
from policy.manifest import Manifest, Reason
from tests.worker.stores import World
from worker.errors import StoreRefused, WorkerError
from worker.exchange import Seen
from worker.failure import outcome
from worker.manifest import assemble, sign_alone
from worker.messages import Finished
from worker.publish import publish
from worker.workdir import Done, WorkDir


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


def left_by_compute(world: World, party: str, code: int, result: bytes | None = None) -> WorkDir:
    work = WorkDir(world.federation.work(party))
    reasons = () if code == 0 else (Reason(party=party, code=code, what="because"),)
    ended, seen = outcome(party, code, reasons), Seen()
    if result is not None:
        seen.finished = {party: Finished(steps=(), commitment="0" * 64)}
        work.write_result("csv", result)
    key = load_private_key(world.federation.keys[party])
    work.write_manifest(sign_alone(assemble(world.federation.run, seen, ended), party, key))
    work.write_outcome(ended)
    return work


def run_publish(world, party, work, written):
    return publish(world.spec(party), work, world.secrets(party), written.log)


def names(world, party="carol", container="answers"):
    run_id = world.federation.run.run_id
    found = world.objects(party, getattr(world, container))
    return sorted(name.removeprefix(f"{run_id}/") for name in found)


def test_the_writer_stores_result_and_manifest_and_forgets_the_plaintext(world, written):
    work = left_by_compute(world, "carol", 0, b"a\n1\n")
    assert run_publish(world, "carol", work, written).code == 0
    assert names(world) == ["manifest.json", "result.csv"]
    assert names(world, container="records") == ["manifest.json"]
    assert not work.result("csv").exists()


def test_another_party_stores_only_its_own_copy_of_the_manifest(world, written):
    run_publish(world, "alpha", left_by_compute(world, "alpha", 0), written)
    assert names(world, "alpha", "records") == ["manifest.json"]
    assert names(world, "alpha", "answers") == []


def test_a_result_that_an_earlier_attempt_left_is_taken_if_it_is_equal(world, written):
    name = f"{world.federation.run.run_id}/result.csv"
    world.client("carol").put_container(world.answers)
    world.client("carol").put_object(world.answers, name, b"a\n1\n")
    run_publish(world, "carol", left_by_compute(world, "carol", 0, b"a\n1\n"), written)
    assert names(world) == ["manifest.json", "result.csv"]


def test_another_result_is_neither_overwritten_nor_given_a_manifest(world, written):
    name = f"{world.federation.run.run_id}/result.csv"
    world.client("carol").put_container(world.answers)
    world.client("carol").put_object(world.answers, name, b"a\n2\n")
    with pytest.raises(WorkerError, match="another result of this run lies there already") as caught:
        run_publish(world, "carol", left_by_compute(world, "carol", 0, b"a\n1\n"), written)
    assert caught.value.code == 70
    assert names(world) == ["result.csv"]
    assert world.objects("carol", world.answers)[name] == b"a\n2\n"


@pytest.mark.parametrize("code", [10, 20, 30, 70])
def test_a_permanent_end_is_final(world, written, code):
    assert run_publish(world, "carol", left_by_compute(world, "carol", code), written).code == code
    assert names(world) == names(world, container="records") == ["manifest.json"]
    (stored,) = world.objects("carol", world.answers).values()
    manifest = Manifest.model_validate_json(stored)
    assert manifest.code == code
    assert manifest.reasons[0].what == "because"


@pytest.mark.parametrize("code", [40, 50])
def test_an_attempt_that_will_be_repeated_never_looks_final(world, written, code):
    assert run_publish(world, "carol", left_by_compute(world, "carol", code), written).code == code
    assert run_publish(world, "carol", left_by_compute(world, "carol", code), written).code == code
    assert len(names(world)) == 2
    assert all(name.startswith("attempts/") for name in names(world))


def test_a_store_that_fails_does_not_hide_how_the_run_ended(world, written):
    (world.secrets("carol") / "store" / "ST_KEY").write_text("wrong")
    assert run_publish(world, "carol", left_by_compute(world, "carol", 30), written).code == 30
    assert "manifest not stored" in [event["event"] for event in written.events]
    with pytest.raises(StoreRefused):
        run_publish(world, "carol", left_by_compute(world, "carol", 0, b"a\n1\n"), written)


def test_a_run_that_was_done_is_left_alone(world, written):
    work = WorkDir(world.federation.work("carol"))
    work.write_done(Done(found="answers/x/manifest.json"))
    assert run_publish(world, "carol", work, written) is None
    assert names(world) == []


def test_without_an_outcome_nothing_is_published(world, written):
    with pytest.raises(WorkerError, match="left no outcome"):
        run_publish(world, "carol", WorkDir(world.federation.work("carol")), written)


def test_a_container_that_is_made_is_open_to_the_recipients_and_one_that_is_there_is_left_as_it_is(world, written):
    spec = world.spec("carol")
    place = spec.own.output.model_copy(update={"readers": ("alpha:*", "bravo:worker")})
    spec = spec.model_copy(update={"own": spec.own.model_copy(update={"output": place})})
    (world.secrets("carol") / place.credentials / "READERS").write_text("alpha, bravo:worker\nelsewhere:*")
    publish(spec, left_by_compute(world, "carol", 0, b"a\n1\n"), world.secrets("carol"), written.log)
    rules = world.client("carol").head_container(world.answers)["x-container-read"]
    assert sorted(rules.split(",")) == ["alpha:*", "bravo:worker"]
    assert not [event for event in written.events if event["event"].startswith("recipients not")]

    narrow = place.model_copy(update={"container": f"{world.answers}-narrow"})
    world.client("carol").put_container(narrow.container, {"X-Container-Read": "alpha:*"})
    spec = spec.model_copy(update={"own": spec.own.model_copy(update={"output": narrow})})
    publish(spec, left_by_compute(world, "carol", 0, b"a\n1\n"), world.secrets("carol"), written.log)
    assert world.client("carol").head_container(narrow.container)["x-container-read"] == "alpha:*"
    (told,) = [event for event in written.events if event["event"].startswith("recipients not")]
    assert told["accounts"] == "bravo:worker"
    assert f"bravo:worker' {narrow.container}" in told["fix"]


def test_a_run_spec_alone_opens_a_container_to_nobody(world, written):
    spec = world.spec("carol")
    place = spec.own.output.model_copy(update={"readers": ("alpha:*", "mallory:*")})
    spec = spec.model_copy(update={"own": spec.own.model_copy(update={"output": place})})
    (world.secrets("carol") / place.credentials / "READERS").write_text("alpha:ann")
    publish(spec, left_by_compute(world, "carol", 0, b"a\n1\n"), world.secrets("carol"), written.log)
    assert "x-container-read" not in world.client("carol").head_container(world.answers)
    (told,) = [event for event in written.events if event["event"].startswith("recipients not")]
    assert told["accounts"] == "alpha:*, mallory:*"
    assert "READERS" in told["fix"]


def test_a_result_container_that_may_not_be_written_to_ends_with_50_and_leaves_the_result_alone(world, written):
    world.client("carol").put_container(world.answers, {"X-Container-Read": "carol:worker"})
    world.mount("carol", "carol:worker")
    work = left_by_compute(world, "carol", 0, b"a\n1\n")
    with pytest.raises(StoreRefused, match="answered 403") as caught:
        run_publish(world, "carol", work, written)
    assert caught.value.code == 50
    assert "access to this container" in caught.value.fix
    assert names(world) == []


def test_a_large_result_of_an_earlier_attempt_is_compared_without_being_held(world, written, monkeypatch):
    content = b"a\n" + b"1\n" * 3_000_000
    name = f"{world.federation.run.run_id}/result.csv"
    world.client("carol").put_container(world.answers)
    world.client("carol").put_object(world.answers, name, content)
    monkeypatch.setattr("worker.endpoints.swift.SwiftStore.get_small", None)  # nothing is read whole
    run_publish(world, "carol", left_by_compute(world, "carol", 0, content), written)
    assert "result was there" in [event["event"] for event in written.events]
