"""Two, five and eight owners, each a worker of its own: three compute, and the others give their rows and wait.

Three owners are those of `test_answers.py`.
"""

import contextlib
import os
import signal
import time

import pytest

from renderer.local.logs import event_of
from renderer.local.observe import ContainerEnded, ContainerLine
from tests.e2e.conftest import interrupt
from tests.e2e.owners import HELPER, WORKFLOW, Owners, owners_at

RECEIVE_S = 40


# The recipient computes, owns nothing, or owns and does not compute.
@pytest.mark.parametrize(
    ("n_owners", "recipient"),
    [
        (2, HELPER),
        (5, "echo"),
        pytest.param(8, "hotel", marks=pytest.mark.deep),
    ],
)
def test_any_number_of_owners_get_the_answer_of_the_pooled_rows(tmp_path, n_owners, recipient):
    with owners_at(tmp_path, n_owners, recipient) as federation:
        ended = federation.run(WORKFLOW)
        assert (ended.exit_code, ended.filed.problems) == (0, ())
        assert ended.filed.rows == federation.pooled()
        manifest = ended.filed.manifest
        assert sorted(manifest["signatures"]) == list(federation.members)
        assert_that_everyone_learnt_what_the_plan_says(federation, ended.run_id, manifest)


def assert_that_everyone_learnt_what_the_plan_says(federation: Owners, run_id: str, manifest: dict) -> None:
    for name in federation.members:
        is_recipient, computes = name == federation.recipient, name in federation.compute
        learned = [each for each in manifest["learned"] if name in each["to"]]
        # Everybody hears in the offers how many rows each dataset has; who neither computes nor receives, nothing else.
        offered = {f"{owner}/visits" for owner in federation.owners if owner != name}
        assert {each["subject"] for each in learned if each["step"] == "offer"} == offered
        more = sorted(each["kind"] for each in learned if each["step"] != "offer")
        assert more.count("row_count") == computes * len({*federation.owners} - {name})
        # A recipient that computes has known the table's size all along.
        received = is_recipient * (["answer"] if computes else ["answer", "table_size"])
        assert [kind for kind in more if kind != "row_count"] == received
        # The answer is filed at its recipient, and nobody else has more than the manifest.
        files = ["manifest.json", "result.csv"] if is_recipient else []
        assert federation.objects(name, "results") == [f"{run_id}/{file}" for file in files]
        assert federation.objects(name, "ccd-records") == [f"{run_id}/manifest.json"]
        kinds = {each["kind"] for each in federation.said("step") if each["party"] == name}
        assert ("mpc" in kinds) == computes
        assert ("reveal" in kinds) == (computes or is_recipient)


@pytest.mark.deep
def test_an_owner_that_dies_after_it_has_given_its_rows_ends_everybody_with_40_in_time(tmp_path):
    deadlines = f"  deadlines: {{barrierSeconds: 180, receiveSeconds: {RECEIVE_S}}}\n"
    with owners_at(tmp_path, 4, "carol", deadlines) as federation:
        survivors = dict.fromkeys(("alpha", "bravo", "carol"), 40)
        held, killed, ended_at = [], [], {}

        def watch(event):
            if isinstance(event, ContainerEnded) and event.container == "compute":
                ended_at[event.job.rsplit("-", 1)[1]] = time.monotonic()
            if federation.exit_codes("publish").keys() >= survivors.keys():
                interrupt()  # the first attempt has shown it
            found = event_of(event.text) if isinstance(event, ContainerLine) else None
            if found is None or event.container != "compute" or found["event"] != "step" or killed:
                return
            if found["party"] == "alpha" and not held:
                # Held, so that the computation cannot be over before the kill.
                held.append(federation.pid_of("alpha", "compute"))
                os.kill(held[0], signal.SIGSTOP)
            if (found["party"], found["kind"], found["is_done"]) == ("delta", "share", True):
                os.kill(federation.pid_of("delta", "compute"), signal.SIGKILL)
                killed.append(time.monotonic())
                for pid in held:
                    os.kill(pid, signal.SIGCONT)

        with contextlib.suppress(KeyboardInterrupt):
            federation.run(WORKFLOW, watch)
        assert federation.exit_codes("compute")["delta"] == 128 + signal.SIGKILL
        assert survivors.items() <= federation.exit_codes("publish").items()
        assert max(ended_at.values()) - killed[0] < RECEIVE_S
        assert "result.csv" not in " ".join(federation.objects("carol", "results"))
