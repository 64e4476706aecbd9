"""Changing a manifest by a path, to see what the API server makes of it."""

import copy
import re
from typing import Any

from tests.cluster.tree import Manifest

STEP = re.compile(r"[^.\[\]]+|\[(?:\d+|\+)\]")
NEW = "[+]"
GONE = object()


def changed(manifest: Manifest, *changes: tuple[str, Any]) -> Manifest:
    """Return the manifest with the value at each path replaced; `GONE` removes it, `[n]` is an item, `[+]` a new one.

    >>> changed({"spec": {"items": [1, 2], "old": 0}}, ("spec.items[0]", 3), ("spec.items[+]", 4), ("spec.old", GONE))
    {'spec': {'items': [3, 2, 4]}}
    """
    new = copy.deepcopy(manifest)
    for path, value in changes:
        *way, last = [_step(step) for step in STEP.findall(path)]
        place: Any = new
        for step in way:
            place = place.setdefault(step, {}) if isinstance(step, str) else place[step]
        if value is GONE:
            del place[last]
        elif last == NEW:
            place.append(copy.deepcopy(value))
        else:
            place[last] = copy.deepcopy(value)
    return new


def _step(step: str) -> str | int:
    if step == NEW or not step.startswith("["):
        return step
    return int(step[1:-1])
