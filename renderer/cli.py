"""The `ccd` command: documents in, manifests out, and everything that can be known before anything runs."""

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

from renderer.commands import (
    codeowners,
    demo,
    dev,
    keys,
    logs,
    output,
    party,
    plan,
    policy,
    render,
    run,
    schema,
    status,
    submit,
    try_,
    validate,
    verify,
)
from renderer.errors import Commands
from renderer.settings import Settings

HELP = """
Compute together on data that may not leave its owners, by pull request.

A workflow is a document in Git. [bold]ccd validate[/bold] says what is wrong with it, [bold]ccd plan[/bold]
what each party would learn, and [bold]ccd render[/bold] turns it into the manifests that Argo CD applies, in each
owner's own namespace. New here? [bold]ccd demo[/bold] shows it all on this machine.
"""

app = typer.Typer(
    name="ccd",
    help=HELP,
    cls=Commands,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    validate,
    render,
    plan,
    codeowners,
    submit,
    run,
    status,
    logs,
    output,
    verify,
    try_,
    policy,
    keys,
    party,
    schema,
    demo,
    dev,
):
    command.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ccd {importlib.metadata.version('ccd')}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    directory: Annotated[
        Path,
        typer.Option("-C", metavar="DIR", help="The federation's directory.", exists=True, file_okay=False),
    ] = Path(),
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options for all commands."""
    context.obj = Settings(directory)


def main() -> None:
    """Run the command line."""
    app()
