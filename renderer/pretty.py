"""JSON as people read it."""

import json
from typing import Any

MAX_LINE = 100
_flat = json.JSONEncoder(ensure_ascii=True).encode


def pretty(value: Any, indent: str = "") -> str:
    """Return JSON with what fits on one line on one line: a column, a list of names."""
    if not isinstance(value, dict | list):
        return _flat(value)
    if _room_after(value, MAX_LINE - len(indent)) >= 0 and len(flat := _flat(value)) <= MAX_LINE - len(indent):
        return flat
    deeper = f"{indent}  "
    if isinstance(value, dict):
        items = [f"{_flat(key)}: {pretty(item, deeper)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        items = [pretty(item, deeper) for item in value]
        opening, closing = "[", "]"
    return f",\n{deeper}".join([f"{opening}\n{deeper}{items[0]}", *items[1:]]) + f"\n{indent}{closing}"


def _room_after(value: Any, room: int) -> int:
    """Return how much of a line's room is left after a value, at most; less than nothing soon tells of a large one."""
    if isinstance(value, str):
        return room - len(value) - 2
    if isinstance(value, dict):
        for key, item in value.items():
            room = _room_after(item, room - len(key) - 4)
            if room < 0:
                break
    elif isinstance(value, list):
        for item in value:
            room = _room_after(item, room)
            if room < 0:
                break
    return room
