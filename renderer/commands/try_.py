"""`ccd try`: a query over local files with simulated parties."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conclave.estimate import REHEARSED_ROWS, estimate
from conclave.execute import StepReport
from conclave.forecast import forecast
from conclave.mpc.costs import Cost
from conclave.plan.show import show_plan, size
from renderer.answer import rows_of, table_of
from renderer.settings import settings_of
from renderer.taken import table_of_taken, taken_in
from renderer.trial import Trial, parse_cleartext, parse_most_matches, parse_tables, prepare
from renderer.trial_workflow import prepare_workflow


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("try")(try_query)


def try_query(
    context: typer.Context,
    sql: Annotated[
        str | None,
        typer.Argument(metavar="SELECT", help="One SELECT (DuckDB's dialect) within quotes.", show_default=False),
    ] = None,
    query: Annotated[
        typer.FileText | None,
        typer.Option(metavar="FILE", encoding="utf-8", help="A file with it instead; - for standard input."),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=party:file[,party:file]: a logical table and who holds which part of it (.csv, .tsv, .parquet).",
            metavar="NAME=PARTY:FILE",
        ),
    ] = None,
    workflow: Annotated[
        Path | None, typer.Option(help="A workflow of this federation, in the place of a query and --table.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="With --workflow: the directory that holds PARTY/DATASET.csv (or .parquet, as declared)."),
    ] = None,
    reveal_to: Annotated[
        str | None, typer.Option(help="The party that gets the answer. Default: an analyst who has no data.")
    ] = None,
    cleartext: Annotated[
        list[str] | None,
        typer.Option(
            help="TABLE.COLUMN=party[,party]: who of those who compute is shown that column, as a key alone, its rows "
            "shuffled. Joins and groups by keys that one party is shown are many times faster.",
            metavar="TABLE.COLUMN=PARTY",
        ),
    ] = None,
    disclose_sizes: Annotated[
        list[str] | None,
        typer.Option(
            help="A table of which all may count the rows that are left after filters, joins and groups under MPC; what "
            "comes after them works on that many.",
            metavar="TABLE",
        ),
    ] = None,
    most_matches: Annotated[
        list[str] | None,
        typer.Option(
            help="TABLE.COLUMN=N: a value comes in at most N rows of the table. Joins by keys that repeat on both sides "
            "then run by sorting; whether it holds is checked under MPC, and ends the run.",
            metavar="TABLE.COLUMN=N",
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan; run nothing.")] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Run the same operators in the clear, in one process: the same answer, and as many rounds counted, of "
            "more rows than one would wait for.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Try a query over local files, with every party simulated on this machine.

    The compiler and the MPC engine are the real ones; there are no policies, no stores and no network. Types are
    read off the files, or with [bold]--workflow[/bold] declared by the party documents, which the files are held to.
    Nothing is uploaded, and nothing is kept. With [bold]--plain[/bold] nothing is shared either: one process computes
    in the clear what the three would compute, step by step.
    """
    texts = [text for text in (sql, query.read() if query is not None else None) if text is not None]
    if workflow is None and data is None and len(texts) == 1 and table:
        trial = prepare(
            texts[0],
            parse_tables(table),
            reveal_to,
            parse_cleartext(cleartext or []),
            disclose_sizes or [],
            parse_most_matches(most_matches or []),
            lambda text: typer.echo(f"note: {text}", err=True),
        )
    elif workflow is not None and data is not None and not texts and not table:
        unasked = {
            "--reveal-to": reveal_to,
            "--cleartext": cleartext,
            "--disclose-sizes": disclose_sizes,
            "--most-matches": most_matches,
        }
        trial = _committed(settings_of(context).root, workflow, data, unasked)
    else:
        fix = "either the query, within quotes or by --query, and one --table or more; or --workflow and --data"
        raise typer.BadParameter(f"give {fix}", param_hint="SELECT")
    console = Console(stderr=True)
    text = show_plan(trial.plan, estimate(trial.plan), n_rows=REHEARSED_ROWS)
    if plan:
        typer.echo(text, nl=False)
        return
    if plain:
        _run_plainly(trial, text, as_json, console)
        return
    started = time.monotonic()
    with console.status("starting", spinner="line") as status:

        def progress(report: StepReport) -> None:
            status.update(f"{report.name}: {report.kind}")

        executions = trial.run_all(progress)
    seconds = time.monotonic() - started
    execution = executions[trial.plan.query.recipients[0]]
    assert execution.answer is not None
    put_in = dict(each for execution in executions.values() for report in execution.steps for each in report.put_in)
    steps = taken_in(executions.values(), forecast(trial.plan, trial.rows(), put_in))
    rows = rows_of(execution.answer)
    columns = tuple(field.name for field in trial.plan.answer)
    if as_json:
        described = [{"name": field.name, "type": str(field.type)} for field in trial.plan.answer]
        told = {"output": rows, "columns": described, "seconds": round(seconds, 3)}
        typer.echo(json.dumps({**told, "steps": [step.to_json() for step in steps]}, allow_nan=False))
        return
    typer.echo(text)
    Console().print(table_of(rows, columns))
    console.print()
    console.print(table_of_taken(steps))
    console.print(f"{len(rows)} rows in {seconds:.1f} s; parties: {', '.join(trial.parties)}", style="dim")


def _run_plainly(trial: Trial, text: str, as_json: bool, console: Console) -> None:
    """Show the answer, and what it would have taken: of the busiest of the three, primitive by primitive, the bytes."""
    started = time.monotonic()
    with console.status("computing in the clear", spinner="line"):
        answer, costs = trial.run_alone()
    seconds, rows = time.monotonic() - started, rows_of(answer)
    if as_json:
        described = [{"name": field.name, "type": str(field.type)} for field in trial.plan.answer]
        steps = [{"name": name, "rounds": cost.rounds, "bytes": cost.bytes_sent} for name, cost in costs.items()]
        told = {"output": rows, "columns": described, "seconds": round(seconds, 3), "steps": steps}
        typer.echo(json.dumps(told, allow_nan=False))
        return
    typer.echo(text)
    Console().print(table_of(rows, tuple(field.name for field in trial.plan.answer)))
    total = sum(costs.values(), Cost(0, 0))
    took = f"three parties would take {total.rounds} rounds and send {size(total.bytes_sent)} each"
    console.print(f"{len(rows)} rows in {seconds:.1f} s, in the clear; {took}", style="dim")


def _committed(root: Path, workflow: Path, data: Path, unasked: Mapping[str, object]) -> Trial:
    for option, value in unasked.items():
        if value:
            raise typer.BadParameter("the workflow names it", param_hint=option)
    return prepare_workflow(root, workflow, data)
