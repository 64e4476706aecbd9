"""Changing a manifest by a path, to see what the API server makes of it."""

import copy
import re
from typing import Any

from tests.cluster.tree import Manifest

STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
GONE = object()


def changed(manifest: Manifest, *changes: tuple[str, Any]) -> Manifest:
    """Return the manifest with the value at each path replaced; `GONE` removes it, `[n]` is an item, `[n+1]` appends.

    >>> changed({"spec": {"items": [1, 2]}}, ("spec.items[0]", 3), ("spec.new", True))
    {'spec': {'items': [3, 2], 'new': True}}
    """
    new = copy.deepcopy(manifest)
    for path, value in changes:
        *way, last = [int(step[1:-1]) if step.startswith("[") else step for step in STEP.findall(path)]
        place: Any = new
        for step in way:
            place = place.setdefault(step, {}) if isinstance(step, str) else place[step]
        _put(place, last, copy.deepcopy(value))
    return new


def _put(place: Any, last: str | int, value: Any) -> None:
    if value is GONE:
        del place[last]
    elif isinstance(last, int) and last == len(place):
        place.append(value)
    else:
        place[last] = value
