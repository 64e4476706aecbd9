"""`ccd-worker` as the Job runs it: processes, exit codes, the termination log."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from policy.canonical import digest
from policy.identity import new_identity
from tests.worker.conftest import HANG_S, PARTIES, Federation
from tests.worker.stores import POLICY, World
from worker.remains import remains_of
from worker.workdir import Done, WorkDir

WORKER = Path(sys.executable).with_name("ccd-worker")
CONTAINERS = ("fetch", "compute", "publish")


def command(federation: Federation, party: str, container: str) -> list[str]:
    root = federation.root / party
    return [
        str(WORKER),
        container,
        *("--spec", str(root / "run.json")),
        *("--work", str(federation.work(party))),
        *("--secrets", str(federation.secrets(party))),
        *("--termination-log", str(root / f"{container}.log")),
    ]


def write_spec(federation: Federation, party: str, spec=None) -> None:
    text = (spec or federation.spec(party)).model_dump_json(by_alias=True)
    (federation.root / party / "run.json").write_text(text)


def write_fetched_spec(federation: Federation, party: str) -> None:
    """Write a spec that fetch has held the run to."""
    write_spec(federation, party)
    WorkDir(federation.work(party)).hold_to(digest(federation.spec(party)), is_first=True)


def start(federation: Federation, party: str, container: str) -> subprocess.Popen:
    return subprocess.Popen(command(federation, party, container), stderr=subprocess.PIPE, text=True)


def run(federation: Federation, party: str, container: str) -> tuple[int, list[dict]]:
    done = subprocess.run(command(federation, party, container), capture_output=True, text=True, timeout=HANG_S)
    assert done.stdout == ""
    return done.returncode, [json.loads(line) for line in done.stderr.splitlines()]


def verdict(federation: Federation, party: str, container: str) -> dict:
    lines = (federation.root / party / f"{container}.log").read_text().splitlines()
    return json.loads(lines[-1])


def run_row(federation: Federation, container: str) -> dict[str, int]:
    """Run one container of all parties at the same time."""
    processes = {party: start(federation, party, container) for party in PARTIES}
    for process in processes.values():
        process.communicate(timeout=HANG_S)
    return {party: process.returncode for party, process in processes.items()}


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    world = World(federation, swift, swift_users)
    for party in PARTIES:
        write_spec(federation, party, world.spec(party))
    return world


def test_three_jobs_in_processes_end_with_0_and_say_so(world):
    for container in CONTAINERS:
        assert run_row(world.federation, container) == dict.fromkeys(PARTIES, 0)
    assert sorted(name.split("/")[1] for name in world.objects("carol", world.answers)) == [
        "manifest.json",
        "result.csv",
    ]
    expected = {"status": "succeeded", "code": 0, "party": "carol", "reason": ""}
    assert verdict(world.federation, "carol", "publish") == expected


def test_a_run_that_was_found_done_is_not_said_to_have_succeeded_again(federation):
    write_fetched_spec(federation, "carol")
    WorkDir(federation.work("carol")).write_done(Done(found="records/manifest.json"))
    assert run(federation, "carol", "publish")[0] == 0
    expected = {"status": "done already", "code": 0, "party": "carol", "reason": ""}
    assert verdict(federation, "carol", "publish") == expected


def test_a_rejection_is_the_last_containers_exit_code(world):
    world.upload_policy("bravo", POLICY.replace("DATASET", "bravo/flights").replace("[carol]", "[alpha]"))
    assert run_row(world.federation, "fetch") == dict.fromkeys(PARTIES, 0)
    assert run_row(world.federation, "compute") == dict.fromkeys(PARTIES, 0)
    assert run_row(world.federation, "publish") == dict.fromkeys(PARTIES, 30)
    said = verdict(world.federation, "alpha", "publish")
    assert (said["status"], said["code"]) == ("rejected", 30)
    # Whoever shows a pod's first message shows this one.
    assert not any((world.federation.root / f"alpha/{container}.log").exists() for container in ("fetch", "compute"))
    assert "bravo/flights policy v3" in said["reason"]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "the run spec cannot be read: FileNotFoundError"),
        ("{", "json_invalid"),
        ('{"run": {}}', "missing at run.runId"),
    ],
)
def test_a_run_spec_that_cannot_be_used_ends_with_10(federation, container, text, says):
    if text is not None:
        (federation.root / "alpha" / "run.json").write_text(text)
    code, _ = run(federation, "alpha", container)
    assert code == 10
    assert says in verdict(federation, "alpha", container)["reason"]


def test_a_run_spec_that_contradicts_itself_ends_with_10(federation):
    outputs = federation.run.outputs.model_copy(update={"writer": "alpha"})
    soon = federation.run.deadlines.model_copy(update={"barrier_s": 0.5})
    write_spec(federation.with_run(outputs=outputs, deadlines=soon), "alpha")
    code, events = run(federation, "alpha", "compute")
    assert code == 10
    assert "the writer is not a recipient" in events[-1]["what"]
    # Nobody was there to be told, and that is said.
    [untold] = [event for event in events if event["event"] == "peers not told"]
    assert "bravo, carol did not come" in untold["reason"]


def unknown_field(spec: dict) -> None:
    spec["own"]["newFangled"] = True


def of_another_version(spec: dict) -> None:
    spec["run"]["apiVersion"] = "ccd.dev/v9"
    spec["run"]["members"][0]["colour"] = "red"
    spec["run"]["deadlines"]["lunch"] = 3600


@pytest.mark.parametrize("spoil", [unknown_field, of_another_version])
def test_peers_hear_at_once_of_a_run_spec_that_cannot_be_used(world, spoil):
    path = world.federation.root / "alpha" / "run.json"
    spec = json.loads(path.read_text())
    spoil(spec)
    path.write_text(json.dumps(spec))

    assert run_row(world.federation, "fetch") == dict.fromkeys(PARTIES, 0)
    assert not WorkDir(world.federation.work("alpha")).data.exists()
    # Within the time that a test's process has, and that is a fraction of the barrier's.
    assert run_row(world.federation, "compute") == {"alpha": 10, "bravo": 0, "carol": 0}
    said = verdict(world.federation, "alpha", "compute")
    assert said["code"] == 10
    assert said["reason"].startswith("the run spec is wrong:")
    for party in ("bravo", "carol"):
        assert run(world.federation, party, "publish")[0] == 10
        assert verdict(world.federation, party, "publish")["reason"] == f"alpha: {said['reason']}"


def test_who_is_told_has_to_be_a_member_and_members_are_told_apart(tmp_path, federation):
    spec = json.loads(federation.spec("alpha").model_dump_json(by_alias=True))
    path = tmp_path / "run.json"
    for spoil in (
        lambda spec: spec["own"].update(party="dora"),
        lambda spec: spec["run"].update(members=spec["run"]["members"] + spec["run"]["members"][:1]),
        lambda spec: spec["run"].update(members=spec["run"]["members"][:1]),
        lambda spec: spec["run"]["deadlines"].update(barrierS=-1),
        lambda spec: spec.pop("own"),
    ):
        spoilt = json.loads(json.dumps(spec))
        spoil(spoilt)
        path.write_text(json.dumps(spoilt))
        assert remains_of(path) is None
    path.write_text(json.dumps(spec))
    assert remains_of(path) is not None


def test_a_key_that_is_not_the_certificates_ends_with_10(federation):
    key, _ = new_identity("carol", 30)
    federation.write_key("carol", key)
    write_fetched_spec(federation, "carol")
    assert run(federation, "carol", "compute")[0] == 0  # publish still has to file the manifest
    code, _ = run(federation, "carol", "publish")
    assert code == 10
    assert "does not belong to the party's certificate" in verdict(federation, "carol", "publish")["reason"]


def test_a_bug_is_told_by_its_class_and_place_only(federation):
    """The work directory is a file: nobody has foreseen that."""
    write_spec(federation, "carol")
    federation.work("carol").rmdir()
    (federation.root / "carol" / "work").write_text("")
    done = subprocess.run(command_of_broken(federation), capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 70
    event = json.loads(done.stderr.splitlines()[-1])
    assert event["what"] == "a bug in the worker: NotADirectoryError"
    assert "workdir.py:" in event["where"]
    assert str(federation.root) not in done.stderr


def command_of_broken(federation: Federation) -> list[str]:
    root = federation.root / "carol"
    places = ("--spec", root / "run.json", "--work", root / "work", "--secrets", root / "secrets")
    return [str(WORKER), "fetch", *map(str, places)]


def test_sigterm_ends_cleanly_with_40(federation):
    write_spec(federation, "carol")
    assert run(federation, "carol", "fetch")[0] == 0
    process = start(federation, "carol", "compute")
    listening = f"127.0.0.1:{federation.run.members[2].port}"
    wait_for_listener(process, federation.run.members[2].port)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=HANG_S)
    assert process.returncode == 40, (listening, stderr)
    said = verdict(federation, "carol", "compute")
    assert said["code"] == 40
    assert said["reason"].startswith("terminated")


def test_files_are_for_the_worker_alone(world):
    run(world.federation, "alpha", "fetch")
    for path in world.federation.work("alpha").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def wait_for_listener(process: subprocess.Popen, port: int) -> None:
    """Wait until the kernel has a listener at the port, without a connection that would show up in the log."""
    wanted = f":{port:04X}"
    while process.poll() is None:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        if any(row[1].endswith(wanted) and row[3] == "0A" for row in rows):
            return
        os.sched_yield()
    raise AssertionError("the worker ended before it listened")


@pytest.mark.parametrize("container", ["compute", "publish"])
def test_what_was_looked_at_by_one_container_is_not_exchanged_for_another(world, container):
    """A ConfigMap that is not immutable changes below a running pod: consent is asked for one run, another computed."""
    for each in CONTAINERS[: CONTAINERS.index(container)]:
        run_row(world.federation, each)
    query = world.federation.run.query.replace("SUM(delay)", "MAX(delay)")
    write_spec(world.federation.with_run(query=query), "alpha")

    code, _ = run(world.federation, "alpha", container)

    assert code == 10
    assert "another run spec" in verdict(world.federation, "alpha", container)["reason"]
    assert not (world.federation.work("alpha") / "data").exists()


def test_a_run_spec_that_compute_cannot_use_leaves_no_data_behind(world):
    assert run(world.federation, "alpha", "fetch")[0] == 0
    assert (world.federation.work("alpha") / "data").exists()
    (world.federation.root / "alpha" / "run.json").write_text("{")

    assert run(world.federation, "alpha", "compute")[0] == 10

    assert not (world.federation.work("alpha") / "data").exists()


@pytest.mark.parametrize("container", ["compute", "publish"])
def test_nothing_goes_on_from_a_fetch_that_could_not_read_its_run_spec(federation, container):
    """Else who exchanges the ConfigMap has a run computed that no owner's fetch has looked at."""
    write_spec(federation, "carol")

    code, _ = run(federation, "carol", container)

    assert code == 10
    assert "another run spec" in verdict(federation, "carol", container)["reason"]


LOADED = """
import contextlib, io, json, sys
from worker.cli import main
container, sys.argv = sys.argv[1], ["ccd-worker", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
from worker.commands import _act_of
_act_of(container)
print(json.dumps(sorted(sys.modules)))
"""
SPARK = {"conclave.local.spark", "sqlglot.dialects.spark", "pyspark"}


@pytest.mark.parametrize(
    ("container", "needed", "others"),
    [
        ("fetch", {"duckdb", "httpx"}, {"sqlglot", "policy.verify", "keystoneauth1"}),
        ("compute", {"duckdb", "sqlglot", "policy.verify"}, {"httpx", "keystoneauth1", "numba"}),
        ("publish", {"httpx"}, {"duckdb", "numpy", "pyarrow", "sqlglot", "keystoneauth1"}),
    ],
)
def test_a_container_loads_what_it_uses_and_not_what_others_do(container, needed, others):
    done = subprocess.run([sys.executable, "-c", LOADED, container], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert needed <= loaded
    assert loaded.isdisjoint(others | SPARK | {"pandas", "httpx._main", "worker.remains"})
