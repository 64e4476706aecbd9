"""Everything that `ccd validate` looks at, in one go: one file's mistake does not hide another's."""

import datetime
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from policy.approval import Approval
from policy.document import Policy
from policy.identity import BadIdentity
from policy.problem import DocumentError, Problem
from policy.yaml import read_yaml
from renderer import codeowners, names
from renderer.approvals import check_approvals
from renderer.approving import broken, missing, standings
from renderer.check import Findings, check_and_make
from renderer.documents import WORKFLOWS, Workspace, read_document, read_text, read_workspace
from renderer.federation import Federation
from renderer.layout import LaidOut, Layout, federation_files
from renderer.lint import KEY_TWICE, lint, load_rules
from renderer.party import Party
from renderer.progress import Watch, unwatched
from renderer.published import read_published
from renderer.spec import PlannedRun
from renderer.spread import Spread
from renderer.tree import holds
from renderer.validate import ObjectChecker
from renderer.workflow import Workflow
from worker.runspec import Model

T = TypeVar("T")
_KINDS: dict[str, type[Any]] = {
    "Approval": Approval,
    "Federation": Federation,
    "Party": Party,
    "Policy": Policy,
    "Workflow": Workflow,
}


def validate_federation(root: Path, now: datetime.datetime, watch: Watch = unwatched) -> Findings:
    """Return what is wrong with all documents and rendered files of the federation in `root`."""
    layout = Layout(root)
    workspace, findings, runs = _workspace(root, now, watch, lambda run: _current_of(layout.lay_out(run)))
    problems = list(findings.problems)
    files = _Files(root, set() if findings.problems or workspace is None else _current(workspace, runs))
    # What was rendered just now is most of it, and told at a glance: other processes would have nothing to do but begin.
    others = [Path(file) for top in (names.ARGO_CD, WORKFLOWS) for file in files.not_current(root / top)]
    for found in watch("files checked", Spread(files.check, others)):
        problems += found
    return Findings(_unique(problems), findings.warnings)


def validate_paths(root: Path, paths: list[Path], now: datetime.datetime, watch: Watch = unwatched) -> Findings:
    """Return what is wrong with the files at `paths`, themselves and in the federation in `root`."""
    files = [file for path in paths for file in (map(Path, _yaml_below(path)) if path.is_dir() else [path])]
    own = {_name(root, file) for file in files}
    findings, is_read = Findings((), ()), True
    if any((root / name).resolve().is_relative_to((root / WORKFLOWS).resolve()) for name in own):
        workspace, findings, _ = _workspace(root, now, watch, lambda _: None)
        is_read = workspace is not None
    # While one document cannot be read, no other is held against it, nor any query compiled: that is said in any case.
    problems = [problem for problem in findings.problems if problem.file in own or not is_read]
    problems += [_nothing_in(root, path) for path in paths if path.is_dir() and not _yaml_below(path)]
    checked = _Files(root, set())
    for file in watch("files checked", files):
        problems += checked.check(file)
        if not file.resolve().is_relative_to((root / WORKFLOWS).resolve()):
            problems += _lone_document(root, file)
    warnings = tuple(problem for problem in findings.warnings if problem.file in own)
    return Findings(_unique(problems), warnings)


def _nothing_in(root: Path, directory: Path) -> Problem:
    return Problem(_name(root, directory), 1, 1, "", "holds no YAML file, so nothing was checked", "name another place")


def _workspace(
    root: Path, now: datetime.datetime, watch: Watch, make: Callable[[PlannedRun], T]
) -> tuple[Workspace | None, Findings, Sequence[T]]:
    try:
        workspace = read_workspace(root, watch)
        findings, made = check_and_make(workspace, now, make, watch)
    except DocumentError as error:
        return None, Findings(tuple(error.problems)), ()
    reviewed = replace(findings, problems=(*findings.problems, *_for_reviews(workspace)))
    found = reviewed if reviewed.problems else _with_approvals(workspace, reviewed, now)
    return workspace, found, made


def _with_approvals(workspace: Workspace, findings: Findings, now: datetime.datetime) -> Findings:
    """Add what is to be said of approvals; which are asked for is known of sound documents alone."""
    problems, warnings = [*check_approvals(workspace.approvals, workspace.parties)], [*findings.warnings]
    published = read_published(workspace)
    if workspace.approvals or any(each.policy.spec.approval == "explicit" for each in published.values()):
        for name, document in workspace.workflows.items():
            found = standings(workspace, workspace.planned(name), published, now)
            problems += broken(found)
            warnings += missing(document, found)
    return Findings(_unique(problems), _unique(warnings))


