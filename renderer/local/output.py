"""A run's result, fetched for a recipient and verified before anything of it is shown."""

from pathlib import Path

from pydantic import ValidationError

from renderer import names
from renderer.check import load_workspace
from renderer.errors import BAD_DOCUMENT, CommandError
from renderer.local.answer import Filed, fetch_filed
from renderer.local.load import load_run
from renderer.local.run import SECRETS
from renderer.local.secret_store import SecretStore
from renderer.plan import compile_run
from renderer.spec import plan_run
from worker.runspec import Run, RunSpec


def fetch_output(root: Path, run: str) -> tuple[Run, Filed]:
    """Return what the writer has filed of `run`: a run's id, or a workflow's file.

    Raises:  CommandError for a run that is not in the rendered tree; MissingSecretsError without the writer's Secret.
    """
    spec, namespace = _writer_of(root, _run_id(root, run))
    assert spec.own.output is not None
    filed = fetch_filed(SecretStore(root / SECRETS), spec.run, namespace, spec.own.output, compile_run(spec.run).answer)
    return spec.run, filed


def _run_id(root: Path, run: str) -> str:
    if "/" not in run and not run.endswith((".yaml", ".yml")):
        return run
    workspace = load_workspace(root)
    document = workspace.workflow_in(Path(run))
    return plan_run(document.model, workspace.party_models, workspace.federation.model).run.run_id


def _writer_of(root: Path, run_id: str) -> tuple[RunSpec, str]:
    """Return the writer's run spec and namespace, as they were rendered."""
    for config_map in load_run(root / names.RENDERED, run_id).config_maps:
        for text in config_map.data.values():
            try:
                spec = RunSpec.model_validate_json(text)
            except ValidationError:
                raise CommandError(f"the run spec of {run_id} cannot be read", "ccd render", BAD_DOCUMENT) from None
            if spec.own.output is not None:
                return spec, config_map.metadata.namespace
    raise CommandError(f"nobody writes the result of {run_id}", "ccd render", BAD_DOCUMENT)
