"""Owners' approvals of runs: `workflows/approvals/<party>/<run id>.yaml`, which `ccd approve` writes.

An approval is rendered into its party's ConfigMap beside `run.json`. It is no part of what names a run, so a run keeps
its id when it is approved; it must be there before the run is merged, since what is merged stays as it is.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from policy.approval import Approval, expiry_of
from policy.load import load_with_lines
from policy.problem import DocumentError, Problem
from renderer.names import workflow_of
from renderer.quick_yaml import read_quickly
from renderer.spec import PlannedRun

APPROVALS = "workflows/approvals"
Approvals = Mapping[tuple[str, str], Approval]  # by party and run id


def approval_file(party: str, run_id: str) -> str:
    """Return where an approval lies in the federation's directory."""
    return f"{APPROVALS}/{party}/{run_id}.yaml"


def read_approvals(root: Path, workflow: str | None = None) -> Approvals:
    """Return all approvals, or those of a workflow's runs, each sound by itself, in the order of parties and runs.

    Raises:  DocumentError with everything that is wrong in any file.
    """
    found: dict[tuple[str, str], Approval] = {}
    problems: list[Problem] = []
    for file in sorted((root / APPROVALS).rglob("*.y*ml")):
        name = file.relative_to(root).as_posix()
        if workflow is not None and workflow_of(file.stem) != workflow:
            continue
        try:
            approval = _read(file, name)
        except DocumentError as error:
            problems += error.problems
            continue
        party, run_id = approval.metadata.party, approval.metadata.run
        if name != approval_file(party, run_id):
            # CODEOWNERS goes by the directory: another one would put one owner's word into another's hands.
            what = f"{party}'s approval of {run_id} lies elsewhere"
            problems.append(Problem(name, 1, 1, "metadata", what, f"call it {approval_file(party, run_id)}"))
            continue
        found[party, run_id] = approval
    if problems:
        raise DocumentError(problems)
    return found


def with_approvals(run: PlannedRun, approvals: Approvals) -> PlannedRun:
    """Return the run with its members' approvals. Without one a member stays itself, with what was made of it."""
    found = [(member, approvals.get((member.name, run.run.run_id))) for member in run.members]
    members = tuple(member if given is None else replace(member, approval=given) for member, given in found)
    return replace(run, members=members)


def check_approvals(approvals: Approvals, parties: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with approvals whatever they approve."""
    for party, run_id in approvals:
        if party not in parties:
            file = approval_file(party, run_id)
            yield Problem(file, 1, 1, "metadata.party", f"there is no party {party}", "see workflows/parties/")


def _read(file: Path, name: str) -> Approval:
    try:
        approval = load_with_lines(file.read_text(encoding="utf-8"), name, Approval, read_quickly)[0]
    except (OSError, UnicodeDecodeError):
        raise DocumentError([Problem(name, 1, 1, "", "cannot be read as text in UTF-8")]) from None
    try:
        expiry_of(approval)
    except ValueError:
        raise DocumentError([Problem(name, 1, 1, "spec.expires", "is a moment that no calendar has")]) from None
    return approval
