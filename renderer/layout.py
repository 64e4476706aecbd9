"""Which files a federation's documents become."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from policy.problem import DocumentError, Problem
from renderer import names
from renderer.admission import admission
from renderer.applicationset import application_set
from renderer.appproject import app_project
from renderer.argo_rights import argo_rights
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


def rendered_files(workspace: Workspace, watch: Watch = unwatched) -> tuple[RenderedFile, ...]:
    """Return all files of the tree, read back. The documents must have passed `renderer.check`.

    Raises:  DocumentError if a file is not YAML of one object, or if Kubernetes would refuse it.
    """
    files = [*_argo_cd(workspace)]
    _read_back(files)
    # Nothing from a document goes into these: they are as sound as they were when they were tested.
    files += admission()
    problems: list[Problem] = []
    checker = ObjectChecker()

    def lay_out(run: PlannedRun) -> tuple[list[tuple[str, str]], list[Problem]]:
        made, wrong = list[tuple[str, str]](), list[Problem]()
        for member in run.members:
            for path, text in _run_texts(run, member):
                made.append((path, text))
                wrong += checker.check(text, path, member.namespace)
        return made, wrong

    runs = [workspace.planned(name) for name in workspace.workflows]
    for made, wrong in watch("workflows rendered", Spread(lay_out, runs)):
        files += (RenderedFile(PurePosixPath(path), text) for path, text in made)
        problems += wrong
    if problems:
        raise DocumentError(problems)
    return tuple(sorted(files, key=lambda file: file.path.parts))


def run_files(run: PlannedRun, member: Member) -> Iterator[RenderedFile]:
    """Yield one member's objects."""
    for path, text in _run_texts(run, member):
        yield RenderedFile(PurePosixPath(path), text)


def _run_texts(run: PlannedRun, member: Member) -> Iterator[tuple[str, str]]:
    # Paths as texts: of thousands, taking them apart would cost more than what they lead to.
    directory = str(names.run_directory(member.namespace, run.run.run_id))
    for name, make in OBJECTS.items():
        yield f"{directory}/{name}.yaml", make(run, member)


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
