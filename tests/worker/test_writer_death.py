"""The writer is killed while it publishes, after its peers have ended: nothing half-written is taken for a result.

A real worker process, killed at the very request; three parties, real Swift, real MPC.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from policy.canonical import digest
from policy.manifest import Manifest, verify_manifest
from tests.worker.conftest import HANG_S, Written, everybody
from tests.worker.endpoints.faults import Fault, FaultProxy
from tests.worker.stores import World
from worker.compute import compute
from worker.fetch import fetch
from worker.publish import publish
from worker.runspec import run_digest
from worker.workdir import WorkDir

pytestmark = pytest.mark.e2e

ANSWER = b"carrier,total,n\nAA,1017,3\nDL,0,1\nUA,2,2\n"


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


@pytest.fixture
def proxy(swift):
    with FaultProxy(swift.port) as started:
        yield started


class Writer:
    """carol's containers, as processes."""

    def __init__(self, world: World, root: Path) -> None:
        self.world, self.root = world, root
        (root / "run.json").write_text(world.spec("carol").model_dump_json(by_alias=True))

    def start(self, container: str, work: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "worker.cli", container, "--spec", str(self.root / "run.json")]
        command += ["--work", str(work), "--secrets", str(self.world.secrets("carol"))]
        command += ["--termination-log", str(self.root / "termination")]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def run(self, container: str, work: Path) -> tuple[int, list[str]]:
        process = self.start(container, work)
        _, said = process.communicate(timeout=HANG_S)
        return process.returncode, [json.loads(line)["event"] for line in said.splitlines()]


@pytest.fixture
def writer(world, tmp_path) -> Writer:
    return Writer(world, tmp_path)


def compute_all(world: World) -> None:
    """Everything up to carol's publish; the others have ended."""

    def act(party: str) -> None:
        spec, work, log = world.spec(party), WorkDir(world.federation.work(party)), Written().log
        work.hold_to(digest(spec), is_first=True)
        fetch(spec, work, world.secrets(party), log)
        compute(spec, work, world.secrets(party), log)
        if party != "carol":
            assert publish(spec, work, world.secrets(party), log).code == 0

    everybody(act)


def kill_at(world, writer, proxy, pattern: str) -> None:
    compute_all(world)
    world.mount("carol", port=proxy.port)
    rule = proxy.on(pattern, Fault(swallow=True))
    process = writer.start("publish", world.federation.work("carol"))
    assert rule.arrived.wait(HANG_S)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=HANG_S)
    assert process.returncode == -signal.SIGKILL


def stored(world, container="answers") -> dict[str, bytes]:
    run_id = world.federation.run.run_id
    found = world.objects("carol", getattr(world, container))
    return {name.removeprefix(f"{run_id}/"): content for name, content in found.items()}


@pytest.mark.parametrize("at", ["answers-[0-9a-f]+/.*/manifest.json", "records-[0-9a-f]+/.*/manifest.json"])
def test_between_result_and_manifest_the_next_attempt_finishes_alone(world, writer, proxy, tmp_path, at):
    kill_at(world, writer, proxy, f"^PUT .*{at}")
    before = stored(world)
    assert before["result.csv"] == ANSWER
    assert ("manifest.json" in before) == at.startswith("records")
    # A new pod: its emptyDir is empty, and no peer answers.
    work = tmp_path / "next"
    work.mkdir()
    assert writer.run("fetch", work) == (0, ["done but for the manifest"])
    assert writer.run("compute", work) == (0, ["done already"])
    code, events = writer.run("publish", work)
    assert code == 0
    assert events[-1] == "done already"
    after = stored(world)
    assert sorted(after) == ["manifest.json", "result.csv"]
    assert after["result.csv"] == ANSWER
    assert stored(world, "records") == {"manifest.json": after["manifest.json"]}
    manifest = Manifest.model_validate_json(after["manifest.json"])
    of_run = run_digest(world.federation.run)
    assert verify_manifest(manifest, world.federation.certificates(), of_run) == []
    # Another attempt finds it done, as ever.
    again = tmp_path / "again"
    again.mkdir()
    assert writer.run("fetch", again) == (0, ["done already"])


def test_before_the_result_nothing_looks_done(world, writer, proxy, tmp_path):
    kill_at(world, writer, proxy, "^PUT .*/result.csv")
    assert sorted(stored(world)) == ["pending.json"]
    work = tmp_path / "next"
    work.mkdir()
    assert writer.run("fetch", work) == (0, ["an earlier attempt cannot be finished"])
    assert not WorkDir(work).is_done()


def test_a_result_that_was_exchanged_meanwhile_is_not_taken_for_the_runs(world, writer, proxy, tmp_path):
    kill_at(world, writer, proxy, "^PUT .*answers-[0-9a-f]+/.*/manifest.json")
    name = f"{world.federation.run.run_id}/result.csv"
    world.client("carol").put_object(world.answers, name, ANSWER.replace(b"1017", b"1018"))
    work = tmp_path / "next"
    work.mkdir()
    assert writer.run("fetch", work) == (0, ["an earlier attempt cannot be finished"])
    assert not WorkDir(work).is_done()
    assert "manifest.json" not in stored(world)


def test_a_manifest_put_aside_that_not_all_have_signed_finishes_nothing(world, writer, proxy, tmp_path):
    kill_at(world, writer, proxy, "^PUT .*answers-[0-9a-f]+/.*/manifest.json")
    name = f"{world.federation.run.run_id}/pending.json"
    document = json.loads(stored(world)["pending.json"])
    del document["signatures"]["alpha"]
    world.client("carol").put_object(world.answers, name, json.dumps(document).encode())
    work = tmp_path / "next"
    work.mkdir()
    assert writer.run("fetch", work) == (0, ["an earlier attempt cannot be finished"])
