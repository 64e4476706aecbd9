"""An approval made and looked at: what exactly is approved, whether it holds, who is asked and has not answered."""

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conclave.ir.errors import QueryProblem
from conclave.plan.wire import digest as plan_digest
from policy.approval import (
    APPROVAL_PURPOSE,
    Approval,
    ApprovalMetadata,
    ApprovalSpec,
    Subject,
    faults,
    has_expired,
    signed_part,
)
from policy.canonical import digest
from policy.problem import Problem
from policy.signature import sign
from renderer import names
from renderer.approvals import approval_file
from renderer.documents import Document, Workspace
from renderer.layout import run_files
from renderer.plan import compile_run
from renderer.published import Published
from renderer.spec import Member, PlannedRun
from renderer.workflow import Workflow
from worker.runspec import run_digest

State = Literal["approved", "expired", "does not hold", "missing"]
CONFIG_MAP = "configmap.yaml"  # holds the approval itself; what else it holds has digests of its own


@dataclass(frozen=True)
class Standing:
    """Where one party's approval of one run stands."""

    party: str
    state: State
    is_asked: bool  # whether a published policy of the party's asks for it
    file: str
    expires: str = ""
    problems: tuple[str, ...] = ()  # why it does not hold

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        said = {"party": self.party, "state": self.state, "asked": self.is_asked, "file": self.file}
        return {**said, "expires": self.expires or None, "problems": list(self.problems)}


def subject_of(root: Path, run: PlannedRun, member: Member) -> Subject:
    """Return what the member's worker would do, as its approval names it.

    Raises:  QueryProblem for a query that cannot be compiled.
    """
    plan = plan_digest(compile_run(run.run))
    manifests = digest(_manifests(root, run, member))
    own = digest(run.run_spec(member).own)
    return Subject(member.name, run.run.run_id, run_digest(run.run), own, plan, run.run.image, manifests)


def approve(subject: Subject, key: Ed25519PrivateKey, expires: datetime.datetime) -> Approval:
    """Return the key's holder's approval."""
    assert subject.manifests is not None
    unsigned = Approval(
        api_version="ccd.dev/v1alpha1",
        kind="Approval",
        metadata=ApprovalMetadata(party=subject.party, run=subject.run_id),
        spec=ApprovalSpec(
            run=subject.run,
            own=subject.own,
            plan=subject.plan,
            manifests=subject.manifests,
            image=subject.image,
            expires=expires.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
        signature="",
    )
    return unsigned.model_copy(update={"signature": sign(key, APPROVAL_PURPOSE, signed_part(unsigned))})


def approval_text(approval: Approval) -> str:
    """Return the document as it is committed."""
    document = approval.model_dump(mode="json", by_alias=True)
    blocks = []
    for name, value in document.items():
        if isinstance(value, dict):
            blocks += [f"{name}:", *(f"  {key}: {json.dumps(text)}" for key, text in value.items())]
        else:
            blocks.append(f"{name}: {value if name in ('apiVersion', 'kind') else json.dumps(value)}")
    return "\n".join(["---", f"# Written by `ccd approve {approval.metadata.run}`.", *blocks]) + "\n"


def standings(
    workspace: Workspace, run: PlannedRun, published: Mapping[str, Published], now: datetime.datetime
) -> tuple[Standing, ...]:
    """Return where approvals stand of those who are asked for one, or have given one."""
    found = (_standing(workspace, run, member, published, now) for member in run.members)
    return tuple(each for each in found if each is not None)


def missing(workflow: Document[Workflow], found: tuple[Standing, ...]) -> Iterator[Problem]:
    """Yield a problem for each party whose worker would refuse the run for want of an approval."""
    run = workflow.model.metadata.name
    for each in found:
        if each.is_asked and each.state != "approved":
            why = f": {each.problems[0]}" if each.problems else ""
            what = f"{each.party} is asked for its approval of this run, and it is {each.state}{why}"
            fix = f"{each.party}: `ccd approve {run} --party {each.party}`, before it is merged"
            yield workflow.problem(("metadata", "name"), what, fix)


def broken(found: tuple[Standing, ...]) -> Iterator[Problem]:
    """Yield a problem for each approval that is none of the run that it names."""
    for each in found:
        if each.state == "does not hold":
            fix = "render, then approve again: `ccd approve`; nobody writes this file by hand"
            yield Problem(each.file, 1, 1, "", each.problems[0], fix)


def _standing(
    workspace: Workspace, run: PlannedRun, member: Member, published: Mapping[str, Published], now: datetime.datetime
) -> Standing | None:
    datasets = [source.dataset for source in member.own.sources]
    is_asked = any(name in published and published[name].policy.spec.approval == "explicit" for name in datasets)
    approval, file = member.approval, approval_file(member.name, run.run.run_id)
    if approval is None:
        return Standing(member.name, "missing", is_asked, file) if is_asked else None
    certificate = next(each.certificate for each in run.run.members if each.name == member.name)
    try:
        problems = tuple(faults(approval, subject_of(workspace.root, run, member), certificate))
    except QueryProblem:
        problems = ("the query cannot be compiled",)
    state: State = "expired" if has_expired(approval, now) else "approved"
    return Standing(
        member.name, "does not hold" if problems else state, is_asked, file, approval.spec.expires, problems
    )


def _manifests(root: Path, run: PlannedRun, member: Member) -> dict[str, str]:
    """Return the digests of the party's objects: as they lie there, since what is merged stays, or as they would."""
    directory = root / names.run_directory(member.namespace, run.run.run_id)
    there = {path.name: path.read_bytes() for path in sorted(directory.glob("*")) if path.is_file()}
    bare = replace(member, approval=None)
    files = there or {file.path.name: file.text.encode() for file in run_files(run, bare)}
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != CONFIG_MAP}
