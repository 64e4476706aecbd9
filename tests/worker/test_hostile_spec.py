"""A run spec from whoever has taken over Git and Argo CD: what its words could reach beyond what they name.

The ConfigMap lies at /etc/ccd with all of its keys, beside the Secrets and the volumes. A name that holds a path would
have a worker take the ConfigMap's keys for an owner's credentials, or a Secret for a dataset.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import Federation
from worker.commands import load_run_spec
from worker.errors import BadDocument
from worker.runspec import FilesSource, Place, Sealed

Change = Callable[[dict[str, Any]], None]
AWAY = "../../../etc/ccd"


def own(field: str, **more: Any) -> Change:
    def change(spec: dict[str, Any]) -> None:
        spec["own"][field] |= more

    return change


def source(**more: Any) -> Change:
    def change(spec: dict[str, Any]) -> None:
        spec["own"]["sources"][0] |= more

    return change


def member(name: str, **more: Any) -> Change:
    def change(spec: dict[str, Any]) -> None:
        next(each for each in spec["run"]["members"] if each["name"] == name).update(more)

    return change


def identity(spec: dict[str, Any]) -> None:
    spec["own"]["identity"] = AWAY


def dataset(spec: dict[str, Any]) -> None:
    name = "alpha/../../../tmp/left"
    spec["run"]["datasets"][0]["name"] = spec["own"]["sources"][0]["dataset"] = name
    spec["run"]["tables"][0]["datasets"][0] = name


def run_id(spec: dict[str, Any]) -> None:
    spec["run"]["runId"] = "other-0123456789/../mine"


TRIES: dict[str, tuple[str, Change]] = {
    "the result goes to an account that the ConfigMap opens": (
        "own.output.credentials",
        own("output", credentials=AWAY),
    ),
    "the records go to an account that the ConfigMap opens": (
        "own.records.credentials",
        own("records", credentials=AWAY),
    ),
    "a container that is made is open to the whole world": ("own.output.readers.0", own("output", readers=[".r:*"])),
    "a container that is made is open to every account": ("own.output.readers.0", own("output", readers=["*:*"])),
    "two readers in one": ("own.output.readers.0", own("output", readers=["a:b,.r:*"])),
    "the identity is the ConfigMap's": ("own.identity", identity),
    "data is read with the ConfigMap's credentials": ("own.sources.0.swift.credentials", source(credentials=AWAY)),
    "data is unsealed with the ConfigMap's key": (
        "own.sources.0.swift.sealed.identity",
        source(sealed={"identity": AWAY}),
    ),
    "a Secret is read as a dataset": (
        "own.sources.0.files.claim",
        source(backend="files", claim="../secrets/swift-data", path="ST_KEY"),
    ),
    "data is written outside of the work directory": ("run.datasets.0.name", dataset),
    "another run's objects are removed": ("run.runId", run_id),
    "a peer is met at an address of the store's network": (
        "run.members.1.host",
        member("bravo", host="198.51.100.7", port=443),
    ),
    "a peer is met by a name outside of the cluster": ("run.members.1.host", member("bravo", host="evil.example.org")),
}


def document(federation: Federation) -> dict[str, Any]:
    spec = federation.spec(
        "alpha",
        records=Place(container="records", credentials="store"),
        output=Place(container="answers", credentials="store", readers=("account:*",)),
    )
    text: dict[str, Any] = json.loads(spec.model_dump_json(by_alias=True))
    if text["own"]["sources"][0]["backend"] != "swift":
        raise AssertionError
    return text


def load(document: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(document))
    load_run_spec(path)


def test_what_the_tries_change_is_taken(federation: Federation, tmp_path: Path):
    load(document(federation), tmp_path / "run.json")


@pytest.mark.parametrize("name", TRIES)
def test_a_run_spec_is_refused_by_which(federation: Federation, tmp_path: Path, name: str):
    field, change = TRIES[name]
    spec = document(federation)
    change(spec)
    if "files" in field:
        for each in ("container", "object", "credentials"):
            del spec["own"]["sources"][0][each]

    with pytest.raises(BadDocument, match=rf"at {field}\b"):
        load(spec, tmp_path / "run.json")


def twice(spec: dict[str, Any], *way: str | int, **changes: Any) -> None:
    """Put a further item into the list at `way`: its first once more, with changes."""
    place: Any = spec["run"]
    for step in way:
        place = place[step]
    place.append(place[0] | changes if isinstance(place[0], dict) else place[0])


def not_null(spec: dict[str, Any]) -> None:
    """The first declaration is what the file is checked by, the last what is verified and computed."""
    columns = [column | {"nullable": False, "unique": True} for column in spec["run"]["datasets"][0]["columns"]]
    twice(spec, "datasets", columns=columns)


def one_for_two(spec: dict[str, Any]) -> None:
    certificates = [member["certificate"] for member in spec["run"]["members"]]
    spec["run"]["members"][2]["certificate"] = "\n" + certificates[1]


TWICE: dict[str, Change] = {
    "a dataset is declared twice": not_null,
    "a table is named twice": lambda spec: twice(spec, "tables", datasets=["bravo/flights"]),
    "a party computes twice": lambda spec: spec["run"]["mpc"].update(compute=["alpha", "bravo", "bravo"]),
    "a recipient is named twice": lambda spec: twice(spec, "outputs", "recipients"),
    "an identity is a member's twice": one_for_two,
    "a dataset is part of flights twice": lambda spec: twice(spec, "tables", 0, "datasets"),
    "a column of alpha/flights is declared twice": lambda spec: twice(spec, "datasets", 0, "columns", type="bigint"),
}


@pytest.mark.parametrize("what", TWICE)
def test_nothing_is_there_twice_to_be_one_thing_here_and_another_there(
    federation: Federation, tmp_path: Path, what: str
):
    spec = document(federation)
    TWICE[what](spec)

    with pytest.raises(BadDocument, match=f"contradicts itself: {what}"):
        load(spec, tmp_path / "run.json")


def test_a_peer_in_the_cluster_is_met_on_the_one_port_that_its_network_policy_opens(
    federation: Federation, tmp_path: Path
):
    spec = document(federation)
    member("bravo", host="delays-0123456789-bravo.hospital-b.svc", port=443)(spec)

    with pytest.raises(BadDocument, match="bravo is not to be met on port 443"):
        load(spec, tmp_path / "run.json")


def test_a_peer_is_met_by_the_name_of_its_own_worker_in_this_run(federation: Federation, tmp_path: Path):
    spec = document(federation)
    member("bravo", host="delays-0123456789-carol.hospital-b.svc", port=8443)(spec)

    with pytest.raises(BadDocument, match="bravo is not met by the name of its worker in this run"):
        load(spec, tmp_path / "run.json")


def test_names_as_the_renderer_writes_them_are_taken():
    Place(container="any", credentials="swift-output", readers=("3f1b2c4d:*", "account", "account:ann"))
    FilesSource(dataset="alpha/visits", format="csv", claim="ward-data", path="2024/visits.csv")
    Sealed(identity="age-visits")
