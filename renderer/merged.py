"""What has been merged stays as it was merged: the runs that the federation's branch holds, until they are retired.

A run's directory is never written anew: its Job cannot be changed, and what reviewers approved is what lies there. A
changed workflow is a further run beside the old one, which may be under way. And an upgrade of `ccd` runs nothing again:
a workflow whose documents are as they were when it was merged keeps the run it has, whatever this version would make.
"""

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from policy.problem import DocumentError
from renderer import names
from renderer.documents import WORKFLOWS, Workspace, read_workspace
from renderer.git import NoRepositoryError, Repository
from renderer.layout import rendered_files
from renderer.progress import Watch, unwatched
from renderer.render import RenderedFile
from renderer.spec import DIGEST_DIGITS

_RUN_ID = re.compile(rf"(?P<workflow>[a-z][-a-z0-9]*)-[0-9a-f]{{{DIGEST_DIGITS}}}")


@dataclass(frozen=True)
class Merged:
    """The runs that a commit holds, by run id."""

    repository: Repository
    commit: str
    runs: Mapping[str, tuple[RenderedFile, ...]]

    def of(self, workflow: str) -> frozenset[str]:
        """Return the workflow's runs."""
        return frozenset(run_id for run_id in self.runs if workflow_of(run_id) == workflow)

    def plan(self, workflows: Iterable[str]) -> dict[str, str]:
        """Return the run id that this version gives each of the workflows, as they are in the commit."""
        with tempfile.TemporaryDirectory(prefix="ccd-merged-") as directory:
            self.repository.export(self.commit, Path(directory), WORKFLOWS)
            try:
                workspace = read_workspace(Path(directory))
            except DocumentError:
                return {}  # another version's, perhaps; then none is as it was
        return {name: workspace.planned(name).run.run_id for name in workflows if name in workspace.workflows}


def tree_files(workspace: Workspace, revision: str | None = None, watch: Watch = unwatched) -> tuple[RenderedFile, ...]:
    """Return what the tree should hold: what the documents make, and what had been merged before.

    What had been merged is told from `revision`; without one from the branch that Argo CD reads, as far as this clone
    knows it. Outside of Git nothing has been.
    Raises:  DocumentError; CommandError if there is no such revision.
    """
    return with_kept(rendered_files(workspace, watch), workspace, revision)


def with_kept(
    files: tuple[RenderedFile, ...], workspace: Workspace, revision: str | None = None
) -> tuple[RenderedFile, ...]:
    """Return what the tree should hold if the documents make these files.

    Raises:  CommandError as `tree_files` does.
    """
    merged = merged_before(workspace.root, revision, workspace.federation.model.spec.revision)
    return files if merged is None else with_merged(files, merged, workspace)


def merged_before(root: Path, revision: str | None, branch: str) -> Merged | None:
    """Return what `revision`, or else `branch`, held where the checked-out branch left it."""
    try:
        repository = Repository.at(root)
    except NoRepositoryError:
        if revision is not None:
            raise
        return None
    commit = repository.resolve(revision) if revision is not None else known_branch(repository, branch)
    return None if commit is None else merged_at(repository, repository.fork_point(commit))


def merged_at(repository: Repository, commit: str) -> Merged:
    """Return the runs that a commit holds."""
    runs: dict[str, list[RenderedFile]] = {}
    for path, content in repository.files(commit, str(names.RENDERED)).items():
        file = RenderedFile(PurePosixPath(path), content.decode("utf-8", errors="replace"))
        run_id = run_of(file.path)
        if run_id is not None:
            runs.setdefault(run_id, []).append(file)
    return Merged(repository, commit, {run_id: tuple(found) for run_id, found in runs.items()})


def with_merged(files: Iterable[RenderedFile], merged: Merged, workspace: Workspace) -> tuple[RenderedFile, ...]:
    """Return `files`, with the merged runs of the workflows that there are as they were merged.

    A merged run that is gone from the tree altogether was retired, and stays away.
    """
    by_run: dict[str | None, list[RenderedFile]] = {}
    for file in files:
        by_run.setdefault(run_of(file.path), []).append(file)
    others = by_run.pop(None, [])
    made: dict[str, Iterable[RenderedFile]] = {run_id: found for run_id, found in by_run.items() if run_id}
    present = {path.name for path in (workspace.root / names.RENDERED).glob("*/*")}
    kept = {name: {run for run in merged.of(name) if run in present or run in made} for name in workspace.workflows}
    renamed = {run: name for run in made if (name := workflow_of(run)) and kept.get(name) and run not in kept[name]}
    before = merged.plan(renamed.values()) if renamed else {}
    for run_id, workflow in renamed.items():
        if before.get(workflow) == run_id:
            # The documents are as they were; that they have another name now is this version's doing.
            del made[run_id]
    made |= {run_id: merged.runs[run_id] for runs in kept.values() for run_id in runs}
    return tuple(
        sorted([*others, *(file for found in made.values() for file in found)], key=lambda file: file.path.parts)
    )


def run_of(path: PurePosixPath) -> str | None:
    """Return the run that a rendered file belongs to, or None if it is no run's.

    >>> run_of(PurePosixPath("argocd/rendered/hospital-a/wage-gap-0123456789/job.yaml"))
    'wage-gap-0123456789'
    """
    if not path.is_relative_to(names.RENDERED):
        return None
    parts = path.relative_to(names.RENDERED).parts
    return parts[1] if len(parts) > 2 and workflow_of(parts[1]) is not None else None


def workflow_of(run_id: str) -> str | None:
    """Return the workflow whose run this is, or None if that is no run's name."""
    found = _RUN_ID.fullmatch(run_id)
    return found["workflow"] if found else None


def known_branch(repository: Repository, branch: str) -> str | None:
    """Return the commit that a branch ends at, as far as this clone knows it: its forge's, or its own."""
    for reference in (f"refs/remotes/origin/{branch}", f"refs/heads/{branch}"):
        found = repository.git("for-each-ref", "--format=%(objectname)", reference).strip()
        if found:
            return found
    return None
