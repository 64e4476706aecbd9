"""`ccd schema`: the JSON Schemas of the documents."""

from typing import Annotated

import typer

from renderer.schema import schema_files
from renderer.settings import settings_of
from renderer.tree import Change, unified_diff, write


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(schema)


def schema(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 with a diff if anything is not current.")
    ] = False,
) -> None:
    """Write the JSON Schemas of all documents to [bold]schemas/[/bold], for editors and other programs.

    A line such as [bold]# yaml-language-server: $schema=../schemas/workflow.json[/bold] then has a document
    checked while it is written.
    """
    root = settings_of(context).root
    differences = []
    for file in schema_files():
        path = root / file.path
        old = path.read_text(encoding="utf-8") if path.is_file() else None
        if old != file.text:
            differences.append(Change(file.path, old, file.text))
    if check:
        typer.echo(unified_diff(differences), nl=False)
        if differences:
            typer.echo(f"{len(differences)} schemas are not current (fix: ccd schema)", err=True)
            raise typer.Exit(1)
        return
    write(root, differences)
    for change in differences:
        typer.echo(f"{change.kind} {change.path}")
