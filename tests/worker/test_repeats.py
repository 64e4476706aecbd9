"""A run that is attempted again is free only where it tells nothing else: three parties, real Swift, real keys, real MPC."""

import json

import pytest

from policy.identity import load_private_key, new_identity
from tests.worker.conftest import PARTIES
from tests.worker.stores import POLICY, World
from tests.worker.test_obligations import ask_for_noise, forget, results
from tests.worker.test_spending import Attempt, limit, slots
from worker.settlement import settle

CHANGED = "carrier,delay\nUA,5\nDL,0\n"  # bravo without its flight of AA
DONE = dict.fromkeys(PARTIES, 0)
REFUSED = dict.fromkeys(PARTIES, 30)
CHANGED_SINCE = "an earlier attempt at this run may have told its answer, and data or policies have changed since"


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


def settlements(world: World) -> list[str]:
    return [name for name in world.objects("alpha", world.records) if "/settled/" in name]


def reasons(world: World) -> list[dict[str, object]]:
    (manifest,) = [text for name, text in results(world).items() if name.endswith("/manifest.json")]
    return json.loads(manifest)["reasons"]


def test_an_answer_on_another_owners_changed_data_is_not_told_for_the_same_payment(world):
    """The answer was opened and its manifest lost; then bravo takes a row away, so that the two answers would differ by it."""
    limit(world, "{runs: 1}")
    assert Attempt(world).go() == DONE
    forget(world)
    world.upload_data("bravo", CHANGED)
    assert Attempt(world).go() == REFUSED
    assert not any(name.endswith("result.csv") for name in results(world))
    (reason,) = reasons(world)
    assert (reason["party"], reason["what"]) == ("alpha", CHANGED_SINCE)
    assert "raise spec.run" in reason["fix"]
    assert slots(world) == ["000001"]


def test_nor_with_noise_drawn_anew(world):
    ask_for_noise(world, 0.5, "  limits: {epsilon: 0.5}\n")
    assert Attempt(world).go() == DONE
    forget(world)
    world.upload_data("bravo", CHANGED)
    assert Attempt(world).go() == REFUSED
    assert {reason["what"] for reason in reasons(world)} == {CHANGED_SINCE}


def test_nor_by_another_plan_after_another_owner_has_changed_its_policy(world):
    limit(world, "{runs: 1}")
    assert Attempt(world).go() == DONE
    forget(world)
    text = POLICY.replace("DATASET", "bravo/flights").replace("delay: {type: integer}", "DELAY")
    world.upload_policy("bravo", text.replace("DELAY", "delay: {type: integer, bounds: [0, 5]}"))
    assert Attempt(world).go() == REFUSED


def test_a_repeat_on_the_very_same_data_is_free_as_often_as_it_takes(world):
    limit(world, "{runs: 1}")
    answers = set()
    for _ in range(3):
        assert Attempt(world).go() == DONE
        answers.add(results(world)[f"{world.federation.run.run_id}/result.csv"])
        forget(world)
    assert len(answers) == 1
    assert slots(world) == ["000001"]


def test_a_query_that_picks_among_equal_rows_is_paid_for_each_time(world):
    """On the very same data each attempt lists another row: for one payment, all of them in the end."""
    text = POLICY.replace("delay: [sum, count, mean]", "delay: [open]")
    for party, limits in {"alpha": "  limits: {runs: 2}\n", "bravo": ""}.items():
        world.upload_policy(party, text.replace("DATASET", f"{party}/flights") + limits)
    world.federation = world.federation.with_run(query="SELECT carrier, delay FROM flights LIMIT 1")
    for _ in range(2):
        assert Attempt(world).go() == DONE
        forget(world)
    assert slots(world) == ["000001", "000002"]
    assert Attempt(world).go() == REFUSED
    assert {reason["what"] for reason in reasons(world)} == {"refused: limit"}


def test_who_changes_data_is_free_to_ask_in_a_new_run_which_pays(world):
    limit(world, "{runs: 2}")
    assert Attempt(world).go() == DONE
    forget(world)
    world.upload_data("bravo", CHANGED)
    world.federation = world.federation.with_run(run_id="delays-2222222222")
    assert Attempt(world).go() == DONE
    assert slots(world) == ["000001", "000002"]


def test_an_attempt_of_which_nobody_knows_the_end_costs_another_run(world):
    """Its pod was gone before it could say; it may have told an answer of other data."""
    limit(world, "{runs: 2}")
    for _ in range(2):
        assert Attempt(world).go() == DONE
        forget(world)
        for name in settlements(world):
            world.client("alpha").delete_object(world.records, name)
    assert slots(world) == ["000001", "000002"]
    assert Attempt(world).go() == REFUSED


@pytest.mark.parametrize("signer", ["alpha", "a stranger"])
def test_an_end_that_the_owner_has_not_signed_for_that_attempt_is_none(world, signer):
    """Who writes the records says that nothing was told: with another key, or in the owner's words on another attempt."""
    limit(world, "{runs: 1}")
    assert Attempt(world).go() == DONE
    forget(world)
    key = load_private_key(world.federation.keys["alpha"] if signer == "alpha" else new_identity("alpha", 30)[0])
    (name,) = settlements(world)
    attempt = name.rsplit("/", 1)[1].removesuffix(".json")
    forged = settle("0" * 32 if signer == "alpha" else attempt, None, key)
    world.client("alpha").put_object(world.records, name, forged.model_dump_json())
    assert Attempt(world).go() == REFUSED
    assert {reason["what"] for reason in reasons(world)} == {"refused: limit"}
