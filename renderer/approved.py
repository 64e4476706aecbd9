"""The approvals that a manifest names, held against those that lie in the repository."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from policy.canonical import digest
from policy.manifest import ApprovalRef, Manifest
from policy.problem import DocumentError
from renderer.approvals import APPROVALS, Approvals, approval_file, read_approvals
from renderer.git import Repository


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    problems: tuple[str, ...]


def named_approvals(manifest: Manifest) -> dict[str, ApprovalRef]:
    """Return the approvals with which owners' workers let their data be used, by party."""
    said = {party.name: party.statement.approval for party in manifest.parties if party.statement is not None}
    return {name: approval for name, approval in sorted(said.items()) if approval is not None}


def check_named(repository: Repository, commit: str, manifest: Manifest) -> Iterator[Check]:
    """Yield whether the approvals that a manifest names are those that were merged with the run; nothing if it names none."""
    named = named_approvals(manifest)
    if not named:
        return
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ccd-approvals-") as directory:
        repository.export(commit, Path(directory), APPROVALS)
        try:
            committed: Approvals = read_approvals(Path(directory))
        except DocumentError:
            committed = {}
    for party, approval in named.items():
        found = committed.get((party, manifest.run_id))
        file = approval_file(party, manifest.run_id)
        if found is None:
            problems.append(f"{commit[:10]} holds no approval {file} that can be read")
        elif digest(found) != approval.digest:
            problems.append(f"{file} in {commit[:10]} is not the approval that {party}'s worker was given")
    yield Check("the owners' approvals that the manifest names were merged with the run", tuple(problems))
