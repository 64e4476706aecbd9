"""Everything that `ccd validate` looks at, in one go: one file's mistake does not hide another's."""

import datetime
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from policy.approval import Approval
from policy.document import Policy
from policy.identity import BadIdentity
from policy.problem import DocumentError, Problem
from policy.yaml import read_yaml
from renderer import codeowners, names
from renderer.approvals import check_approvals
from renderer.approving import broken, missing, standings
from renderer.check import Findings, check_workspace
from renderer.documents import WORKFLOWS, Workspace, read_document, read_text, read_workspace
from renderer.federation import Federation
from renderer.layout import rendered_files
from renderer.lint import lint, load_rules
from renderer.party import Party
from renderer.progress import Watch, unwatched
from renderer.published import read_published
from renderer.spread import Spread
from renderer.validate import ObjectChecker
from renderer.workflow import Workflow
from worker.runspec import Model

_KINDS: dict[str, type[Any]] = {
    "Approval": Approval,
    "Federation": Federation,
    "Party": Party,
    "Policy": Policy,
    "Workflow": Workflow,
}


def validate_federation(root: Path, now: datetime.datetime, watch: Watch = unwatched) -> Findings:
    """Return what is wrong with all documents and rendered files of the federation in `root`."""
    workspace, findings = _workspace(root, now, watch)
    problems = list(findings.problems)
    files = _Files(root, {} if findings.problems or workspace is None else _rendered(workspace, watch))
    # What was rendered just now is most of it, and told at a glance: other processes would have nothing to do but begin.
    others = [Path(file) for top in (names.ARGO_CD, WORKFLOWS) for file in files.not_current(root / top)]
    for found in watch("files checked", Spread(files.check, others)):
        problems += found
    return Findings(_unique(problems), findings.warnings)


def validate_paths(root: Path, paths: list[Path], now: datetime.datetime, watch: Watch = unwatched) -> Findings:
    """Return what is wrong with the files at `paths`, themselves and in the federation in `root`."""
    files = [file for path in paths for file in (map(Path, _yaml_below(path)) if path.is_dir() else [path])]
    own = {_name(root, file) for file in files}
    findings = Findings((), ())
    if any((root / name).resolve().is_relative_to((root / WORKFLOWS).resolve()) for name in own):
        _, findings = _workspace(root, now, watch)
    problems = [problem for problem in findings.problems if problem.file in own]
    checked = _Files(root, {})
    for file in watch("files checked", files):
        problems += checked.check(file)
        if not file.resolve().is_relative_to((root / WORKFLOWS).resolve()):
            problems += _lone_document(root, file)
    warnings = tuple(problem for problem in findings.warnings if problem.file in own)
    return Findings(_unique(problems), warnings)


def _workspace(root: Path, now: datetime.datetime, watch: Watch) -> tuple[Workspace | None, Findings]:
    try:
        workspace = read_workspace(root, watch)
        findings = check_workspace(workspace, now, watch)
    except DocumentError as error:
        return None, Findings(tuple(error.problems))
    reviewed = replace(findings, problems=(*findings.problems, *_for_reviews(workspace)))
    return workspace, reviewed if reviewed.problems else _with_approvals(workspace, reviewed, now)


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

    def __init__(self, root: Path, rendered: Mapping[str, str]) -> None:
        self._root, self._rendered = root, rendered
        self._rules, self._checker = load_rules(root), ObjectChecker()
        self._prefixes: dict[Path, str] = {}  # of directories; thousands of files lie in few of them

    def not_current(self, top: Path) -> list[str]:
        """Return the files below a directory, but for those that are what was rendered just now, and checked with that."""
        above, length = _name(self._root, top / "-")[:-1], len(str(top / "-")) - 1
        return [file for file in _yaml_below(top) if not self._is_current(file, above + file[length:])]

    def _is_current(self, file: str, name: str) -> bool:
        rendered = self._rendered.get(name)
        if rendered is None:
            return False
        try:
            with open(file, "rb", buffering=0, opener=_open_plainly) as stream:
                return stream.read() == rendered.encode("utf-8")
        except OSError:
            return False

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


def _rendered(workspace: Workspace, watch: Watch) -> dict[str, str]:
    """Return what sound documents become; nothing if Kubernetes would refuse it, as is then said of the files."""
    try:
        return {str(file.path): file.text for file in rendered_files(workspace, watch)}
    except DocumentError:
        return {}


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


def _open_plainly(file: str, flags: int) -> int:
    """Open a file; what a link leads to is another one, and a pipe in its place must not make us wait."""
    return os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _name(root: Path, file: Path) -> str:
    resolved, top = file.resolve(), root.resolve()
    return resolved.relative_to(top).as_posix() if resolved.is_relative_to(top) else str(file)


def _unique(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(DocumentError(problems).problems)
