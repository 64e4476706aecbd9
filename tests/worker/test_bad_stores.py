"""A store's bad day, as the whole of `fetch` sees it: the code, what is left behind, and what is not said."""

from dataclasses import replace

import pytest

from tests.worker.endpoints.conftest import HASTY, QUICK
from tests.worker.endpoints.faults import Fault, FaultProxy, status
from tests.worker.stores import ROWS, World, csv_of
from worker.endpoints.patience import Patience
from worker.fetch import fetch
from worker.workdir import WorkDir

DATA = r"^GET .*/flights\.csv$"
POLICY = r"^GET .*\.policy\.yaml$"
ONCE = [
    Fault(cut_after=7),
    Fault(end_after=7),
    Fault(shorten_to=7),
    Fault(stall_after=7),
    Fault(flip_at=7),
    status(503),
    status(429, Retry_After="0"),
    status(401),
]
FOR_EVER = [
    (Fault(cut_after=7), "no answer (ReadError)"),
    (Fault(end_after=7), "no answer (RemoteProtocolError)"),
    (Fault(shorten_to=7), "do not match the store's ETag"),
    (Fault(stall_after=7), "no answer (ReadTimeout)"),
    (Fault(trickle_s=0.02), "fell below"),
    (Fault(flip_at=7), "do not match the store's ETag"),
    (status(503), "the store answered 503"),
    (status(401), "the store answered 401"),
    (status(403), "the store answered 403"),
    (status(404), "the store answered 404"),
    (status(507), "the store answered 507"),
]


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


@pytest.fixture
def proxy(swift, world):
    with FaultProxy(swift.port) as started:
        world.mount("alpha", port=started.port)
        yield started


@pytest.fixture
def run_fetch(world, written, monkeypatch):
    def run(patience: Patience) -> WorkDir:
        monkeypatch.setattr("worker.endpoints.swift.Patience", lambda: patience)
        work = WorkDir(world.federation.work("alpha"))
        fetch(world.spec("alpha"), work, world.secrets("alpha"), written.log)
        return work

    return run


def nothing_leaked(world, written, work, proxy) -> None:
    said = written.stream.getvalue() + "".join(path.read_text() for path in work.root.glob("*.json"))
    tokens = {
        line.split(b": ")[1].decode()
        for head in proxy.heads
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"x-auth-token")
    }
    assert tokens
    for secret in (world.users.of("alpha:steward").key, *tokens, "secret!"):
        assert secret not in said


@pytest.mark.parametrize("pattern", [DATA, POLICY], ids=["data", "policy"])
def test_what_passes_is_survived(world, proxy, run_fetch, written, pattern):
    for fault in ONCE:
        proxy.on(pattern, fault)
    # More attempts than faults: a busy machine is silent for a second, too.
    work = run_fetch(replace(HASTY, attempts=10 * len(ONCE)))
    assert work.outcome() is None
    (fetched,) = work.fetched().datasets
    assert (work.root / fetched.file).read_text() == csv_of(ROWS["alpha"])
    nothing_leaked(world, written, work, proxy)


@pytest.mark.parametrize(("fault", "says"), FOR_EVER, ids=[says for _, says in FOR_EVER])
def test_what_stays_ends_with_50_and_leaves_nothing_that_looks_like_data(world, proxy, run_fetch, written, fault, says):
    world.upload_data("alpha", csv_of([("QZ", 48151623)] * 50))
    proxy.on(DATA, fault, times=99)
    # Only what is to be found is looked for in haste: a busy machine is silent for a while, too.
    hasty = {"idle_s": 0.5} if fault.stall_after else {"window_s": 0.5} if fault.trickle_s else {}
    work = run_fetch(replace(QUICK, attempts=2, **hasty))
    outcome = work.outcome()
    assert outcome.code == 50
    (reason,) = outcome.reasons
    assert says in reason.what
    assert reason.where.endswith("flights.csv")
    assert reason.fix
    assert work.fetched() is None
    assert not work.data.exists()
    nothing_leaked(world, written, work, proxy)
    assert "QZ" not in written.stream.getvalue()
    assert "48151623" not in written.stream.getvalue()


def test_a_policy_cut_short_is_never_taken_for_a_policy(world, proxy, run_fetch):
    proxy.on(POLICY, Fault(shorten_to=100), times=99)
    assert run_fetch(replace(QUICK, attempts=2)).outcome().code == 50


def test_a_secret_that_lacks_a_key_ends_with_10_before_anything_is_sent(world, proxy, run_fetch):
    (world.secrets("alpha") / "store" / "ST_KEY").unlink()
    outcome = run_fetch(QUICK).outcome()
    assert (outcome.code, proxy.requests) == (10, [])
    assert "'ST_KEY'" in outcome.reasons[0].what


def test_a_run_found_done_behind_a_storm_is_found_done(world, proxy, run_fetch):
    client = world.client("alpha")
    client.put_container(world.records)
    client.put_object(world.records, f"{world.federation.run.run_id}/manifest.json", b"{}")
    proxy.on("^HEAD", status(503), times=3)
    assert run_fetch(QUICK).is_done()
