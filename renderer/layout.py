"""Which files a federation's documents become."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from policy.problem import DocumentError, Problem
from renderer import names
from renderer.admission import admission
from renderer.applicationset import application_set
from renderer.appproject import app_project
from renderer.argo_rights import argo_rights
from renderer.casts import Casts, words_of
from renderer.check import load_and_make
from renderer.configmap import config_map
from renderer.documents import Workspace
from renderer.job import job
from renderer.namespace import namespace
from renderer.networkpolicy import allow_peers, deny_all
from renderer.progress import Watch, unwatched
from renderer.quick_yaml import read_quickly
from renderer.render import RenderedFile
from renderer.service import service
from renderer.serviceaccount import service_account
from renderer.shape import shape_of
from renderer.spec import Member, PlannedRun
from renderer.spread import Spread
from renderer.tree import holds
from renderer.validate import ObjectChecker

# File names; Argo CD sorts the kinds by itself when it applies them.
OBJECTS = {
    "configmap": config_map,
    "job": job,
    "networkpolicy-deny": deny_all,
    "networkpolicy-peers": allow_peers,
    "service": service,
    "serviceaccount": service_account,
}


@dataclass(frozen=True)
class LaidOut:
    """The files of a run: for each its path and text, and whether it lies in the tree just so."""

    files: tuple[tuple[str, str, bool], ...]
    problems: tuple[Problem, ...]  # why Kubernetes would refuse some


class Layout:
    """Lays out the runs of a federation, and knows what lies in its directory."""

    def __init__(self, root: Path) -> None:
        self._root, self._checker, self._casts = str(root), ObjectChecker(), Casts(OBJECTS)

    def lay_out(self, run: PlannedRun) -> LaidOut:
        """Return the files of a run."""
        files, problems, words = list[tuple[str, str, bool]](), list[Problem](), words_of(run)
        for member in run.members:
            directory, namespace = names.run_directory(member.namespace, run.run.run_id), member.namespace
            for name, text, cast in self._casts.texts(run, member):
                path = f"{directory}/{name}.yaml"
                if cast is None:
                    problems += self._checker.check(text, path, namespace)
                else:
                    problems += self._checker.check_filled(cast, words, text, path, namespace)
                files.append((path, text, holds(f"{self._root}/{path}", text)))
        return LaidOut(tuple(files), tuple(problems))


def load_and_render(root: Path, watch: Watch = unwatched) -> tuple[Workspace, tuple[RenderedFile, ...]]:
    """Return the documents in `root`, once they have been checked, and all files of the tree.

    Raises:  DocumentError with everything that is wrong, or if Kubernetes would refuse a file.
    """
    workspace, laid_out = load_and_make(root, Layout(root).lay_out, watch=watch)
    return workspace, whole_tree(workspace, laid_out)


def rendered_files(workspace: Workspace, watch: Watch = unwatched) -> tuple[RenderedFile, ...]:
    """Return all files of the tree, read back. The documents must have passed `renderer.check`.

    Raises:  DocumentError if a file is not YAML of one object, or if Kubernetes would refuse it.
    """
    runs = [workspace.planned(name) for name in workspace.workflows]
    return whole_tree(workspace, watch("workflows rendered", Spread(Layout(workspace.root).lay_out, runs)))


def whole_tree(workspace: Workspace, runs: Iterable[LaidOut]) -> tuple[RenderedFile, ...]:
    """Return the files of the runs, and those that a federation has whatever it runs.

    Raises:  DocumentError as `rendered_files` does.
    """
    files = federation_files(workspace)
    problems: list[Problem] = []
    for run in runs:
        files += (RenderedFile(PurePosixPath(path), text, is_current) for path, text, is_current in run.files)
        problems += run.problems
    if problems:
        raise DocumentError(problems)
    return tuple(sorted(files, key=lambda file: file.path.parts))


def federation_files(workspace: Workspace) -> list[RenderedFile]:
    """Return what a federation has whatever it runs.

    Raises:  DocumentError if a file is not YAML of one object.
    """
    files = [*_argo_cd(workspace)]
    _read_back(files)
    # Nothing from a document goes into these: they are as sound as they were when they were tested.
    return [*files, *admission()]


def run_files(run: PlannedRun, member: Member) -> Iterator[RenderedFile]:
    """Yield one member's objects."""
    directory = names.run_directory(member.namespace, run.run.run_id)
    for name, make in OBJECTS.items():
        yield RenderedFile(directory / f"{name}.yaml", make(run, member))


def _read_back(files: list[RenderedFile]) -> None:
    """Read texts that come from few templates: of each shape one is enough."""
    known: set[str] = set()
    for file in files:
        shape = shape_of(file.text)
        if shape is None or shape.key not in known:
            read_quickly(file.text, str(file.path))
            known.update([shape.key] if shape else [])


def _argo_cd(workspace: Workspace) -> Iterator[RenderedFile]:
    federation = workspace.federation.model
    yield from argo_rights(workspace)
    for name, party in workspace.parties.items():
        yield RenderedFile(names.ARGO_CD / f"applicationset-{name}.yaml", application_set(party.model, federation))
        yield RenderedFile(names.ARGO_CD / f"appproject-{name}.yaml", app_project(party.model, federation))
        yield RenderedFile(names.ARGO_CD / f"namespace-{name}.yaml", namespace(party.model))
