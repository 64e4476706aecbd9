"""`ccd approve` without its printing: which run, whose key, and what has to be so before anybody signs."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policy.approval import Approval
from policy.identity import load_certificate, load_private_key
from renderer import names
from renderer.approvals import approval_file
from renderer.approving import CONFIG_MAP, approval_text, approve, subject_of
from renderer.check import load_workspace
from renderer.configmap import config_map
from renderer.documents import Document, Workspace
from renderer.errors import BAD_DOCUMENT, CommandError
from renderer.layout import run_files
from renderer.local.run import SECRETS
from renderer.made_of import shown_own
from renderer.merged import merged_before
from renderer.owner import KEY
from renderer.published import policies_of, read_published
from renderer.review import ask_of
from renderer.spec import Member, PlannedRun
from renderer.workflow import Workflow


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    run: str
    party: str | None
    key: Path | None
    expires: datetime.datetime


@dataclass(frozen=True)
class Written:
    """An approval that lies in the repository now, and what it is of."""

    approval: Approval
    facts: Mapping[str, str]
    learned: tuple[str, ...]  # "party: what"
    paths: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        document = self.approval.model_dump(mode="json", by_alias=True)
        return {"approval": document, "facts": dict(self.facts), "learned": list(self.learned), "files": [*self.paths]}


def approve_run(root: Path, request: Request) -> Written:
    """Sign and write the approval, and the ConfigMap that takes it to the worker.

    Raises:  CommandError if there is no such run or key, or the tree is not what the documents make; DocumentError,
             BadIdentity.
    """
    workspace = load_workspace(root)
    document = _workflow(request.run, workspace)
    run = workspace.planned(document.model.metadata.name)
    member = _member(request.party, run, workspace)
    key = _key(request.key, member, workspace)
    _refuse_late(root, run, workspace)
    _refuse_links(root, run, member)
    _refuse_stale(root, run, member)
    ask = ask_of(document, workspace, policies_of(read_published(workspace)))
    approval = approve(subject_of(root, run, member), key, request.expires)
    config = names.run_directory(member.namespace, run.run.run_id) / CONFIG_MAP
    texts = {
        approval_file(member.name, run.run.run_id): approval_text(approval),
        str(config): config_map(run, replace(member, approval=approval)),
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    learned = tuple(f"{party}: {fact}" for party, facts in ask.learned.items() for fact in facts)
    own = shown_own(ask.made_of, member.name)
    facts = {"run": run.run.run_id, "query": run.run.query.strip(), **ask.facts, **own}
    return Written(approval, facts, learned, tuple(texts))


def _workflow(run: str, workspace: Workspace) -> Document[Workflow]:
    known: list[str] = []
    for name, document in workspace.workflows.items():
        run_id = workspace.planned(name).run.run_id
        known.append(run_id)
        if run in (name, run_id, document.file) or Path(run).resolve() == (workspace.root / document.file).resolve():
            return document
    what = f"the documents make no run {run}"
    raise CommandError(what, f"the runs are: {', '.join(known) or 'none yet'}", BAD_DOCUMENT)


def _member(party: str | None, run: PlannedRun, workspace: Workspace) -> Member:
    members = [each for each in run.members if party in (None, each.name)]
    if party is None:
        members = [each for each in members if _own_key(each, workspace).is_file()]
    if len(members) != 1:
        known = ", ".join(member.name for member in run.members)
        what = f"{party} takes no part in {run.run.run_id}" if party else "it is not clear who approves"
        raise CommandError(what, f"name one of {known} with --party, and its key with --key", BAD_DOCUMENT)
    return members[0]


def _own_key(member: Member, workspace: Workspace) -> Path:
    return workspace.root / SECRETS / member.namespace / member.own.identity / KEY


def _key(path: Path | None, member: Member, workspace: Workspace) -> Ed25519PrivateKey:
    path = path or _own_key(member, workspace)
    if not path.is_file():
        raise CommandError(f"there is no key {path}", f"name {member.name}'s private key with --key", BAD_DOCUMENT)
    key = load_private_key(path.read_bytes())
    certificate = load_certificate(workspace.party_models[member.name].spec.identity.certificate)
    if key.public_key() != certificate.public_key:
        fix = "use the key that was made with the certificate in the party document"
        raise CommandError(f"{path} is not {member.name}'s key", fix, BAD_DOCUMENT)
    return key


def _refuse_late(root: Path, run: PlannedRun, workspace: Workspace) -> None:
    merged = merged_before(root, None, workspace.federation.model.spec.revision)
    if merged is not None and run.run.run_id in merged.runs:
        what = f"{run.run.run_id} is merged, and what is merged stays as it is"
        fix = f"raise spec.run in workflows/{run.run.workflow}.yaml, render, and approve that run"
        raise CommandError(what, fix, BAD_DOCUMENT)


def _refuse_links(root: Path, run: PlannedRun, member: Member) -> None:
    """Refuse to sign for what may be exchanged elsewhere, or to write there: not all that leads away is its owner's."""
    directory = Path(names.run_directory(member.namespace, run.run.run_id))
    inside = (path.relative_to(root) for path in (root / directory).glob("*"))
    places = (directory, *sorted(inside), Path(approval_file(member.name, run.run.run_id)))
    for place in (each for path in places for each in (path, *path.parents)):
        if (root / place).is_symlink():
            raise CommandError(
                f"{place} is a link, and leads to what somebody else may change", "put plain files there", BAD_DOCUMENT
            )


def _refuse_stale(root: Path, run: PlannedRun, member: Member) -> None:
    """Refuse to sign for manifests that are not what the documents make."""
    wrong = next(_differing(root, run, member), None)
    if wrong is not None:
        what = f"{wrong} is not what the documents make, and this would be signed for"
        raise CommandError(what, "`ccd render`, look at the difference, then approve", BAD_DOCUMENT)


def _differing(root: Path, run: PlannedRun, member: Member) -> Iterator[str]:
    directory = names.run_directory(member.namespace, run.run.run_id)
    expected = {str(file.path): file.text.encode() for file in run_files(run, member)}
    there = {str(path.relative_to(root)) for path in (root / directory).glob("*")}
    for path in sorted(expected.keys() | there):
        if path not in expected or not (root / path).is_file() or (root / path).read_bytes() != expected[path]:
            yield path
