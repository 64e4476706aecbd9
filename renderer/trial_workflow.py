"""A committed workflow over local files: its own tables, types, recipients and compute parties; nothing is uploaded.

The files are held to what the party documents declare, as a run holds them, and are read as declared.
"""

from pathlib import Path

from conclave.local.check import check_file
from conclave.plan.show import parties_of
from renderer.check import load_workflow
from renderer.plan import compile_run
from renderer.read_off import TrialProblem
from renderer.spec import PlannedRun
from renderer.trial import Loaded, Trial
from worker.runspec import DatasetSpec, Source, schema_of


def prepare_workflow(root: Path, workflow: Path, data: Path) -> Trial:
    """Return a workflow of the federation in `root`, ready to run over `data`/PARTY/DATASET.FORMAT.

    Raises:  DocumentError for documents that do not hold together; TrialProblem for a file that is not there;
             DataMismatch for one that is not as declared.
    """
    workspace, document = load_workflow(root, workflow)
    planned = workspace.planned(document.model.metadata.name)
    plan = compile_run(planned.run)
    taking_part = {party for step in plan.steps for party in parties_of(step, plan)}
    members = {member.name for member in planned.run.members}
    # The first recipient's answer is shown, so it comes first; those who only learn that there was a run stay away.
    recipients = plan.query.recipients
    return Trial(plan, tuple(dict.fromkeys([*recipients, *sorted(taking_part & members)])), _files(planned, data))


def _files(planned: PlannedRun, data: Path) -> tuple[Loaded, ...]:
    sources = {source.dataset: source for member in planned.members for source in member.own.sources}
    return tuple(_file(dataset, sources[dataset.name], data) for dataset in planned.run.datasets)


def _file(dataset: DatasetSpec, source: Source, data: Path) -> Loaded:
    path = data / f"{dataset.name}.{source.format}"
    if not path.is_file():
        fix = f"put a file with the columns of {dataset.name} there, without seal and compression"
        raise TrialProblem(f"{dataset.name} is read from {path}, and there is no such file", fix)
    schema = schema_of(dataset)
    unique: list[str | tuple[str, ...]] = [column.name for column in dataset.columns if column.unique]
    unique += [key.columns for key in dataset.keys]
    check_file(path, source.file_format, schema, unique)
    return Loaded(dataset.name, dataset.name.partition("/")[0], path, source.file_format, schema)
