"""`ccd output`: a finished run's result, for a recipient."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from policy.resources import ResourceRecord
from renderer.answer import table_of
from renderer.complete import runs
from renderer.dev.session import running_swift
from renderer.errors import NOT_VERIFIED, CommandError
from renderer.local.answer import Filed
from renderer.local.output import fetch_output
from renderer.printable import printable
from renderer.settings import settings_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(output)


def output(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id, or its workflow's name or file.", autocompletion=runs)],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the result to this file, as it was filed.")
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="Write the manifest to this file.")] = None,
    records: Annotated[
        str | None,
        typer.Option(metavar="PARTY", help="This party's own copy of the manifest instead; it says what its Job used."),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The writer's account, https://…/v1/AUTH_…, for who reads with an own one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fetch result and manifest of a run from the writer's store, and verify both before showing anything.

    Needs the writer's Secret, or with [bold]--records[/bold] that party's, in [bold]secrets/<namespace>/<secret>/<key>[/bold], in any of
    its forms; without it, [bold]ST_*[/bold], [bold]OS_*[/bold] or [bold]OS_CLOUD[/bold] in the environment. Exits with the run's own code if
    it ended without a result, and with 1 if a signature or digest does not hold: then nothing of the result is shown.
    """
    root = settings_of(context).root
    with running_swift(root):
        found, filed = fetch_output(root, run, records, account)
    if filed.manifest_name is None:
        fix = f"ccd status {found.run_id} says where each party is; a run that has ended leaves one"
        raise CommandError(f"no manifest of {found.run_id} was filed", fix, NOT_VERIFIED)
    if filed.problems:
        for problem in filed.problems:
            typer.echo(f"error: not verified: {printable(problem)}", err=True)
        if filed.manifest is None or filed.manifest.get("code") != 0:
            typer.echo(f"error: it has no result: ccd status {found.run_id} says how it ended at each party", err=True)
        raise typer.Exit(NOT_VERIFIED)
    assert filed.manifest is not None
    if manifest is not None and filed.manifest_text is not None:
        manifest.write_bytes(filed.manifest_text)
    if out is not None and filed.result is not None:
        out.write_bytes(filed.result)
    if as_json:
        shown = {"status": filed.manifest["status"], "output": filed.rows, "manifest": filed.manifest}
        typer.echo(json.dumps(shown, allow_nan=False))
    else:
        _print(filed, out)
    raise typer.Exit(int(filed.manifest["code"]))


def _print(filed: Filed, out: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    assert filed.manifest is not None
    if filed.result is None:
        what = f"{filed.manifest['runId']} {filed.manifest['status']}"
        # A party's own copy of the manifest of a run that succeeded lies without the result.
        console.print(what if filed.manifest["code"] == 0 else f"{what}: it has no result", markup=False)
        for reason in filed.manifest["reasons"]:
            console.print(printable(f"  {reason['party']}: {reason['what']}"), markup=False)
    elif out is not None:
        console.print(f"wrote     {out}: {len(filed.rows)} rows", markup=False)
    elif filed.rows:
        console.print(table_of(filed.rows, tuple(filed.rows[0])))
    else:
        console.print("the result has no rows")
    if filed.manifest.get("resources"):
        record = ResourceRecord.model_validate(filed.manifest["resources"])
        console.print(f"used      {record.party}: {record.fetch_and_compute}", markup=False)
    signers = ", ".join(sorted(filed.manifest["signatures"]))
    console.print(f"verified  the manifest is signed by {signers}", style="green", markup=False)
