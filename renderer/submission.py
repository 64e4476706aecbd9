"""A change to the federation as a commit on a branch of its own: a workflow submitted, or one retired.

Everything that can go wrong is looked for before anything is touched. Nothing is pushed unless that is asked for.
"""

import re
import urllib.parse
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from renderer import codeowners, names
from renderer.check import load_workspace
from renderer.documents import WORKFLOWS, Document, Workspace, read_workspace
from renderer.errors import CALLED_WRONGLY, CommandError
from renderer.git import GitError, Repository
from renderer.merged import known_branch, tree_files, workflow_of
from renderer.spec import plan_run
from renderer.tree import Change, changes, is_rendered, write
from renderer.workflow import Workflow

_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?P<path>[^/].*)")


@dataclass(frozen=True)
class Proposal:
    """What is to be committed, and where."""

    repository: Repository
    branch: str
    message: str
    document: str  # the workflow's
    changes: tuple[Change, ...]
    target: str  # the branch that it is to be merged into


@dataclass(frozen=True)
class Submitted:
    """A proposal that has been committed."""

    branch: str
    commit: str
    author: str
    paths: tuple[str, ...]
    has_remote: bool
    link: str | None  # where a pull request is opened; None: no remote, or one without a web page
    along: tuple[str, ...]  # other commits that are on the branch, and not yet on the one that it is to be merged into


def propose_workflow(root: Path, file: Path, branch: str | None, message: str | None) -> Proposal:
    """Return the proposal to run the workflow in `file`.

    Raises:  DocumentError for documents that do not hold together; CommandError for a tree with other changes in it,
             for an author whom Git does not know, and if there is nothing to submit.
    """
    repository = Repository.at(root)
    workspace = load_workspace(root)
    document = workspace.workflow_in(file)
    repository.author()
    _refuse_others(repository, document.file)
    run_id = _run_id(document, workspace)
    differences = _differences(workspace)
    if not differences and not _to_commit(repository, document.file):
        raise CommandError(f"{document.file} is committed as it is, and so is what it becomes", "change it first")
    return Proposal(
        repository,
        _new_branch(repository, branch or f"submit/{run_id}"),
        message or f"Submit {document.model.metadata.name} for {document.model.spec.purpose}\n\nRun: {run_id}",
        document.file,
        differences,
        workspace.federation.model.spec.revision,
    )


def propose_retirement(root: Path, run: str, branch: str | None, message: str | None) -> Proposal:
    """Return the proposal to retire `run`: Argo CD prunes what was rendered.

    A workflow's file, its name or the id of its run retires the workflow with all its runs; the id of an older run
    retires that one alone.
    Raises:  DocumentError; CommandError if there is no such run, or for any change that is not committed.
    """
    repository = Repository.at(root)
    workspace = read_workspace(root)
    older = _older_run(run, workspace)
    document = workspace.workflows[workflow_of(run) or ""] if older else _workflow_of(run, workspace)
    repository.author()
    _refuse_others(repository, None)
    if older:
        message = message or f"Retire an older run of {document.model.metadata.name}\n\nRun: {run}"
        name = _new_branch(repository, branch or f"cancel/{run}")
        return Proposal(repository, name, message, document.file, older, workspace.federation.model.spec.revision)
    run_id, name = _run_id(document, workspace), document.model.metadata.name
    remaining = {key: other for key, other in workspace.workflows.items() if key != name}
    without = replace(workspace, workflows=remaining)
    return Proposal(
        repository,
        _new_branch(repository, branch or f"cancel/{run_id}"),
        message or f"Retire {name}\n\nRun: {run_id}",
        document.file,
        (*_differences(without), Change(PurePosixPath(document.file), document.text, None)),
        workspace.federation.model.spec.revision,
    )


def submit(proposal: Proposal, remote: str, push: bool) -> Submitted:
    """Make the branch and the commit, and push it if asked to.

    Raises:  CommandError, with the branch left as it is if a hook or the remote refuses.
    """
    repository, branch = proposal.repository, proposal.branch
    url = repository.remote(remote)
    if push and url is None:
        raise CommandError(f"there is no remote {remote}", f"git remote add {remote} URL, or leave out --push")
    along = _not_merged(repository, proposal.target)
    repository.git("switch", "--quiet", "--create", branch)
    write(repository.root, proposal.changes)
    # Not only what was written just now: the author may have rendered before.
    paths = _to_commit(repository, proposal.document)
    repository.git("add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul", stdin="\0".join(paths).encode())
    try:
        repository.git("commit", "--quiet", "--message", proposal.message)
    except GitError as error:
        fix = f"everything is staged on the branch {branch}: mend it, then git commit"
        raise CommandError(error.what, fix) from None
    if push:
        _push(repository, remote, branch)
    commit = repository.commit("HEAD")
    link = None if url is None else pull_request(url, branch, proposal.target)
    return Submitted(branch, commit.sha, commit.author, paths, url is not None, link, along)


