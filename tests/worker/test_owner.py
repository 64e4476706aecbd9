"""An owner's deposit is never seen by halves, and what an owner is told beforehand is what a run says."""

import threading
from pathlib import Path

import pyrage
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy.identity import load_private_key
from policy.parse import parse_policy
from policy.signature import sign
from tests.worker.stores import POLICY, World, csv_of
from worker import deposit
from worker.dataspec import DataReport, DataRequest
from worker.endpoints.swift_origin import SwiftOrigin
from worker.errors import StoreUnavailable
from worker.fetch import fetch
from worker.intake import Wanted, take_in
from worker.log import Log
from worker.owner import Means, answer
from worker.runspec import Capacity, DataverseSource, FilesSource, Sealed
from worker.stores import Stores
from worker.workdir import WorkDir

NAME = "alpha/flights"
VERSIONS = (1, 2)  # of policy and data alike: version n goes with n rows


@pytest.fixture
def world(federation, swift, swift_users) -> World:
    return World(federation, swift, swift_users)


def policy_of(version: int) -> str:
    return POLICY.replace("DATASET", NAME).replace("version: 3", f"version: {version}")


def signature_of(world: World, text: str, signer: str = "alpha") -> str:
    return sign(load_private_key(world.federation.keys[signer]), "policy", parse_policy(text, "policy"))


def request(world: World, action="check", **more) -> DataRequest:
    spec = world.spec("alpha")
    (dataset,) = (dataset for dataset in spec.run.datasets if dataset.name == NAME)
    return DataRequest(
        action=action,
        dataset=dataset,
        source=spec.own.sources[0],
        certificate=world.federation.certificates()["alpha"],
        capacity=Capacity(),
        **more,
    )


def put_request(world: World, directory: Path, version: int, **more) -> DataRequest:
    file = directory / f"v{version}.csv"
    file.write_text(csv_of([("AA", n) for n in range(version)]))
    text = policy_of(version)
    return request(
        world, "put", file=str(file), policy=text, signature=signature_of(world, text), **{"replace": True, **more}
    )


def ask(world: World, asked: DataRequest, written) -> DataReport:
    return answer(asked, Means(world.secrets("alpha"), Path("/nowhere")), written.log)


def raising(problem: Exception) -> None:
    raise problem


def taken(world: World, work: WorkDir, log: Log) -> tuple[int, int] | None:
    """What a run would take in just now: the policy's version and the number of rows; None if it would try again."""
    asked = request(world)
    origin = SwiftOrigin(Stores(world.secrets("alpha")).of("store"), asked.source.container, asked.source.object)
    wanted = Wanted(asked.dataset, asked.source, asked.certificate, asked.capacity)
    try:
        fetched = take_in(wanted, origin, work, world.secrets("alpha"), log, raising)
    except StoreUnavailable:
        return None
    finally:
        work.remove_data()
    return parse_policy(fetched.policy, "policy").metadata.version, fetched.n_rows


def test_no_run_sees_data_under_a_word_that_was_not_given_for_it(world, written, tmp_path):
    puts = [put_request(world, tmp_path, version) for version in VERSIONS]
    stop = threading.Event()
    reports: list[DataReport] = []

    def deposit_for_a_while() -> None:
        for n in range(8):
            reports.append(ask(world, puts[n % 2], written))
        stop.set()

    assert ask(world, puts[1], written).accepted
    owner = threading.Thread(target=deposit_for_a_while)
    owner.start()
    seen = []
    work = WorkDir(tmp_path / "work")
    while not stop.is_set():
        seen.append(taken(world, work, written.log))
    owner.join()
    assert all(report.accepted for report in reports)
    assert {pair for pair in seen if pair is not None} <= {(1, 1), (2, 2)}
    assert taken(world, work, written.log) == (2, 2)


def test_an_owner_who_waits_is_told_how_far_checking_sealing_and_uploading_are(world, written, tmp_path):
    asked = put_request(world, tmp_path, 2)
    Path(asked.file).write_text(csv_of([("AA", 7)] * 400_000))
    to = pyrage.x25519.Identity.generate().to_public()
    sealed = asked.source.model_copy(update={"sealed": Sealed(identity="age")})
    report = ask(world, asked.model_copy(update={"source": sealed, "recipient": str(to)}), written)
    assert report.accepted, report.problems
    moved: dict[str, list[tuple[int, int]]] = {}
    stage = ""
    for event in written.events:
        if event["event"] == "moved":
            moved[stage].append((event["n_bytes"], event["size_bytes"]))
        else:
            stage = event["event"]
            moved[stage] = []
    assert [stage for stage, told in moved.items() if told] == ["checking", "sealing", "uploading"]
    for stage, size_bytes in {
        "checking": Path(asked.file).stat().st_size,
        "sealing": Path(asked.file).stat().st_size,
        "uploading": report.size_bytes,
    }.items():
        told = [n_bytes for n_bytes, of in moved[stage] if of == size_bytes]
        assert told == sorted(told), stage
        assert 0 < told[-1] <= size_bytes, stage


