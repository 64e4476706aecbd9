"""A run's result, fetched for a recipient and verified before anything of it is shown."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from renderer import names
from renderer.check import load_workflow
from renderer.cluster.asked import current_run, read_asked
from renderer.errors import BAD_DOCUMENT, CommandError
from renderer.local.answer import Filed, fetch_filed
from renderer.local.load import load_run
from renderer.local.run import SECRETS
from renderer.local.secret_store import SecretStore
from renderer.plan import compile_run
from renderer.spec import plan_run
from worker.runspec import Place, Run, RunSpec


def fetch_output(root: Path, run: str, records_of: str | None = None, account: str | None = None) -> tuple[Run, Filed]:
    """Return what the writer has filed of `run`, a run's id or its workflow's name or file; or a party's own copy alone.

    Raises:  CommandError for a run or party that is not in the rendered tree; MissingSecretsError without the Secret.
    """
    run_id = _run_id(root, run)
    spec, namespace, place = _writer_of(root, run_id) if records_of is None else _records_of(root, run_id, records_of)
    secrets, answer = SecretStore(root / SECRETS), compile_run(spec.run).answer
    with_result = records_of is None
    return spec.run, fetch_filed(secrets, spec.run, namespace, place, answer, with_result, account)


def _run_id(root: Path, run: str) -> str:
    if "/" not in run and not run.endswith((".yaml", ".yml")):
        return read_asked(root).run_named(run, partial(current_run, root))
    workspace, document = load_workflow(root, Path(run))
    return plan_run(document.model, workspace.party_models, workspace.federation.model).run.run_id


def _writer_of(root: Path, run_id: str) -> tuple[RunSpec, str, Place]:
    """Return the writer's run spec and namespace, as they were rendered, and where it files the result."""
    for spec, namespace in _specs(root, run_id):
        if spec.own.output is not None:
            return spec, namespace, spec.own.output
    raise CommandError(f"nobody writes the result of {run_id}", "ccd render", BAD_DOCUMENT)


def _records_of(root: Path, run_id: str, party: str) -> tuple[RunSpec, str, Place]:
    """Return a member's run spec and namespace, and where it files its own copies of manifests."""
    found = {spec.own.party: (spec, namespace) for spec, namespace in _specs(root, run_id)}
    if party not in found:
        raise CommandError(f"{party} is no party of {run_id}", f"its parties are: {', '.join(found)}", 2)
    spec, namespace = found[party]
    if spec.own.records is None:
        raise CommandError(f"{party} keeps no records", f"give workflows/parties/{party}.yaml spec.records")
    return spec, namespace, spec.own.records


def _specs(root: Path, run_id: str) -> Iterator[tuple[RunSpec, str]]:
    for config_map in load_run(root / names.RENDERED, run_id).config_maps:
        for text in config_map.data.values():
            try:
                spec = RunSpec.model_validate_json(text)
            except ValidationError:
                raise CommandError(f"the run spec of {run_id} cannot be read", "ccd render", BAD_DOCUMENT) from None
            yield spec, config_map.metadata.namespace
