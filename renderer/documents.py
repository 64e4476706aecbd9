"""A federation's directory, read: documents with their text, so that a later complaint can name a line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from policy.load import load_with_lines
from policy.nearest import did_you_mean
from policy.problem import DocumentError, Problem
from policy.problem import Path as FieldPath
from policy.yaml import Lines
from renderer.approvals import Approvals, read_approvals, with_approvals
from renderer.federation import Federation
from renderer.party import Party
from renderer.progress import Watch, unwatched
from renderer.quick_yaml import read_quickly
from renderer.spec import PlannedRun, Planner
from renderer.workflow import Workflow
from worker.runspec import Model

M = TypeVar("M", bound=Model, covariant=True)
WORKFLOWS = "workflows"
PARTIES = "workflows/parties"
POLICIES = "workflows/policies"  # copies that owners publish; workers read those beside the data
FEDERATION = "workflows/federation.yaml"


@dataclass(frozen=True)
class Document(Generic[M]):
    """One file: what it says, and where each field of it stands."""

    model: M
    text: str
    lines: Lines

    @property
    def file(self) -> str:
        """Its path in the federation's directory."""
        return self.lines.file

    def problem(self, path: FieldPath, what: str, fix: str | None = None) -> Problem:
        """Return what is wrong with the field at `path`."""
        return self.lines.problem(path, what, fix)


@dataclass(frozen=True)
class Workspace:
    """All documents of a federation; the maps are in the order of names."""

    root: Path
    federation: Document[Federation]
    parties: Mapping[str, Document[Party]]
    workflows: Mapping[str, Document[Workflow]]
    approvals: Approvals = field(default_factory=dict)

    @cached_property
    def party_models(self) -> dict[str, Party]:
        """The parties without their lines."""
        return {name: document.model for name, document in self.parties.items()}

    def planned(self, name: str) -> PlannedRun:
        """Return the run that a workflow asks for, planned once. It must have passed `renderer.check`."""
        if name not in self._planned:
            run = self._planner.plan(self.workflows[name].model)
            self._planned[name] = with_approvals(run, self.approvals)
        return self._planned[name]

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.party_models, self.federation.model)

    @cached_property
    def _planned(self) -> dict[str, PlannedRun]:
        return {}

    def workflow_in(self, file: Path) -> Document[Workflow]:
        """Return the workflow in `file`, a path from here or from the federation's directory, or of that name.

        Raises:  DocumentError if it is none of the federation's workflows.
        """
        for name, document in self.workflows.items():
            if str(file) == name or _is_called(self.root / document.file, file, self.root):
                return document
        raise _no_workflow(file, [document.file for document in self.workflows.values()])


def read_workspace(root: Path, watch: Watch = unwatched, only: Path | None = None) -> Workspace:
    """Return the documents in `root`, each sound by itself; `renderer.check` looks at how they fit together.

    Of the workflows `only` one, named as for `Workspace.workflow_in`, and its approvals.
    Raises:  DocumentError with everything that is wrong in any file that is read, or if there is no such workflow.
    """
    problems: list[Problem] = []
    federation = _read_all(root, [root / FEDERATION], Federation, problems)
    parties = _read_all(root, _yaml_files(root / PARTIES), Party, problems, watch)
    files = [file for file in _yaml_files(root / WORKFLOWS) if file != root / FEDERATION]
    if only is not None:
        all_files = [file.relative_to(root).as_posix() for file in files]
        files = [file for file in files if _is_called(file, only, root)]
        if not files:
            raise _no_workflow(only, all_files)
    workflows = _read_all(root, files, Workflow, problems, watch)
    approvals: Approvals = {}
    try:
        approvals = read_approvals(root, files[0].stem if only is not None else None)
    except DocumentError as error:
        problems += error.problems
    if problems:
        raise DocumentError(problems)
    named_parties = {document.model.metadata.name: document for document in parties}
    named_workflows = {document.model.metadata.name: document for document in workflows}
    return Workspace(root, federation[0], _by_name(named_parties), _by_name(named_workflows), approvals)


def read_document(root: Path, file: Path, model: type[M]) -> Document[M]:
    """Return one document.

    Raises:  DocumentError if it cannot be read, is not UTF-8, or is not such a document.
    """
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    text = read_text(file, name)
    value, lines = load_with_lines(text, name, model, read_quickly)
    document = Document(value, text, lines)
    metadata = getattr(value, "metadata", None)
    # One name for one thing: also what keeps two files from claiming the same party.
    if model in (Party, Workflow) and metadata is not None and file.name != f"{metadata.name}.yaml":
        what = "is not the name of the file"
        raise DocumentError([document.problem(("metadata", "name"), what, f"call the file {metadata.name}.yaml")])
    return document


def read_text(file: Path, name: str) -> str:
    """Return a file's text.

    Raises:  DocumentError if there is none, or in its place a link, a pipe or a device.
    """
    if file.is_symlink() or (file.exists() and not file.is_file()):
        # What a link leads to has other reviewers, or lies outside of the repository.
        raise DocumentError([Problem(name, 1, 1, "", "is no plain file", "put the document itself there")])
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        problem = Problem(name, 1, 1, "", "there is no such file", "`ccd -C DIR` names the federation's directory")
    except UnicodeDecodeError:
        problem = Problem(name, 1, 1, "", "is not UTF-8 text", "save it as UTF-8")
    except OSError as error:
        problem = Problem(name, 1, 1, "", f"cannot be read: {error.strerror}")
    raise DocumentError([problem])


def _read_all(
    root: Path, files: list[Path], model: type[M], problems: list[Problem], watch: Watch = unwatched
) -> list[Document[M]]:
    found: list[Document[M]] = []
    # In this process: other ones would take longer to hand over a document and its lines than to read it.
    for file in watch("documents read", files):
        try:
            found.append(read_document(root, file, model))
        except DocumentError as error:
            problems += error.problems
    return found


def _yaml_files(directory: Path) -> list[Path]:
    return sorted(file for file in directory.glob("*.y*ml") if file.suffix in (".yaml", ".yml"))


def _is_called(own: Path, file: Path, root: Path) -> bool:
    """Whether a workflow's `own` file is meant by `file`: its name, or a path from here or from the federation's directory."""
    return str(file) == own.stem or own in (root / file, file) or own.resolve() == file.resolve()


def _no_workflow(asked: Path, files: list[str]) -> DocumentError:
    names = {Path(file).stem: file for file in files}
    # A name that is nearly right is one, with its file's beginning and end or without.
    near = did_you_mean(asked.stem, names)
    known = f"its workflows are: {', '.join(files) or 'none yet'}"
    return DocumentError([Problem(str(asked), 1, 1, "", "is not a workflow of this federation", near or known)])


def _by_name(documents: dict[str, Document[M]]) -> dict[str, Document[M]]:
    return dict(sorted(documents.items()))
