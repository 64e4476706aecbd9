"""How a federation's documents fit together: every name leads somewhere, and every party can do its part."""

import datetime
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from conclave.ir.errors import TypeProblem
from conclave.ir.types import parse_type
from policy.identity import BadIdentity, load_certificate
from policy.nearest import did_you_mean
from policy.problem import DocumentError, Path, Problem
from renderer.check_cleartext import check_cleartext, check_matches, check_sizes
from renderer.check_dataset import check_dataset
from renderer.check_steps import check_steps
from renderer.dataset import Dataset, SparkDataset, SparkEngine, source_of
from renderer.documents import Document, Workspace, read_workspace
from renderer.party import Party
from renderer.progress import Watch, unwatched
from renderer.query import check_query
from renderer.reach import check_reach
from renderer.spec import PlannedRun, choose_compute, data_owners
from renderer.spread import Spread
from renderer.workflow import Workflow

EXPIRY_WARNING = datetime.timedelta(days=30)
# Namespaces in which a worker has no business, whoever reviewed the document.
_RESERVED = ("kube-", "argocd", "default")
_CERTIFICATE: Path = ("spec", "identity", "certificate")
T = TypeVar("T")


@dataclass(frozen=True)
class Findings:
    """What is wrong, and what soon will be; in the order of files and lines."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def load_workspace(root: pathlib.Path, now: datetime.datetime | None = None, watch: Watch = unwatched) -> Workspace:
    """Return the documents in `root`, once they have been checked at the moment `now` (default: the clock's).

    Raises:  DocumentError with everything that is wrong.
    """
    return load_and_make(root, lambda _: None, now, watch)[0]


def load_workflow(root: pathlib.Path, file: pathlib.Path) -> tuple[Workspace, Document[Workflow]]:
    """Return one workflow, named as for `Workspace.workflow_in`, and the documents without the other workflows.

    Raises:  DocumentError with what is wrong with it, with its parties or with what all share; what is wrong with
             other workflows, or with parties that have no part in it, keeps nobody from looking at this one.
    """
    workspace = read_workspace(root, only=file)
    document = workspace.workflow_in(file)
    alone = replace(workspace, workflows={document.model.metadata.name: document})
    found = check_workspace(alone, datetime.datetime.now(datetime.UTC)).problems
    files = {document.file, *_files_of_parties(document.model, workspace)}
    problems = [problem for problem in found if problem.file in files]
    if problems:
        raise DocumentError(problems)
    return alone, document


def _files_of_parties(workflow: Workflow, workspace: Workspace) -> set[str]:
    compute = workflow.spec.mpc.compute or choose_compute(workflow, workspace.party_models)
    members = {*data_owners(workflow), *workflow.spec.outputs.recipients, *compute}
    return {workspace.parties[name].file for name in members & set(workspace.parties)}


def load_and_make(
    root: pathlib.Path,
    make: Callable[[PlannedRun], T],
    now: datetime.datetime | None = None,
    watch: Watch = unwatched,
) -> tuple[Workspace, list[T]]:
    """Return the documents as `load_workspace` does, and what `check_and_make` makes of their runs.

    Raises:  DocumentError as `load_workspace` does.
    """
    workspace = read_workspace(root, watch)
    findings, made = check_and_make(workspace, now or datetime.datetime.now(datetime.UTC), make, watch)
    if findings.problems:
        raise DocumentError(list(findings.problems))
    return workspace, made


def check_workspace(workspace: Workspace, now: datetime.datetime, watch: Watch = unwatched) -> Findings:
    """Return what is wrong with the documents at the moment `now`."""
    return check_and_make(workspace, now, lambda _: None, watch)[0]


def check_and_make(
    workspace: Workspace, now: datetime.datetime, make: Callable[[PlannedRun], T], watch: Watch = unwatched
) -> tuple[Findings, list[T]]:
    """Return what is wrong with the documents, and what `make` makes of the runs; of those with nothing wrong about them.

    Both in one go, since of many workflows each processor takes its share, with all that is to be done for it: `make`
    must change nothing that it leaves in memory.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for party in workspace.parties.values():
        problems += [*_check_party(party), *_check_namespace(party, workspace), *check_reach(party)]
        bad, soon = _check_certificate(party, now)
        problems += bad
        warnings += soon
    of_parties, whole = tuple(problems), list[str]()
    for name, workflow in workspace.workflows.items():
        broken = [
            *_check_references(workflow, workspace),
            *_check_outputs(workflow, workspace),
            *check_steps(workflow),
        ]
        # Who computes depends on who is there at all.
        broken = broken or [*_check_compute(workflow, workspace)]
        broken = broken or [
            *check_cleartext(workflow, workspace),
            *check_sizes(workflow),
            *check_matches(workflow, workspace),
        ]
        problems += broken
        # A query can only be read against tables that exist, and whose types are types.
        if not broken and not _owners_problems(workflow, of_parties, workspace):
            whole.append(name)

    is_sound = not problems

    def look(name: str) -> tuple[list[Problem], list[T]]:
        run = workspace.planned(name)
        wrong = [*check_query(workspace.workflows[name], run.run)]
        return wrong, [make(run)] if is_sound and not wrong else []

    made: list[T] = []
    for wrong, results in watch("workflows compiled", Spread(look, whole)):
        problems += wrong
        made += results
    return Findings(_sorted(problems), _sorted(warnings)), made


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(DocumentError(problems).problems)


def _owners_problems(workflow: Document[Workflow], problems: tuple[Problem, ...], workspace: Workspace) -> bool:
    files = {workspace.parties[name].file for name in data_owners(workflow.model)}
    return any(problem.file in files and problem.field.startswith("spec.datasets") for problem in problems)


def _check_party(party: Document[Party]) -> Iterator[Problem]:
    spec = party.model.spec
    published = {place.credentials for place in (spec.outputs, spec.records) if place is not None}
    stores = set(published)
    for name, dataset in spec.datasets.items():
        yield from check_dataset(party, name, dataset)
        if isinstance(dataset, SparkDataset) == isinstance(spec.engine, SparkEngine):  # else `check_dataset` said so
            stores.update(source_of(f"{party.model.metadata.name}/{name}", dataset, spec.engine).secrets)
        if dataset.sealed is not None and dataset.sealed.identity in {*published, spec.identity.secret}:
            what = "is a Secret that containers mount which have no business with the data's plaintext"
            path = ("spec", "datasets", name, "sealed", "identity")
            yield party.problem(path, what, "give the age identity a Secret of its own")
    if isinstance(spec.engine, SparkEngine) and spec.engine.spark.credentials in published:
        what = "is also the Secret of a place to write to, and the container that speaks with peers mounts it"
        yield party.problem(("spec", "engine", "spark", "credentials"), what, "give Spark a Secret of its own")
    if spec.identity.secret in stores:
        what = "is also the name of a store's Secret, so containers that read stores would get the identity key"
        yield party.problem(("spec", "identity", "secret"), what, "give the identity a Secret of its own")


def _check_namespace(party: Document[Party], workspace: Workspace) -> Iterator[Problem]:
    path, namespace = ("spec", "namespace"), party.model.spec.namespace
    if namespace.startswith(_RESERVED):
        yield party.problem(path, "is a namespace of the cluster itself", "choose one that only this party owns")
    for other in workspace.parties.values():
        if other.model.spec.namespace == namespace and other.model.metadata.name < party.model.metadata.name:
            what = f"is already the namespace of {other.model.metadata.name}"
            yield party.problem(path, what, "every party has its own, so that its Secrets are its own")


def _check_certificate(
    party: Document[Party], now: datetime.datetime
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    name = party.model.metadata.name
    try:
        certificate = load_certificate(party.model.spec.identity.certificate)
    except BadIdentity as error:
        return (party.problem(_CERTIFICATE, error.what, error.fix),), ()
    renew = f"make a new identity with `ccd keys new {name}`"
    if certificate.party != name:
        what = f"is the certificate of {certificate.party}, not of {name}"
        return (party.problem(_CERTIFICATE, what, renew),), ()
    if not certificate.is_valid_at(now):
        expired = now > certificate.not_after
        day = certificate.not_after if expired else certificate.not_before
        what = f"{'expired on' if expired else 'is not valid before'} {day:%Y-%m-%d}"
        return (party.problem(_CERTIFICATE, what, renew),), ()
    if not certificate.is_valid_at(now + EXPIRY_WARNING):
        what = f"expires on {certificate.not_after:%Y-%m-%d}; from then on nobody will speak with {name}"
        return (), (party.problem(_CERTIFICATE, what, renew),)
    return (), ()


def _check_references(workflow: Document[Workflow], workspace: Workspace) -> Iterator[Problem]:
    for table, references in workflow.model.spec.tables.items():
        first: Dataset | None = None
        for index, reference in enumerate(references):
            path: Path = ("spec", "tables", table, index)
            if reference in references[:index]:
                yield workflow.problem(path, f"{reference} is listed twice", "its rows would count twice: keep one")
                continue
            dataset = _dataset(reference, workspace)
            if isinstance(dataset, str):
                yield workflow.problem(path, dataset, _known_datasets(reference, workspace))
                continue
            difference = _difference(first, dataset) if first else None
            if difference:
                what = f"{reference} is no further part of the table of {references[0]}: {difference}"
                fix = "parts of one table have the same columns, of the same types, in the same order"
                yield workflow.problem(path, what, fix)
            first = first or dataset


def _dataset(reference: str, workspace: Workspace) -> Dataset | str:
    owner, _, name = reference.partition("/")
    party = workspace.parties.get(owner)
    if party is None:
        return f"there is no party {owner}"
    return party.model.spec.datasets.get(name) or f"{owner} has no dataset {name}"


def _known_datasets(reference: str, workspace: Workspace) -> str:
    known = [f"{name}/{dataset}" for name, party in workspace.parties.items() for dataset in party.model.spec.datasets]
    return did_you_mean(reference, known) or f"the datasets are: {', '.join(known) or 'none yet'}"


def _difference(first: Dataset, other: Dataset) -> str | None:
    """Return the first difference between two datasets' columns. Both may hold types that are none."""
    ours, theirs = ([*dataset.columns.items()] for dataset in (first, other))
    for (name, column), (other_name, other_column) in zip(ours, theirs, strict=False):
        if name != other_name:
            return f"it has {other_name} in the place of {name}"
        if _normal(column.type) != _normal(other_column.type):
            return f"its {name} is {_normal(other_column.type)}, not {_normal(column.type)}"
    if len(ours) != len(theirs):
        return f"it has {len(theirs)} columns, not {len(ours)}"
    return None


def _normal(kind: str) -> str:
    try:
        return str(parse_type(kind))
    except TypeProblem:
        return kind


def _check_outputs(workflow: Document[Workflow], workspace: Workspace) -> Iterator[Problem]:
    outputs = workflow.model.spec.outputs
    path: Path = ("spec", "outputs")
    for index, recipient in enumerate(outputs.recipients):
        if recipient in outputs.recipients[:index]:
            yield workflow.problem((*path, "recipients", index), f"{recipient} is listed twice", "keep one")
        elif recipient not in workspace.parties:
            yield workflow.problem((*path, "recipients", index), *_no_party(recipient, workspace))
    writer = workspace.parties.get(outputs.writer)
    if outputs.writer not in workspace.parties:
        yield workflow.problem((*path, "writer"), *_no_party(outputs.writer, workspace))
    elif not workspace.parties.keys() >= set(outputs.recipients):
        return  # the writer may be whom one of these was meant to be
    elif outputs.writer not in outputs.recipients:
        what = f"{outputs.writer} is not a recipient, and a writer sees what it writes"
        yield workflow.problem((*path, "writer"), what, f"name one of {', '.join(outputs.recipients)}")
    elif writer is not None and writer.model.spec.outputs is None:
        what = f"{outputs.writer} has no place to write to"
        yield workflow.problem((*path, "writer"), what, f"give {writer.file} spec.outputs.credentials")


def _no_party(name: str, workspace: Workspace) -> tuple[str, str]:
    known = workspace.parties
    return f"there is no party {name}", did_you_mean(
        name, known
    ) or f"the parties are: {', '.join(known) or 'none yet'}"


def _check_compute(workflow: Document[Workflow], workspace: Workspace) -> Iterator[Problem]:
    path: Path = ("spec", "mpc", "compute")
    model, parties = workflow.model, workspace.party_models
    compute, n_wanted = model.spec.mpc.compute, model.spec.mpc.n_compute
    in_words = {2: "two", 3: "three"}[n_wanted]
    if compute is None:
        chosen = choose_compute(model, parties)
        if len(chosen) < n_wanted:
            what = f"{in_words} parties must compute, and there are {len(chosen)}: {', '.join(chosen)}"
            fix = "let a party without data help: `helper: true` in its document"
            yield workflow.problem(path, what, fix if n_wanted > 2 else "ask over the data of two parties")
        return
    if len(compute) != n_wanted:
        what = f"{model.spec.mpc.protocol} is computed by {in_words} parties, and {len(compute)} are named"
        yield workflow.problem(path, what, f"name {in_words}, or leave it out")
    involved = {*data_owners(model), *model.spec.outputs.recipients}
    for index, name in enumerate(compute):
        if name in compute[:index]:
            what = f"{name} is listed twice, and would hold enough shares to see the data"
            yield workflow.problem((*path, index), what, f"name {in_words} parties")
        elif name not in parties:
            yield workflow.problem((*path, index), *_no_party(name, workspace))
        elif name not in involved and not parties[name].spec.helper:
            what = f"{name} neither owns data of this workflow nor receives its answer, and is no helper"
            yield workflow.problem((*path, index), what, f"set `helper: true` in {workspace.parties[name].file}")
