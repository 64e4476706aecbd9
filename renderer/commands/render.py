"""`ccd render`: documents to manifests."""

import json
from typing import Annotated

import typer

from renderer.layout import load_and_render
from renderer.merged import with_kept
from renderer.progress import Terminal
from renderer.settings import settings_of
from renderer.short_lived import uncollected
from renderer.tree import Change, changes, unified_diff, write

SIGNS = {"added": "+", "changed": "~", "removed": "-"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(render)


def render(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 with a diff if anything is not current.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option("--base", help="What has been merged, and stays; otherwise the branch that Argo CD reads."),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Render every run from its documents, as if none had been merged.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Turn the documents into the manifests that Argo CD applies.

    Reads [bold]workflows/[/bold] and writes [bold]argocd/[/bold]; commit both in one pull request, so that
    reviewers see what is asked and what will run. What a retired workflow left behind is removed.

    Runs that have been merged stay as they are, until they are retired with [bold]ccd cancel[/bold]: a changed workflow
    is a further run beside the old one, and another version of ccd neither changes what was approved nor runs it again.
    """
    if anew and base is not None:
        raise typer.BadParameter("--anew looks at nothing that has been merged", param_hint="--base")
    root, watch = settings_of(context).root, Terminal()
    with uncollected():
        workspace, made = load_and_render(root, watch=watch)
        files = made if anew else with_kept(made, workspace, base)
        differences = changes(root, files)
        if not check:
            write(root, differences, watch)
    if as_json:
        typer.echo(json.dumps(_summary(differences, len(files), check), indent=2))
    elif check:
        typer.echo(unified_diff(differences), nl=False)
    else:
        # At once: for each line alone the terminal would be looked at anew.
        typer.echo("".join(f"{SIGNS[change.kind]} {change.path}\n" for change in differences), nl=False)
    if check and differences:
        typer.echo(f"{len(differences)} files are not current (fix: ccd render)", err=True)
        raise typer.Exit(1)
    if not as_json and not differences:
        typer.echo(f"{len(files)} files are current")


def _summary(differences: tuple[Change, ...], n_files: int, check: bool) -> dict[str, object]:
    return {
        "current": not differences,
        "files": n_files,
        "written": not check,
        "changes": [{"path": str(change.path), "kind": change.kind} for change in differences],
    }
