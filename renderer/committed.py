"""A run's files as a commit holds them, read for what they would run: independent of how this `ccd` renders."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from policy.manifest import Manifest
from worker.runspec import RUN_SPEC_PATH, Run, RunSpec, run_digest

RUN_SPEC = PurePosixPath(RUN_SPEC_PATH).name


def image_problems(files: Mapping[str, bytes], manifest: Manifest) -> Iterator[str]:
    """Yield the containers of the committed Jobs whose image is not the one that the manifest names."""
    n_containers = 0
    for path, document in _objects(files, "Job"):
        pod = _get(document, "spec", "template", "spec")
        containers = [*(_get(pod, "initContainers") or ()), *(_get(pod, "containers") or ())]
        n_containers += len(containers)
        for each in containers:
            if _get(each, "image") != manifest.image:
                yield f"{path}: container {_get(each, 'name')} runs {_get(each, 'image')}"
    if not n_containers:
        yield "there is no Job"


def run_spec_problems(files: Mapping[str, bytes], manifest: Manifest) -> Iterator[str]:
    """Yield the committed run specs whose digest is not the one that the manifest names."""
    found = 0
    for path, document in _objects(files, "ConfigMap"):
        found += 1
        run = _run_in(document)
        if run is None:
            yield f"{path} holds no run spec that can be read"
        elif run_digest(run) != manifest.run:
            yield f"{path}: the digest of its run is {run_digest(run)}, not {manifest.run}"
        elif run.image != manifest.image:
            yield f"{path}: its run's image is {run.image}"
    if not found:
        yield "there is no ConfigMap"


def run_in_config_map(content: bytes) -> Run | None:
    """Return the run that a committed ConfigMap tells its worker of; None if this version cannot read one in it."""
    found = [document for _, document in _objects({"": content}, "ConfigMap")]
    return _run_in(found[0]) if found else None


def _run_in(document: Any) -> Run | None:
    text = _get(document, "data", RUN_SPEC)
    try:
        return RunSpec.model_validate_json(text).run if isinstance(text, str) else None
    except ValidationError:
        return None


def _objects(files: Mapping[str, bytes], kind: str) -> Iterator[tuple[str, Any]]:
    for path, content in sorted(files.items()):
        try:
            document = YAML(typ="safe", pure=True).load(content.decode("utf-8", errors="replace"))
        except YAMLError:
            continue  # the comparison with what is rendered names it
        if _get(document, "kind") == kind:
            yield path, document


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
