"""A worker that dies in mid-compute: the others end in time, and the next attempt gives the answer."""

import os
import signal

from renderer.local.logs import event_of
from renderer.local.observe import ContainerLine
from tests.e2e.conftest import MARKET


def test_a_worker_killed_in_mid_compute_is_a_lost_peer_and_the_retry_succeeds(federation):
    federation.set_deadlines(MARKET, barrierSeconds=300, receiveSeconds=300)
    held, killed = [], []

    def watch(event):
        found = event_of(event.text) if isinstance(event, ContainerLine) else None
        if found is None or event.container != "compute" or killed:
            return
        if found["event"] == "step" and found["party"] == "lga" and not held:
            # Held, so that the computation cannot be over before the kill.
            held.append(federation.pid_of("lga", "compute"))
            os.kill(held[0], signal.SIGSTOP)
        if found["event"] == "step" and found["party"] == "jfk":
            killed.append(federation.pid_of("jfk", "compute"))
            os.kill(killed[0], signal.SIGKILL)
            for pid in held:
                os.kill(pid, signal.SIGCONT)

    ended = federation.run(MARKET, watch)
    assert len(killed) == 1
    assert federation.exit_codes("compute")["jfk"] == 128 + signal.SIGKILL
    assert federation.exit_codes("publish", attempt=1) == dict.fromkeys(("ewr", "lga", "regulator"), 40)
    assert federation.exit_codes("publish", attempt=2) == dict.fromkeys(("ewr", "jfk", "lga", "regulator"), 0)
    assert (ended.exit_code, ended.status, ended.filed.problems) == (0, "succeeded", ())
    assert ended.filed.manifest["status"] == "succeeded"
    # What the first attempt came to is on file, and is not the run's manifest.
    kinds = [name.split("/")[1] for name in federation.objects("regulator", "results")]
    assert sorted(kinds) == ["attempts", "manifest.json", "result.csv"]