def _for_reviews(workspace: Workspace) -> Iterator[Problem]:
    """Yield what would mislead a pull request's reviewers, or leave one of them out."""
    if (workspace.root / codeowners.FILE).is_file():
        yield from codeowners.check_reviewers(workspace)
    try:
        read_published(workspace)
    except DocumentError as error:
        yield from error.problems
    except BadIdentity:
        return  # said already, of the party's document


class _Files:
    """What can be said of files by themselves: style, and Kubernetes' rules if they are rendered."""

    def __init__(self, root: Path, current: Collection[str]) -> None:
        self._root, self._current = root, current
        self._rules, self._checker = load_rules(root), ObjectChecker()
        self._prefixes: dict[Path, str] = {}  # of directories; thousands of files lie in few of them

    def not_current(self, top: Path) -> list[str]:
        """Return the files below a directory, but for those that are what was rendered just now, and checked with that."""
        above, length = _name(self._root, top / "-")[:-1], len(str(top / "-")) - 1
        return [file for file in _yaml_below(top) if above + file[length:] not in self._current]

    def check(self, file: Path) -> tuple[Problem, ...]:
        """Return what is wrong with a file."""
        name = self._name(file)
        try:
            text = read_text(file, name)
        except DocumentError as error:
            return tuple(error.problems)
        problems = lint(text, name, self._rules)
        rendered = names.RENDERED.parts
        parts = Path(name).parts
        if parts[: len(rendered)] == rendered and len(parts) > len(rendered):
            problems += self._checker.check(text, name, parts[len(rendered)])
        return problems

    def _name(self, file: Path) -> str:
        directory = file.parent  # a link is called by its own name, not by that of what it leads to
        if directory not in self._prefixes:
            # What lies outside of the federation keeps its whole path, and this one has a part to take off again.
            self._prefixes[directory] = _name(self._root, directory / "-")[:-1]
        return self._prefixes[directory] + file.name


def _current_of(run: LaidOut) -> tuple[str, ...] | None:
    """Return the files of a run that lie in the tree just so; None if Kubernetes would refuse one."""
    return None if run.problems else tuple(path for path, _, is_current in run.files if is_current)


def _current(workspace: Workspace, runs: Sequence[tuple[str, ...] | None]) -> set[str]:
    """Return the files that are what sound documents become; none if one is refused, as is then said of the files."""
    try:
        others = federation_files(workspace)
    except DocumentError:
        return set()
    if None in runs:
        return set()
    current = {str(file.path) for file in others if holds(f"{workspace.root}/{file.path}", file.text)}
    return current.union(*filter(None, runs))


def _lone_document(root: Path, file: Path) -> tuple[Problem, ...]:
    """Return what is wrong with one of our documents that is not part of the federation, such as a policy."""
    name = _name(root, file)
    try:
        value, _ = read_yaml(read_text(file, name), name)
        model: type[Model] | None = _KINDS.get(str(value.get("kind"))) if isinstance(value, dict) else None
        if model is not None:
            read_document(root, file, model)
    except DocumentError as error:
        return tuple(error.problems)
    return ()


def _yaml_below(directory: Path) -> list[str]:
    """Return what is called YAML below a directory, in the order of paths; what a link leads to is not below it."""
    return sorted(_called_yaml(str(directory)), key=lambda file: file.split("/"))


def _called_yaml(directory: str) -> Iterator[str]:
    try:
        entries = os.scandir(directory)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    with entries:
        for entry in entries:
            if os.path.splitext(entry.name)[1] in (".yaml", ".yml"):
                yield entry.path
            if entry.is_dir(follow_symlinks=False):
                yield from _called_yaml(entry.path)


def _name(root: Path, file: Path) -> str:
    resolved, top = file.resolve(), root.resolve()
    return resolved.relative_to(top).as_posix() if resolved.is_relative_to(top) else str(file)


def _unique(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return the problems in the files' order; of a key that is there twice, our reader's word alone, which names it."""
    own = {(problem.file, problem.line, problem.column) for problem in problems if problem.field}
    return tuple(
        problem
        for problem in DocumentError(problems).problems
        if problem.field or KEY_TWICE not in problem.what or (problem.file, problem.line, problem.column) not in own
    )
