"""What we wrote beside what the cluster has, and which fields are ours there."""

import json
from collections.abc import Iterator
from typing import Any

# Not part of a managed field set: they name the object.
IDENTITY = ("apiVersion", "kind", "metadata.name", "metadata.namespace")


def differences(ours: Any, live: Any, path: str = "") -> Iterator[str]:
    """Yield each place at which the cluster's object lacks or changes what we wrote; it may add fields."""
    if isinstance(ours, dict) and isinstance(live, dict):
        for key, value in ours.items():
            where = f"{path}.{key}".lstrip(".")
            if key not in live:
                yield f"{where}: gone"
            else:
                yield from differences(value, live[key], where)
    elif isinstance(ours, list) and isinstance(live, list) and len(ours) == len(live):
        for number, (one, other) in enumerate(zip(ours, live, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif ours != live or type(ours) is not type(live):
        yield f"{path}: we wrote {ours!r}, the cluster has {live!r}"


def written(ours: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every field that we wrote, list items left out."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            where = f"{path}.{key}".lstrip(".")
            if where not in IDENTITY:
                yield where
                yield from written(value, where)
    elif isinstance(ours, list):
        for item in ours:
            yield from written(item, path)


def managed(live: Any, manager: str) -> set[str]:
    """Return the path of every field that the manager owns by server-side apply, list items left out."""
    [entry] = [
        entry
        for entry in live["metadata"]["managedFields"]
        if entry["manager"] == manager and entry["operation"] == "Apply"
    ]
    return set(_owned(entry["fieldsV1"]))


def _owned(fields: Any, path: str = "") -> Iterator[str]:
    for key, value in fields.items():
        where = path
        if key.startswith("f:"):
            where = f"{path}.{key[2:]}".lstrip(".")
            yield where
        elif key.startswith("k:"):
            # The keys of a list's item are in its name here, and fields of their own in the manifest.
            yield from (f"{path}.{name}" for name in json.loads(key[2:]))
        yield from _owned(value, where)
