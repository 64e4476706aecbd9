"""`ccd try`: a query over local files with simulated parties."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conclave.estimate import estimate
from conclave.execute import StepReport
from conclave.forecast import forecast
from conclave.plan.show import show_plan
from renderer.answer import rows_of, table_of
from renderer.taken import table_of_taken, taken_in
from renderer.trial import parse_cleartext, parse_tables, prepare

EPILOG = """Example: two shops and a card company, none of which may show its rows to another.\n
ccd try --query q.sql --table sales=north:north.csv,south:south.csv --table cards=bank:cards.parquet
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("try", epilog=EPILOG)(try_query)


def try_query(
    query: Annotated[
        Path, typer.Option(help="A file with one SELECT (DuckDB's dialect).", exists=True, dir_okay=False)
    ],
    table: Annotated[
        list[str],
        typer.Option(
            help="NAME=party:file[,party:file]: a logical table and who holds which part of it (CSV or Parquet).",
            metavar="NAME=PARTY:FILE",
        ),
    ],
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
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan; run nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Try a query over local files, with every party simulated on this machine.

    The compiler and the MPC engine are the real ones; there are no policies, no stores and no network. Types are
    read off the files. Nothing is uploaded, and nothing is kept.
    """
    trial = prepare(query.read_text(encoding="utf-8"), parse_tables(table), reveal_to, parse_cleartext(cleartext or []))
    console = Console(stderr=True)
    text = show_plan(trial.plan, estimate(trial.plan))
    if plan:
        typer.echo(text, nl=False)
        return
    started = time.monotonic()
    with console.status("starting", spinner="line") as status:

        def progress(report: StepReport) -> None:
            status.update(f"{report.name}: {report.kind}")

        executions = trial.run_all(progress)
    seconds = time.monotonic() - started
    execution = executions[trial.plan.query.recipients[0]]
    assert execution.answer is not None
    steps = taken_in(executions.values(), forecast(trial.plan, trial.rows()))
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
