"""JSON as people read it."""

import json
from typing import Any

MAX_LINE = 100


def pretty(value: Any, indent: str = "") -> str:
    """Return JSON with what fits on one line on one line: a column, a list of names."""
    flat = json.dumps(value, ensure_ascii=True)
    if not isinstance(value, dict | list) or len(indent) + len(flat) <= MAX_LINE:
        return flat
    deeper = f"{indent}  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {pretty(item, deeper)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        items = [pretty(item, deeper) for item in value]
        opening, closing = "[", "]"
    return f",\n{deeper}".join([f"{opening}\n{deeper}{items[0]}", *items[1:]]) + f"\n{indent}{closing}"
