"""JSON as people read it."""

import json
from typing import Any

MAX_LINE = 100
_flat = json.JSONEncoder(ensure_ascii=True).encode


def pretty(value: Any, indent: str = "") -> str:
    """Return JSON with what fits on one line on one line: a column, a list of names."""
    flat = _flat(value)
    if not isinstance(value, dict | list) or len(indent) + len(flat) <= MAX_LINE:
        return flat
    deeper = f"{indent}  "
    if isinstance(value, dict):
        items = [f"{_flat(key)}: {pretty(item, deeper)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        items = [pretty(item, deeper) for item in value]
        opening, closing = "[", "]"
    return f",\n{deeper}".join([f"{opening}\n{deeper}{items[0]}", *items[1:]]) + f"\n{indent}{closing}"
