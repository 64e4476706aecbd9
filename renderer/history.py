"""A manifest held against Git: which commit brought the run in, who wrote it, who approved, and whether it says so.

Works offline on a clone. What Git says of authors and approvals is as good as the forge that guards the branch;
signatures, digests and the rendered tree are checked here.
"""

import datetime
import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.manifest import Manifest, as_json, verify_manifest
from policy.problem import DocumentError
from renderer import names
from renderer.approved import Check, check_named, named_approvals
from renderer.check import load_workspace
from renderer.committed import image_problems, run_spec_problems
from renderer.documents import WORKFLOWS
from renderer.errors import BAD_DOCUMENT, CommandError
from renderer.git import Commit, Repository
from renderer.layout import run_files
from renderer.spec import PlannedRun
from worker.runspec import run_digest

_RUN_ID = re.compile(r"[a-z][-a-z0-9]*")


@dataclass(frozen=True)
class Provenance:
    """What is known of a manifest."""

    manifest: Manifest
    introduced: Commit | None  # with which the run's rendered files came to be
    merged: Commit | None  # with which they came to the checked-out branch, if that is another commit
    checks: tuple[Check, ...]

    @property
    def is_verified(self) -> bool:
        """Whether everything that was looked at holds."""
        return not any(check.problems for check in self.checks)

    @property
    def approvals(self) -> tuple[str, ...]:
        """Who approved, by the commits' trailers."""
        commits = [commit for commit in (self.introduced, self.merged) if commit is not None]
        return tuple(dict.fromkeys(name for commit in commits for name in commit.approvals))

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "verified": self.is_verified,
            "runId": self.manifest.run_id,
            "workflow": self.manifest.workflow,
            "status": self.manifest.status,
            "introduced": _commit_json(self.introduced),
            "merged": _commit_json(self.merged),
            "approvals": list(self.approvals),
            "ownersApprovals": {name: as_json(each) for name, each in named_approvals(self.manifest).items()},
            "resources": as_json(self.manifest.resources) if self.manifest.resources else None,
            "checks": [{"what": check.what, "problems": list(check.problems)} for check in self.checks],
        }


def trace_manifest(root: Path, manifest: Manifest, result: bytes | None) -> Provenance:
    """Return what Git and the signatures say of a manifest, and of the `result` that it is about, if given."""
    repository = Repository.at(root)
    if not _RUN_ID.fullmatch(manifest.run_id):
        raise CommandError("the manifest's run has no run's name", exit_code=BAD_DOCUMENT)
    introduced, merged = _commits(repository, manifest.run_id)
    checks: list[Check] = []
    planned: PlannedRun | None = None
    if introduced is None:
        what = f"no commit before HEAD renders {manifest.run_id}"
        checks.append(Check("the run is in the history", (what,)))
    else:
        planned, check = _rendered_at(repository, introduced, manifest)
        checks += [Check("the run is in the history", ()), check, *_committed(repository, introduced, manifest)]
        checks += check_named(repository, (merged or introduced).sha, manifest)
        checks.append(_commit_signatures(introduced, merged))
    if planned is not None:
        certificates = {member.name: member.certificate for member in planned.run.members}
        problems = verify_manifest(manifest, certificates, run_digest(planned.run))
        checks.append(Check("every party has signed this manifest, and it is of this run", tuple(problems)))
    else:
        checks.append(Check("signatures", ("without the run's documents there are no certificates to check with",)))
    if result is not None:
        checks.append(Check("the result is the one that was signed for", tuple(_result_problems(manifest, result))))
    return Provenance(manifest, introduced, merged, tuple(checks))


