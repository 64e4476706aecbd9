"""The run spec, as the file `run.json` of a ConfigMap."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from renderer.render import render
from renderer.run_object import RunObject, labels, object_name, origin
from renderer.spec import Member, PlannedRun
from worker.runspec import RUN_SPEC_PATH

MAX_BYTES = 1_000_000  # what Kubernetes stores in one ConfigMap, less some room for the rest of the object


@dataclass(frozen=True)
class Context(RunObject):
    """The file's name and its text."""

    file: str
    text: str


def config_map(run: PlannedRun, member: Member) -> str:
    """Return the member's ConfigMap."""
    text = run_json(run, member)
    context = Context(
        origin(run),
        object_name(run, member),
        member.namespace,
        labels(run, member),
        PurePosixPath(RUN_SPEC_PATH).name,
        text.rstrip("\n"),
    )
    return render("configmap.yaml.j2", context)


def run_json(run: PlannedRun, member: Member) -> str:
    """Return the member's `run.json`, laid out so that a reviewer can read it and its diffs.

    ASCII alone, with no line break inside a string: a block of lines in YAML then needs no escaping.
    """
    return f'{{\n  "run": {run.run_text},\n  "own": {member.own_text}\n}}\n'
