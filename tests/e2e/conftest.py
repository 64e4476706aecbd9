"""The sample federation, laid out once; each test works on its own copy with its own Swift."""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from renderer.check import load_workspace
from renderer.dev.demo import ensure_data, ensure_federation
from renderer.dev.federation import lay_out
from renderer.dev.flights import split_flights
from renderer.dev.session import running_swift
from renderer.dev.upload import POLICIES, put_policy, steward_of, upload
from renderer.layout import rendered_files
from renderer.local.cluster import Hosts
from renderer.local.logs import event_of
from renderer.local.observe import ContainerEnded, ContainerLine, ContainerStarted, Event, Observer
from renderer.local.run import Ended, Local, execute_run, prepare_run
from renderer.tree import changes, write

AIRPORTS = ("ewr", "jfk", "lga")
MARKET = Path("workflows/market-concentration.yaml")
DELAYS = Path("workflows/arrival-delays.yaml")
SMALL = 2_000  # rows of each airport, where the numbers do not matter


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@dataclass
class Federation:
    """A copy of the sample federation whose Swift is up."""

    root: Path
    auth_url: str
    events: list[Event] = field(default_factory=list)

    def party(self, name: str):
        return load_workspace(self.root).party_models[name]

    def steward(self, name: str):
        return steward_of(self.root, self.party(name), self.auth_url)

    def set_policy(self, name: str, old: str, new: str) -> None:
        """Change a word of the party's policy; its owner signs it again."""
        text = (POLICIES / f"{name}.flights.policy.yaml").read_text()
        assert old in text
        put_policy(self.root, self.steward(name), self.party(name), "flights", text.replace(old, new))

    def set_deadlines(self, workflow: Path, **seconds: float) -> None:
        """Give the workflow deadlines and render again."""
        path = self.root / workflow
        lines = "".join(f"    {name}: {value}\n" for name, value in seconds.items())
        path.write_text(path.read_text() + "  deadlines:\n" + lines)
        self.render()

    def render(self) -> None:
        write(self.root, changes(self.root, rendered_files(load_workspace(self.root))))

    def run(
        self,
        workflow: Path | Local,
        watch: Observer = lambda _: None,
        rewrite_hosts: Callable[[Hosts], Hosts] = lambda hosts: hosts,
    ) -> Ended:
        local = workflow if isinstance(workflow, Local) else prepare_run(self.root, workflow)
        self.events.clear()

        def observe(event: Event) -> None:
            self.events.append(event)
            watch(event)

        ended = execute_run(local, observe, rewrite_hosts)
        assert list((self.root / ".ccd" / "pods").iterdir()) == []  # no plaintext is left
        return ended

    def objects(self, name: str, container: str) -> list[str]:
        """The names of what lies in a container of the party."""
        return [each["name"] for each in self.steward(name).get_container(container)[1]]

    def said(self, event: str) -> list[dict[str, Any]]:
        """The workers' events of that name."""
        return [found for _, found in worker_events(self.events) if found["event"] == event]

    def exit_codes(self, container: str, attempt: int = 1) -> dict[str, int]:
        """By party: how its container ended."""
        return {
            event.job.rsplit("-", 1)[1]: event.exit_code
            for event in self.events
            if isinstance(event, ContainerEnded) and (event.container, event.attempt) == (container, attempt)
        }

    def pid_of(self, party: str, container: str) -> int:
        """The process of the party's newest container of that name."""
        return [
            event.pid
            for event in self.events
            if isinstance(event, ContainerStarted) and event.container == container and event.job.endswith(f"-{party}")
        ][-1]


def worker_events(events: list[Event]) -> Iterator[tuple[ContainerLine, dict[str, Any]]]:
    for event in events:
        if isinstance(event, ContainerLine):
            found = event_of(event.text)
            if found is not None:
                yield event, found


def interrupt() -> None:
    """What Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="session")
def flights(tmp_path_factory) -> dict[str, Path]:
    """Each airport's real flights."""
    return split_flights(tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory) -> Path:
    """The federation before its Swift first runs."""
    root = tmp_path_factory.mktemp("pristine") / "federation"
    lay_out(root)
    return root


@pytest.fixture(scope="session")
def few_flights(flights, tmp_path_factory) -> dict[str, Path]:
    """The first of each airport's flights."""
    directory = tmp_path_factory.mktemp("few")
    for party, path in flights.items():
        with path.open() as file:
            (directory / f"{party}.csv").write_text("".join(islice(file, SMALL + 1)))
    return {party: directory / f"{party}.csv" for party in flights}


@contextlib.contextmanager
def federation_at(root: Path, laid_out: Path, data: dict[str, Path]) -> Iterator[Federation]:
    shutil.copytree(laid_out, root)
    with running_swift(root) as auth_url:
        upload(root, load_workspace(root), auth_url, {f"{party}/flights": data[party] for party in data})
        yield Federation(root, auth_url)


@pytest.fixture
def federation(tmp_path, laid_out, few_flights) -> Iterator[Federation]:
    """A federation of one's own, with a few flights."""
    with federation_at(tmp_path / "federation", laid_out, few_flights) as made:
        yield made


@pytest.fixture(scope="session")
def whole_federation(tmp_path_factory, laid_out) -> Iterator[Federation]:
    """The federation of `ccd demo`, with all flights, for tests that change nothing."""
    root = tmp_path_factory.mktemp("whole") / "federation"
    shutil.copytree(laid_out, root)
    ensure_federation(root, print)
    with running_swift(root) as auth_url:
        ensure_data(root, auth_url, print)
        yield Federation(root, auth_url)