def _commits(repository: Repository, run_id: str) -> tuple[Commit | None, Commit | None]:
    """Return the first commit that has the run's rendered files, and the first on the branch itself."""
    pattern = f":(glob){names.RENDERED}/*/{run_id}/configmap.yaml"
    options = ("log", "--format=%H", "--diff-filter=A", "--no-renames")
    # A merge's own diff is left out of the first, which then names the author's commit; in the second, along the
    # branch, it is what the merge brought in.
    added = repository.git(*options, "--full-history", "HEAD", "--", pattern).split()
    arrived = repository.git(*options, "--first-parent", "-m", "HEAD", "--", pattern).split()
    introduced = repository.commit(added[-1]) if added else None
    merged = repository.commit(arrived[-1]) if arrived else None
    if introduced is None or (merged is not None and merged.sha == introduced.sha):
        return introduced or merged, None
    return introduced, merged


def _rendered_at(repository: Repository, commit: Commit, manifest: Manifest) -> tuple[PlannedRun | None, Check]:
    what = f"the documents of {commit.sha[:10]} give this run, and its rendered tree"
    with tempfile.TemporaryDirectory(prefix="ccd-verify-") as directory:
        repository.export(commit.sha, Path(directory), WORKFLOWS)
        try:
            # Certificates may have run out since.
            workspace = load_workspace(Path(directory), datetime.datetime.fromisoformat(commit.date))
        except DocumentError as error:
            return None, Check(what, tuple(f"the documents are not sound: {problem}" for problem in error.problems))
    document = workspace.workflows.get(manifest.workflow)
    if document is None:
        return None, Check(what, (f"there is no workflow {manifest.workflow} in it",))
    planned = workspace.planned(manifest.workflow)
    if planned.run.run_id != manifest.run_id:
        return None, Check(what, (f"the documents give the run {planned.run.run_id}",))
    return planned, Check(what, tuple(_tree_problems(repository, commit, planned)))


def _committed(repository: Repository, commit: Commit, manifest: Manifest) -> Iterator[Check]:
    files = _files_of(repository, commit, manifest.run_id)
    what = f"the Jobs of {commit.sha[:10]} run the image that the manifest names"
    yield Check(what, tuple(image_problems(files, manifest)))
    what = f"the run specs of {commit.sha[:10]} have the run digest that the manifest names"
    yield Check(what, tuple(run_spec_problems(files, manifest)))


def _commit_signatures(*commits: Commit | None) -> Check:
    """Return whether a commit's own signature is certainly wrong. Not to sign is the repository's to allow."""
    broken = [commit for commit in commits if commit is not None and commit.signature.is_broken]
    problems = tuple(f"{commit.sha[:10]}: {commit.signature}" for commit in broken)
    return Check("no commit's own signature is broken", problems)


def _files_of(repository: Repository, commit: Commit, run_id: str) -> dict[str, bytes]:
    everything = repository.files(commit.sha, str(names.RENDERED))
    return {path: content for path, content in everything.items() if Path(path).parent.name == run_id}


def _tree_problems(repository: Repository, commit: Commit, planned: PlannedRun) -> Iterator[str]:
    run_id = planned.run.run_id
    expected = {str(file.path): file.text.encode() for m in planned.members for file in run_files(planned, m)}
    committed = _files_of(repository, commit, run_id)
    for path in sorted(expected.keys() | committed.keys()):
        if path not in committed:
            yield f"{path} is missing"
        elif path not in expected:
            yield f"{path} is not a file of this run"
        elif committed[path] != expected[path]:
            yield f"{path} is not what this version of ccd renders"


def _result_problems(manifest: Manifest, result: bytes) -> Iterator[str]:
    openings = [output.opening for output in manifest.outputs]
    if not openings:
        yield f"the run {manifest.status}: it has no result"
    elif None in openings:
        yield "this copy of the manifest does not hold the opening of the result: take a recipient's"
    elif hashlib.sha256(result).hexdigest() not in [opening.sha256 for opening in openings if opening]:
        yield "its SHA-256 differs from the manifest's"


def _commit_json(commit: Commit | None) -> dict[str, Any] | None:
    if commit is None:
        return None
    facts = {"commit": commit.sha, "author": commit.author, "committer": commit.committer, "date": commit.date}
    signature = {"status": commit.signature.status, "says": str(commit.signature)}
    return {**facts, "subject": commit.subject, "approvals": list(commit.approvals), "signature": signature}