def pull_request(url: str, branch: str, target: str) -> str | None:
    """Return where a pull request is opened for a remote's URL; a password in the URL is not repeated.

    >>> pull_request("git@github.com:airports/federation.git", "submit/x", "main")
    'https://github.com/airports/federation/compare/main...submit/x?expand=1'
    """
    scp = _SCP.fullmatch(url) if "://" not in url else None
    if scp is not None:
        host, path = scp["host"], scp["path"]
    else:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https", "ssh") or not parts.hostname:
            return None
        port = f":{parts.port}" if parts.port and parts.scheme != "ssh" else ""
        host, path = parts.hostname + port, parts.path
    page = f"https://{host}/{path.strip('/').removesuffix('.git')}"
    source, into = urllib.parse.quote(branch), urllib.parse.quote(target)
    if "gitlab" in host:
        query = {"merge_request[source_branch]": branch, "merge_request[target_branch]": target}
        return f"{page}/-/merge_requests/new?{urllib.parse.urlencode(query)}"
    suffix = "?expand=1" if "github" in host else ""
    return f"{page}/compare/{into}...{source}{suffix}"


def _not_merged(repository: Repository, target: str) -> tuple[str, ...]:
    """Return the commits that a branch made now would bring along: whoever submits twice in a row has one."""
    merged = known_branch(repository, target)
    return () if merged is None else tuple(repository.git("log", "--format=%h %s", f"{merged}..HEAD").splitlines())


def _push(repository: Repository, remote: str, branch: str) -> None:
    try:
        repository.git("push", "--quiet", "--set-upstream", "--end-of-options", remote, branch)
    except GitError as error:
        fix = f"it is committed on the branch {branch}: git push --set-upstream {remote} {branch}"
        raise CommandError(error.what, fix) from None


def _differences(workspace: Workspace) -> tuple[Change, ...]:
    owners = codeowners.difference(workspace.root, codeowners.codeowners(workspace))
    return (*changes(workspace.root, tree_files(workspace)), *owners)


def _refuse_others(repository: Repository, document: str | None) -> None:
    """Refuse a tree with changes that would get into the commit, or into what is rendered, without being asked for.

    Without a `document` nothing may be changed at all.
    """
    others = [path for state, path in repository.dirty() if _is_other(state, path, document)]
    if others:
        listed = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        raise CommandError(f"there are other changes that are not committed: {listed}", "commit or stash them first")


def _is_other(state: str, path: str, document: str | None) -> bool:
    if document is not None and _belongs(path, document):
        return False
    # A new file elsewhere cannot get into the commit; a new document would be rendered.
    return state != "??" or path.startswith((f"{WORKFLOWS}/", f"{names.RENDERED}/"))


def _to_commit(repository: Repository, document: str) -> tuple[str, ...]:
    return tuple(sorted(path for _, path in repository.dirty() if _belongs(path, document)))


def _belongs(path: str, document: str) -> bool:
    """Whether a file is the workflow's document, or one that commands write."""
    return path in (document, str(codeowners.FILE)) or is_rendered(PurePosixPath(path))


def _run_id(document: Document[Workflow], workspace: Workspace) -> str:
    return plan_run(document.model, workspace.party_models, workspace.federation.model).run.run_id


def _older_run(run: str, workspace: Workspace) -> tuple[Change, ...]:
    """Return what removes a run beside which its workflow has another; nothing if `run` is no such run."""
    document = workspace.workflows.get(workflow_of(run) or "")
    rendered = workspace.root / names.RENDERED
    runs = {path.name for path in rendered.glob("*/*") if document and workflow_of(path.name) == workflow_of(run)}
    if document is None or runs <= {run} or run not in runs or run == _run_id(document, workspace):
        return ()
    files = {path: path.read_text(encoding="utf-8", errors="replace") for path in sorted(rendered.glob(f"*/{run}/*"))}
    root = workspace.root
    return tuple(Change(PurePosixPath(path.relative_to(root)), text, None) for path, text in files.items())


def _workflow_of(run: str, workspace: Workspace) -> Document[Workflow]:
    known: list[str] = []
    for name, document in workspace.workflows.items():
        run_id = _run_id(document, workspace)
        known.append(run_id)
        rendered = workflow_of(run) == name and any((workspace.root / names.RENDERED).glob(f"*/{run}"))
        if (
            rendered
            or run in (name, run_id, document.file)
            or Path(run).resolve() == (workspace.root / document.file).resolve()
        ):
            return document
    raise CommandError(f"there is no run {run}", f"the runs are: {', '.join(known) or 'none yet'}", CALLED_WRONGLY)


def _new_branch(repository: Repository, name: str) -> str:
    try:
        repository.git("check-ref-format", "--branch", name)
    except GitError:
        raise CommandError(f"{name!r} is no name for a branch", "name another with --branch") from None
    if repository.branch_exists(name):
        raise CommandError(f"there is a branch {name} already", f"git branch -D {name}, or name another with --branch")
    return name