@pytest.mark.parametrize(
    ("source", "steps"),
    [
        (
            DataverseSource(
                dataset=NAME,
                format="csv",
                url="https://data.example.org",
                persistent_id="doi:10.5072/FK2/A",
                version="1.0",
                file="a/x.csv",
            ),
            "upload a/x.csv with a/x.csv.policy.yaml and a/x.csv.policy.yaml.sig (`ccd policy sign`) to the dataset "
            "doi:10.5072/FK2/A at https://data.example.org, publish it, write its new version into the party document; "
            "then `ccd data check`",
        ),
        (
            FilesSource(dataset=NAME, format="csv", claim="clinic", path="x.csv"),
            "copy x.csv, x.csv.policy.yaml and x.csv.policy.yaml.sig (`ccd policy sign`) to the volume of the claim "
            "clinic; then `ccd data check`",
        ),
    ],
)
def test_what_is_not_put_from_here_is_told_with_every_step_of_the_owners(world, written, tmp_path, source, steps):
    asked = put_request(world, tmp_path, 1).model_copy(update={"source": source})
    report = ask(world, asked, written)
    assert (report.accepted, report.code) == (False, 10)
    assert "data is not put into" in report.problems[0].what
    assert report.problems[0].fix == steps


@pytest.mark.parametrize("container", ["", ", container: records"])
def test_limits_that_no_run_could_keep_are_told_beforehand(world, written, tmp_path, container):
    volume = tmp_path / "volumes" / "clinic"
    volume.mkdir(parents=True)
    text = policy_of(1) + f"  limits: {{runs: 1{container}}}\n"
    (volume / "x.csv").write_text(csv_of([("AA", 1)]))
    (volume / "x.csv.policy.yaml").write_text(text)
    (volume / "x.csv.policy.yaml.sig").write_text(signature_of(world, text))
    source = FilesSource(dataset=NAME, format="csv", claim="clinic", path="x.csv")
    asked = request(world).model_copy(update={"source": source})
    report = answer(asked, Means(world.secrets("alpha"), volume.parent), written.log)
    assert report.accepted == bool(container)
    assert container or report.problems[0].where == f"{NAME}, spec.limits.container"


class Failing:
    """A store that goes away at its n-th change."""

    def __init__(self, store, n: int) -> None:
        self._store, self._left = store, n

    def __getattr__(self, name):
        return getattr(self._store, name)

    def _change(self):
        if self._left == 0:
            raise StoreUnavailable("gone")
        self._left -= 1

    def remove(self, container, name):
        self._change()
        self._store.remove(container, name)

    def put_once(self, container, name, content, readers=()):
        self._change()
        return self._store.put_once(container, name, content, readers)


@pytest.mark.parametrize("n", range(6))
def test_a_deposit_cut_off_anywhere_leaves_nothing_that_is_used_wrongly_and_is_mended_by_another(
    world, written, tmp_path, n
):
    first, second = (put_request(world, tmp_path, version) for version in VERSIONS)
    assert ask(world, first, written).accepted
    stores = Stores(world.secrets("alpha"))
    stores.opened["store"] = Failing(stores.of("store"), n)
    work = WorkDir(tmp_path / "put")
    work.data.mkdir(parents=True)
    with pytest.raises(StoreUnavailable):
        deposit.put(second, stores, work, written.log, raising)
    assert taken(world, WorkDir(tmp_path / "work"), written.log) == ((1, 1) if n == 0 else None)
    assert ask(world, second, written).accepted
    assert taken(world, WorkDir(tmp_path / "work"), written.log) == (2, 2)


DATA = {
    "good": csv_of([("AA", 1)]),
    "type": csv_of([("AA", "x")]),
    "header": csv_of([], "carrier,late"),
    "gone": None,
}
SIGNED_BY = {"alpha": "alpha", "bravo": "bravo", "nobody": None}


@given(
    data=st.sampled_from(sorted(DATA)),
    other=st.sampled_from(["", "dataset", "columns", "text"]),
    by=st.sampled_from(sorted(SIGNED_BY)),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_an_owner_is_told_what_a_run_says(world, written, tmp_path, data, other, by):
    client = world.client("alpha")
    text = policy_of(1)
    changed = {
        "": text,
        "dataset": text.replace(NAME, "alpha/others"),
        "columns": text.replace("    delay: {type: integer}\n", "").replace("        delay: [sum, count, mean]\n", ""),
        "text": text.replace("grants:", "grant:"),
    }[other]
    signature = signature_of(world, changed if other != "text" else text, SIGNED_BY[by] or "alpha")
    for name, content in {
        "flights.csv": DATA[data],
        "flights.csv.policy.yaml": changed,
        "flights.csv.policy.yaml.sig": None if by == "nobody" else signature,
    }.items():
        if content is None:
            Stores(world.secrets("alpha")).of("store").remove(world.data, name)
        else:
            client.put_object(world.data, name, content.encode())
    report = ask(world, request(world), written)
    work = WorkDir(tmp_path / "fetch")
    work.root.mkdir(exist_ok=True)
    work.remove_data()
    for left in work.root.glob("*.json"):
        left.unlink()
    fetch(world.spec("alpha"), work, world.secrets("alpha"), written.log)
    outcome = work.outcome()
    is_good = (data, other, by) == ("good", "", "alpha")
    assert report.accepted == (outcome is None) == is_good
    if outcome is not None:
        # The run ends at the first problem; the owner is told it, and all others.
        assert outcome.reasons[0] in report.problems
        assert not work.data.exists()


def test_nothing_is_left_on_the_owners_machine(world, written, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert ask(world, put_request(world, tmp_path, 1), written).accepted
    assert ask(world, request(world), written).accepted
    world.upload_data("alpha", "nonsense")
    assert not ask(world, request(world), written).accepted
    assert list((tmp_path / "temporary").iterdir()) == []
    assert (tmp_path / "v1.csv").read_text() == csv_of([("AA", 0)])
