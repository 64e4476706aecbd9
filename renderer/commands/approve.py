"""`ccd approve`: an owner's signed agreement to one very run, as a file in the repository."""

import datetime
import json
from pathlib import Path
from typing import Annotated

import typer

from renderer.approval_run import Request, Written, approve_run
from renderer.complete import runs
from renderer.printable import printable
from renderer.settings import settings_of

DAYS = 30


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("approve")(approve)


def approve(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id, or its workflow's name or file.", autocompletion=runs)],
    party: Annotated[
        str | None, typer.Option(help="Who approves. Default: the one member whose key lies under secrets/.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="The party's private key. Default: tls.key in its Secret under secrets/<namespace>/.",
            dir_okay=False,
            exists=True,
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="For how long.", min=1, max=366)] = DAYS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Approve a run in a party's name: what a policy with [bold]approval: explicit[/bold] asks for.

    Shows what is approved, signs it, and writes [bold]workflows/approvals/PARTY/RUN.yaml[/bold] and the party's rendered
    ConfigMap, which takes it to the worker. Commit both to the pull request: a run that is merged without the approval
    stays without it. It is for these documents, manifests, plan and image alone: whatever is changed needs another one.

    The worker checks it with the certificate that its policy is signed for, before it loads any data.
    """
    now = datetime.datetime.now(datetime.UTC)
    request = Request(run, party, key, now + datetime.timedelta(days=days))
    written = approve_run(settings_of(context).root, request)
    if as_json:
        typer.echo(json.dumps(written.to_json(), indent=2))
        return
    _print(written)


def _print(written: Written) -> None:
    for name, text in written.facts.items():
        for number, line in enumerate(text.split("\n")):
            typer.echo(f"{'' if number else name:<14} {printable(line)}")
    for fact in written.learned:
        typer.echo(f"{'learned':<14} {printable(fact)}")
    typer.echo(f"{'approved by':<14} {written.approval.metadata.party}, until {written.approval.spec.expires}")
    for path in written.paths:
        typer.echo(f"{'written':<14} {path}")
    typer.echo(f"{'next':<14} git add {' '.join(written.paths)} && git commit")
