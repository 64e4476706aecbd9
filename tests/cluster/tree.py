"""The tree under `argocd/` as objects."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.yaml import read_yaml

ROOT = Path(__file__).parents[2]
Manifest = dict[str, Any]
# Argo CD creates objects in this order, as far as our kinds go.
ORDER = ("Namespace", "NetworkPolicy", "ServiceAccount", "ConfigMap", "Service", "Job")


@dataclass(frozen=True)
class Tree:
    """Namespaces, and each run's objects, in the order in which they are applied."""

    namespaces: tuple[Manifest, ...]
    runs: tuple[Manifest, ...]

    def of_kind(self, kind: str) -> list[Manifest]:
        """Return the runs' objects of one kind."""
        return [manifest for manifest in self.runs if manifest["kind"] == kind]

    def run_of(self, namespace: str, workflow: str) -> list[Manifest]:
        """Return the objects of one workflow's run in one namespace."""
        return [
            manifest
            for manifest in self.runs
            if manifest["metadata"]["namespace"] == namespace
            and manifest["metadata"]["labels"]["ccd.dev/workflow"] == workflow
        ]


def read_tree(argo_cd: Path) -> Tree:
    """Return what lies in a federation's `argocd/`."""
    namespaces = tuple(_read(argo_cd.glob("namespace-*.yaml")))
    return Tree(namespaces, tuple(sorted(_read(argo_cd.glob("rendered/*/*/*.yaml")), key=_order)))


def _read(files: Iterator[Path]) -> list[Manifest]:
    return [read_yaml(file.read_text(), str(file))[0] for file in sorted(files)]


def _order(manifest: Manifest) -> int:
    return ORDER.index(manifest["kind"])


def another_run(objects: Iterable[Manifest], digits: str) -> list[Manifest]:
    """Return copies of one run's objects as if its documents had another digest, which ends in `digits`."""
    [run_id] = {manifest["metadata"]["labels"]["ccd.dev/run"] for manifest in objects}
    renamed = run_id[: -len(digits)] + digits
    text: list[Manifest] = json.loads(json.dumps(list(objects)).replace(run_id, renamed))
    return text
