"""`ccd demo`: the whole way, with real data, on one machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from renderer.commands.run import NOT_VERIFIED, run_and_print
from renderer.dev.demo import WORKFLOW, ensure_data, ensure_federation
from renderer.dev.session import running_swift
from renderer.local.run import prepare_run


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the sample federation lies or is made.", file_okay=False)
    ] = Path(".demo"),
) -> None:
    """See three airports compute how concentrated their market is, with all that a real federation has.

    Makes a Git repository with documents and rendered manifests, keys, a real Swift on loopback with an account
    per airport, real flights and signed policies; runs the workflow; shows and verifies its result. A second
    time, it finds the run done.
    """
    console = Console(highlight=False)
    ensure_federation(directory, console.print)
    with running_swift(directory) as auth_url:
        assert auth_url is not None
        console.print(f"a real Swift answers at {auth_url}")
        ensure_data(directory, auth_url, console.print)
        ended = run_and_print(prepare_run(directory, WORKFLOW))
    again = f"ccd -C {directory} run {WORKFLOW} --json"
    console.print(f"\nagain     {again}", soft_wrap=True)
    console.print(f"more      ccd -C {directory} run workflows/arrival-delays.yaml", soft_wrap=True)
    if ended.exit_code or ended.filed.problems:
        raise typer.Exit(ended.exit_code or NOT_VERIFIED)
