"""A cluster whose containers are tiny Python programs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from renderer.local.claim_store import ClaimStore
from renderer.local.cluster import Cluster
from renderer.local.job import JobResult
from renderer.local.load import load_run
from renderer.local.observe import ContainerLine, Event
from renderer.local.secret_store import SecretStore

RUN_ID = "tiny-0123456789"


@dataclass
class Lab:
    """Writes manifests and secrets below a directory, runs them, and keeps what happened."""

    root: Path
    events: list[Event] = field(default_factory=list)
    watchers: list[Callable[[Event], None]] = field(default_factory=list)
    keep: bool = False

    @property
    def pods(self) -> Path:
        return self.root / "pods"

    def write(self, document: dict[str, Any], name: str) -> Path:
        directory = self.root / "rendered" / document["metadata"]["namespace"] / RUN_ID
        directory.mkdir(parents=True, exist_ok=True)
        YAML().dump(document, directory / name)
        return directory / name

    def job(self, *scripts: str, namespace: str = "hospital-a", **spec: Any) -> dict[str, Any]:
        """A Job whose init containers and, as the last, container run `scripts`."""
        containers = [{"name": f"c{n}", "command": ["python", "-c", text]} for n, text in enumerate(scripts)]
        pod = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "initContainers": containers[:-1],
            "containers": containers[-1:],
            "volumes": [],
        }
        labels = {"ccd.dev/party": namespace}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": f"{RUN_ID}-job", "namespace": namespace},
            "spec": {"backoffLimit": 0, **spec, "template": {"metadata": {"labels": labels}, "spec": pod}},
        }

    def secret(self, namespace: str, name: str, **keys: str) -> None:
        directory = self.root / "secrets" / namespace / name
        directory.mkdir(parents=True)
        for key, value in keys.items():
            (directory / key).write_text(value)

    def observe(self, event: Event) -> None:
        self.events.append(event)
        for watcher in self.watchers:
            watcher(event)

    def run(self) -> tuple[JobResult, ...]:
        cluster = Cluster(
            self.pods,
            SecretStore(self.root / "secrets"),
            ClaimStore(self.root / "volumes"),
            self.observe,
            keep=self.keep,
        )
        return cluster.run(load_run(self.root / "rendered", RUN_ID))

    def run_job(self, job: dict[str, Any]) -> JobResult:
        self.write(job, "job.yaml")
        (result,) = self.run()
        return result

    def lines(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, ContainerLine)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)
