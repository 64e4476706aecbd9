"""CODEOWNERS: whose approval the Git forge asks for, from the reviewers that party documents name.

Several owners in a line mean *one of them* to a forge. That every party approves follows from the rendered tree: a
changed workflow changes files in the directory of each of its parties, and each directory has its own owners.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from policy.problem import DocumentError, Problem
from renderer import names
from renderer.approvals import APPROVALS
from renderer.documents import FEDERATION, PARTIES, POLICIES, WORKFLOWS, Document, Workspace
from renderer.party import Party
from renderer.render import RenderedFile
from renderer.spec import data_owners
from renderer.tree import Change

FILE = PurePosixPath("CODEOWNERS")  # where GitHub, GitLab, Gitea and Forgejo all look for it
# Where one of them looks, too. GitHub takes `.github/CODEOWNERS` before the top's, so whoever added one could make
# themselves the owner of everybody's files.
OTHER_PLACES = (".github", ".gitlab", ".gitea", ".forgejo", "docs")
HEADER = """\
# Written by `ccd codeowners` from the reviewers in workflows/parties/*.yaml. Change those instead.
# The last line that matches a file counts, and one of its owners has to approve. A workflow's change reaches the
# rendered directory of each of its parties, so each of them is asked.
"""
# A user, a team, or an address. Anything else would be read as a comment or as another owner.
_HANDLE = re.compile(r"@[A-Za-z0-9][-A-Za-z0-9_.]*(/[-A-Za-z0-9_./]+)?|[^\s@#]+@[^\s@#]+")


def codeowners(workspace: Workspace) -> RenderedFile:
    """Return the federation's CODEOWNERS.

    Raises:  DocumentError if a party names nobody, or nobody that a forge knows.
    """
    problems = check_reviewers(workspace)
    if problems:
        raise DocumentError(list(problems))
    lines = [f"{pattern} {' '.join(owners)}" for pattern, owners in _rules(workspace)]
    return RenderedFile(FILE, HEADER + "\n" + "\n".join(lines) + "\n")


def check_reviewers(workspace: Workspace) -> tuple[Problem, ...]:
    """Return what keeps parties from being asked for their approval."""
    return tuple(problem for party in workspace.parties.values() for problem in _check(party))


def difference(root: Path, file: RenderedFile) -> tuple[Change, ...]:
    """Return how the file in `root` differs from what it should be."""
    path = root / file.path
    old = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    return () if old == file.text else (Change(file.path, old, file.text),)


def rivals(root: Path) -> tuple[str, ...]:
    """Return what a forge may go by instead of the file at the top; a link there is none that a forge follows."""
    found = [f"{place}/{FILE}" for place in OTHER_PLACES if os.path.lexists(root / place / FILE)]
    return (*found, *([str(FILE)] if (root / FILE).is_symlink() else []))


def owners_of(path: str, text: str) -> tuple[str, ...]:
    """Return whom a CODEOWNERS of ours asks about a file: the owners in the last line that matches.

    >>> owners_of("workflows/parties/alpha.yaml", "* @all\\n/workflows/parties/alpha.yaml @alpha\\n")
    ('@alpha',)
    """
    found: tuple[str, ...] = ()
    for line in text.splitlines():
        pattern, *owners = line.split() or ["#"]
        if not pattern.startswith("#") and _matches(pattern, path):
            found = tuple(owners)
    return found


def _check(party: Document[Party]) -> Iterator[Problem]:
    reviewers = party.model.spec.reviewers
    if not reviewers:
        what = "nobody reviews for this party, so CODEOWNERS can ask nobody for its approval"
        yield party.problem(("spec", "reviewers"), what, 'name a user or a team of the forge: ["@alpha/stewards"]')
    for index, reviewer in enumerate(reviewers):
        if not _HANDLE.fullmatch(reviewer):
            what = "is nobody whom CODEOWNERS can name"
            yield party.problem(("spec", "reviewers", index), what, "write @user, @group/team or an e-mail address")


def _rules(workspace: Workspace) -> Iterator[tuple[str, tuple[str, ...]]]:
    everybody = _reviewers(workspace, workspace.parties)
    # What no later line is about is everybody's: the federation's document, the pipeline, this file, a new party.
    yield "*", everybody
    yield f"/{FEDERATION}", everybody
    for name, workflow in workspace.workflows.items():
        yield f"/{WORKFLOWS}/{name}.yaml", _reviewers(workspace, data_owners(workflow.model))
    for name, party in workspace.parties.items():
        owners = _reviewers(workspace, [name])
        yield f"/{PARTIES}/{name}.yaml", owners
        yield f"/{POLICIES}/{name}.*", owners
        yield f"/{APPROVALS}/{name}/", owners
        yield f"/{names.ARGO_CD}/applicationset-{name}.yaml", owners
        yield f"/{names.ARGO_CD}/appproject-{name}.yaml", owners
        yield f"/{names.ARGO_CD}/namespace-{name}.yaml", owners
        yield f"/{names.ARGO_CD}/rolebinding-{name}.yaml", owners
        yield f"/{names.RENDERED}/{party.model.spec.namespace}/", owners


def _reviewers(workspace: Workspace, parties: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({handle for name in parties for handle in workspace.parties[name].model.spec.reviewers}))


def _matches(pattern: str, path: str) -> bool:
    """Whether a pattern as `_rules` writes them is about a file: `*`, a directory, or a path from the top."""
    if pattern == "*":
        return True
    return f"/{path}".startswith(pattern) if pattern.endswith("/") else PurePosixPath(f"/{path}").match(pattern)
