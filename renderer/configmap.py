"""The run spec, as the file `run.json` of a ConfigMap."""

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from renderer.render import render
from renderer.run_object import RunObject, labels, object_name, origin
from renderer.spec import Member, PlannedRun
from worker.runspec import RUN_SPEC_PATH

MAX_LINE = 100
MAX_BYTES = 1_000_000  # what Kubernetes stores in one ConfigMap, less some room for the rest of the object


@dataclass(frozen=True)
class Context(RunObject):
    """The file's name and its text in lines."""

    file: str
    lines: tuple[str, ...]


def config_map(run: PlannedRun, member: Member) -> str:
    """Return the member's ConfigMap."""
    text = run_json(run, member)
    context = Context(
        origin(run),
        object_name(run, member),
        member.namespace,
        labels(run, member),
        PurePosixPath(RUN_SPEC_PATH).name,
        tuple(text.splitlines()),
    )
    return render("configmap.yaml.j2", context)


def run_json(run: PlannedRun, member: Member) -> str:
    """Return the member's `run.json`, laid out so that a reviewer can read it and its diffs.

    ASCII alone, with no line break inside a string: a block of lines in YAML then needs no escaping.
    """
    return _pretty(run.run_spec(member).model_dump(mode="json", by_alias=True)) + "\n"


def _pretty(value: Any, indent: str = "") -> str:
    """Return JSON with what fits on one line on one line: a column, a list of names."""
    flat = json.dumps(value, ensure_ascii=True)
    if not isinstance(value, dict | list) or len(indent) + len(flat) <= MAX_LINE:
        return flat
    deeper = f"{indent}  "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_pretty(item, deeper)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        items = [_pretty(item, deeper) for item in value]
        opening, closing = "[", "]"
    return f",\n{deeper}".join([f"{opening}\n{deeper}{items[0]}", *items[1:]]) + f"\n{indent}{closing}"
