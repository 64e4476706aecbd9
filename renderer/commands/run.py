"""`ccd run`: execute the rendered manifests on this machine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conclave.estimate import REHEARSED_ROWS, estimate
from conclave.forecast import forecast
from conclave.plan.show import show_plan
from conclave.plan.steps import Plan
from conclave.plan.wire import digest
from policy.disclosed import told
from policy.protections import told_multiples
from renderer.complete import workflows
from renderer.dev.session import running_swift
from renderer.errors import CommandError
from renderer.local.observe import Observer
from renderer.local.progress import Progress
from renderer.local.report import print_ended
from renderer.local.run import Ended, Local, execute_run, prepare_run, require_secrets
from renderer.plan import compile_run
from renderer.published import unknown
from renderer.settings import settings_of
from renderer.taken import table_of_taken, taken_of
from renderer.told import as_text as told_as_text

INTERRUPTED = 130
NOT_VERIFIED = 70


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    context: typer.Context,
    workflow: Annotated[
        Path,
        typer.Argument(
            help="The workflow's file, such as workflows/wage-gap.yaml, or its name.", autocompletion=workflows
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the workers' work directories until the next run.")
    ] = False,
) -> None:
    """Execute a workflow's rendered manifests on this machine, as a cluster would.

    Every party's worker runs here, each with its own party's Secrets from
    [bold]secrets/<namespace>/<secret>/<key>[/bold]. Ends with the run's exit code: 0 done, 30 rejected by a
    policy, 20 data unlike its declaration, 40 a peer was lost, 50 a store did not answer.
    """
    root = settings_of(context).root
    with running_swift(root):
        ended = run_and_print(prepare_run(root, workflow), as_json, keep)
    exit_code = ended.exit_code
    if exit_code == 0 and ended.filed.problems:
        exit_code = NOT_VERIFIED
    raise typer.Exit(exit_code)


def run_and_print(local: Local, as_json: bool = False, keep: bool = False) -> Ended:
    """Run, showing plan, progress and outcome to people, or the outcome alone as JSON."""
    console = Console(highlight=False)
    require_secrets(local)  # before the plan: nobody should have to look for the error below it
    if as_json:
        ended = _interruptible(local, lambda _: None, keep)
        typer.echo(json.dumps(ended.to_json(), allow_nan=False))
        return ended
    plan = compile_run(local.planned.run, local.policies)
    console.print(announced(plan, local), markup=False, soft_wrap=True)
    with Progress(console, local.party_of) as progress:
        ended = _interruptible(local, progress, keep)
    print_ended(ended, local, console)
    _print_taken(plan, ended, progress.put_in, console)
    if keep:
        console.print(f"kept      {local.pods}", soft_wrap=True)
    return ended


def announced(plan: Plan, local: Local) -> str:
    """Return what is said of a run before it begins: the plan, what its answer tells of whose columns, whose policies are unknown."""
    run = local.planned.run
    parts = [
        show_plan(plan, estimate(plan), told_multiples(local.policies), REHEARSED_ROWS),
        told_as_text(told(plan, local.policies, run.purpose)),
        unknown((dataset.name for dataset in run.datasets), local.policies),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


def _print_taken(plan: Plan, ended: Ended, put_in: Mapping[str, int], console: Console) -> None:
    """Print what the steps took beside what they were estimated to: where no unpublished policy changes the plan."""
    manifest = ended.filed.manifest or {}
    if ended.was_done or ended.exit_code != 0 or manifest.get("plan") != digest(plan):
        return
    statements = [party["statement"] for party in manifest["parties"] if party["statement"]]
    rows = {each["dataset"]: each["rows"] for statement in statements for each in statement["data"]}
    console.print()
    console.print(table_of_taken(taken_of(manifest, forecast(plan, rows, put_in))))


def _interruptible(local: Local, watch: Observer, keep: bool) -> Ended:
    try:
        return execute_run(local, watch, keep=keep)
    except KeyboardInterrupt:
        raise CommandError("interrupted; every worker was ended", exit_code=INTERRUPTED) from None
