"""`ccd plan`: what a workflow will do, and what each party will learn, before anything runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from conclave.estimate import REHEARSED_ROWS, estimate
from conclave.plan.show import kind_of, learned, parties_of, show_plan
from conclave.plan.steps import LocalStep
from conclave.plan.wire import digest
from renderer.plan import plan_of_workflow
from renderer.settings import settings_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan")(plan)


def plan(
    context: typer.Context,
    workflow: Annotated[Path, typer.Argument(help="The workflow's file, such as workflows/wage-gap.yaml.")],
    rows: Annotated[
        int, typer.Option(help="Estimate costs for this many rows that each owner puts into MPC.", min=1, max=100_000)
    ] = REHEARSED_ROWS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show which step of a workflow runs where, what each party learns, and what it will cost.

    Every worker compiles this very plan for itself, and runs it only if all have the same. Rounds and bytes are
    those of one compute party, found by rehearsing the steps on [bold]--rows[/bold] rows of zeros from each owner.
    """
    compiled, run = plan_of_workflow(settings_of(context).root, workflow)
    costs = estimate(compiled, rows)
    if not as_json:
        typer.echo(f"{run.run_id}, for {run.purpose}\n\n{show_plan(compiled, costs)}", nl=False)
        return
    steps = [
        {
            "name": step.name,
            "kind": kind_of(step),
            "parties": parties_of(step, compiled),
            **({"sql": step.sql} if isinstance(step, LocalStep) else {}),
            **({"rounds": cost.rounds, "bytesSent": cost.bytes_sent} if (cost := costs.get(step.name)) else {}),
        }
        for step in compiled.steps
    ]
    answer = [{"name": f.name, "type": str(f.type)} for f in compiled.answer]
    shown = {"runId": run.run_id, "planDigest": digest(compiled), "steps": steps, "learned": learned(compiled)}
    typer.echo(json.dumps({**shown, "answer": answer}, indent=2))
