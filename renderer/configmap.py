"""The run spec, as the file `run.json` of a ConfigMap, with the party's approval beside it if there is one."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from renderer.pretty import pretty
from renderer.render import render
from renderer.run_object import Pairs, RunObject, labels, object_name, origin
from renderer.spec import Member, PlannedRun
from worker.runspec import APPROVAL_PATH, RUN_SPEC_PATH


@dataclass(frozen=True)
class Context(RunObject):
    """The files' names and texts."""

    files: Pairs


def config_map(run: PlannedRun, member: Member) -> str:
    """Return the member's ConfigMap."""
    files = {RUN_SPEC_PATH: run_json(run, member)}
    if member.approval is not None:
        files[APPROVAL_PATH] = pretty(member.approval.model_dump(mode="json", by_alias=True))
    context = Context(
        origin(run),
        object_name(run, member),
        member.namespace,
        labels(run, member),
        tuple((PurePosixPath(path).name, text.rstrip("\n")) for path, text in files.items()),
    )
    return render("configmap.yaml.j2", context)


def run_json(run: PlannedRun, member: Member) -> str:
    """Return the member's `run.json`, laid out so that a reviewer can read it and its diffs.

    ASCII alone, with no line break inside a string: a block of lines in YAML then needs no escaping.
    """
    return f'{{\n  "run": {run.run_text},\n  "own": {member.own_text}\n}}\n'
