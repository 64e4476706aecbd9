"""Reading a run's rendered manifests from `argocd/rendered/<namespace>/<run-id>/`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from renderer.errors import BAD_DOCUMENT, CommandError
from renderer.local.objects import ConfigMap, Job, Service

# Objects that only a real cluster can keep: identities for its API and rules for its network.
NOT_ENFORCED_KINDS = ("ServiceAccount", "NetworkPolicy")


class ManifestError(CommandError):
    """A manifest that the local cluster cannot execute as a real one would."""

    def __init__(self, what: str, fix: str | None = None) -> None:
        super().__init__(what, fix, BAD_DOCUMENT)


@dataclass(frozen=True)
class Objects:
    """All objects of one run, over all namespaces, sorted by namespace and name."""

    jobs: tuple[Job, ...]
    config_maps: tuple[ConfigMap, ...]
    services: tuple[Service, ...]
    not_enforced: tuple[str, ...]  # kinds that were there

    def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        """Return the ConfigMap of that name."""
        found = [m for m in self.config_maps if (m.metadata.namespace, m.metadata.name) == (namespace, name)]
        return found[0] if found else None


def load_run(rendered: Path, run_id: str) -> Objects:
    """Read every manifest of `run_id` below `rendered`, the tree that Argo CD applies.

    Raises:  ManifestError naming the file and the field.
    """
    found: list[Job | ConfigMap | Service] = []
    not_enforced: set[str] = set()
    for path in sorted(rendered.glob(f"*/{run_id}/*.yaml")):
        for document in _documents(path):
            if document.get("kind") in NOT_ENFORCED_KINDS:
                not_enforced.add(document["kind"])
            else:
                found.append(_parse(path, document))
    jobs = tuple(each for each in found if isinstance(each, Job))
    if not jobs:
        raise ManifestError(f"{rendered}: no Job of the run {run_id}", "ccd render")
    config_maps = tuple(each for each in found if isinstance(each, ConfigMap))
    services = tuple(each for each in found if isinstance(each, Service))
    return Objects(jobs, config_maps, services, tuple(sorted(not_enforced)))


def _parse(path: Path, document: dict[str, Any]) -> Job | ConfigMap | Service:
    models: dict[Any, type[Job | ConfigMap | Service]] = {
        "Job": Job,
        "ConfigMap": ConfigMap,
        "Service": Service,
    }
    model = models.get(document.get("kind"))
    if model is None:
        raise ManifestError(f"{path}: kind {document.get('kind')!r} is not one the local cluster knows")
    try:
        parsed = model.model_validate(document)
    except ValidationError as problem:
        raise ManifestError(f"{path}: {_problems(problem)}") from None
    namespace = path.parent.parent.name
    if parsed.metadata.namespace != namespace:
        raise ManifestError(f"{path}: metadata.namespace must be {namespace}, its directory")
    return parsed


def _documents(path: Path) -> list[dict[str, Any]]:
    try:
        documents = [each for each in YAML(typ="safe", pure=True).load_all(path) if each is not None]
    except YAMLError as problem:
        raise ManifestError(f"{path}: not YAML: {problem}") from None
    for document in documents:
        if not isinstance(document, dict):
            raise ManifestError(f"{path}: not a Kubernetes object")
    return documents


def _problems(problem: ValidationError) -> str:
    lines = []
    for error in problem.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in error["loc"])
        unknown = error["type"] == "extra_forbidden"
        what = "the local cluster does not know this field" if unknown else error["msg"]
        lines.append(f"{place}: {what}")
    return "; ".join(lines)
