"""`ccd validate`: all that can be known to be wrong before a pull request is opened."""

import datetime
import json
from pathlib import Path
from typing import Annotated

import typer

from renderer.annotate import ANNOTATE_HELP, Annotate, annotations
from renderer.errors import BAD_DOCUMENT, print_problems
from renderer.git import require_top
from renderer.progress import Terminal
from renderer.settings import settings_of
from renderer.short_lived import uncollected
from renderer.validation import validate_federation, validate_paths


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(validate)


def validate(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and directories; default: the whole federation.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    annotate: Annotated[Annotate | None, typer.Option(help=ANNOTATE_HELP)] = None,
) -> None:
    """Check documents, how they fit together, their queries, and the rendered manifests.

    Prints [bold]file:line:column: what (fix: ...)[/bold] and exits with 10 if there is anything to mend. A
    policy, which lies outside of the repository, can be named too.
    """
    root, now, watch = settings_of(context).root, datetime.datetime.now(datetime.UTC), Terminal()
    require_top(root)
    with uncollected():
        findings = validate_paths(root, paths, now, watch) if paths else validate_federation(root, now, watch)
    if as_json:
        document = {
            "problems": [problem.to_json() for problem in findings.problems],
            "warnings": [problem.to_json() for problem in findings.warnings],
        }
        typer.echo(json.dumps(document, indent=2))
    else:
        if annotate is not None:
            typer.echo(annotations(findings.problems, annotate), nl=False)
        print_problems(findings.warnings, "warning")
        print_problems(findings.problems)
    if findings.problems:
        raise typer.Exit(BAD_DOCUMENT)
    if not as_json and annotate is not Annotate.GITLAB:
        n_warnings = len(findings.warnings)
        typer.echo(f"no errors, {n_warnings} warning{'s' * (n_warnings > 1)}" if n_warnings else "no problems found")
