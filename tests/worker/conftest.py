"""Three parties with fresh identities on loopback ports, and their run spec."""

import datetime
import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from policy.identity import new_identity
from renderer.dev.ports import free_ports
from worker.log import Log
from worker.runspec import (
    ColumnSpec,
    DatasetSpec,
    Deadlines,
    MemberSpec,
    MpcSpec,
    OutputSpec,
    Own,
    Run,
    RunSpec,
    SwiftSource,
    TableSpec,
)

PARTIES = ("alpha", "bravo", "carol")
HEADER = ("carrier", "delay")
HANG_S = 300  # what takes as long as this hangs, however busy the machine is


@dataclass
class Federation:
    """Keys as mounted Secrets under `secrets/<party>/ccd-identity/tls.key`, and the run that all share."""

    root: Path
    run: Run
    keys: dict[str, bytes]

    def secrets(self, party: str) -> Path:
        return self.root / party / "secrets"

    def key_file(self, party: str) -> Path:
        return self.secrets(party) / "ccd-identity" / "tls.key"

    def work(self, party: str) -> Path:
        path = self.root / party / "work"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def certificates(self) -> dict[str, str]:
        return {member.name: member.certificate for member in self.run.members}

    def spec(self, party: str, **own: Any) -> RunSpec:
        sources = tuple(
            SwiftSource(
                dataset=dataset.name,
                container="data",
                object="flights.csv",
                format="csv",
                credentials="store",
            )
            for dataset in self.run.datasets
            if dataset.name.startswith(f"{party}/")
        )
        return RunSpec(run=self.run, own=Own(party=party, identity="ccd-identity", **{"sources": sources, **own}))

    def with_run(self, **changes: Any) -> "Federation":
        return Federation(self.root, self.run.model_copy(update=changes), self.keys)

    def with_certificate(self, party: str, certificate: str) -> "Federation":
        members = tuple(
            member.model_copy(update={"certificate": certificate}) if member.name == party else member
            for member in self.run.members
        )
        return self.with_run(members=members)

    def write_key(self, party: str, key: bytes) -> None:
        self.key_file(party).parent.mkdir(parents=True, exist_ok=True)
        self.key_file(party).write_bytes(key)
        self.keys[party] = key


@pytest.fixture
def federation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Federation:
    monkeypatch.setenv("POD_IP", "127.0.0.1")
    return make_federation(tmp_path)


def make_federation(root: Path, days: int = 30, starts: datetime.datetime | None = None) -> Federation:
    columns = (ColumnSpec(name="carrier", type="varchar(2)"), ColumnSpec(name="delay", type="integer"))
    identities = {party: new_identity(party, days, starts) for party in PARTIES}
    members = tuple(
        MemberSpec(name=party, certificate=identities[party][1], host="127.0.0.1", port=port)
        for party, port in zip(PARTIES, free_ports(3), strict=True)
    )
    run = Run(
        run_id="delays-0123456789",
        workflow="delays",
        purpose="research",
        query="SELECT carrier, SUM(delay) AS total, COUNT(*) AS n FROM flights GROUP BY carrier ORDER BY carrier",
        tables=(TableSpec(name="flights", datasets=("alpha/flights", "bravo/flights")),),
        datasets=tuple(DatasetSpec(name=f"{p}/flights", columns=columns) for p in ("alpha", "bravo")),
        members=members,
        outputs=OutputSpec(recipients=("carol",), writer="carol", container="answers"),
        mpc=MpcSpec(compute=PARTIES),
        image="registry.example/ccd@sha256:" + "0" * 64,
        deadlines=Deadlines(barrier_s=HANG_S, receive_s=HANG_S),
    )
    federation = Federation(root, run, {})
    for party in PARTIES:
        federation.write_key(party, identities[party][0])
    return federation


@dataclass
class Ending:
    """How a thread ended."""

    value: Any = None
    error: BaseException | None = None


def in_parallel(acts: dict[str, Callable[[], Any]]) -> dict[str, Ending]:
    """Run each act in a thread of its own; return how each ended."""
    endings = {name: Ending() for name in acts}

    def run(name: str, act: Callable[[], Any]) -> None:
        try:
            endings[name].value = act()
        except BaseException as error:
            endings[name].error = error

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in acts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * HANG_S)
    assert not any(thread.is_alive() for thread in threads)
    return endings


def everybody(act: Callable[[str], Any]) -> dict[str, Any]:
    """Return what each party's act gives, all in parallel; what one raises is raised."""
    endings = in_parallel({party: lambda p=party: act(p) for party in PARTIES})
    for ending in endings.values():
        if ending.error is not None:
            raise ending.error
    return {party: ending.value for party, ending in endings.items()}


@dataclass
class Written:
    """A log that a test can read."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def log(self) -> Log:
        return Log(self.stream)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    return Written()
