"""`ccd party`: joining a federation."""

import re
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from renderer.check import load_workspace
from renderer.errors import CommandError
from renderer.grant import grant
from renderer.joining import NewParty, commands, join
from renderer.local.run import SECRETS
from renderer.party import Egress
from renderer.settings import settings_of

_EGRESS = re.compile(r"(?P<cidr>[0-9a-fA-F.:]+/\d+):(?P<port>\d{1,5})")

app = typer.Typer(help="Join a federation.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="party")


@app.callback()
def party() -> None:
    """Join a federation."""


@app.command()
def init(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The party's name: lower-case letters, digits and '-'.")],
    namespace: Annotated[str, typer.Option(help="The Kubernetes namespace that the party owns.")],
    reviewer: Annotated[list[str], typer.Option(help="Who approves for it: @user or @group/team; may be repeated.")],
    egress: Annotated[
        list[str], typer.Option(metavar="CIDR:PORT", help="Where its store is, as 192.0.2.0/24:443; may be repeated.")
    ],
    helper: Annotated[bool, typer.Option("--helper", help="It may compute for others on secret shares.")] = False,
    days: Annotated[int, typer.Option(help="How long its certificate is valid.")] = 365,
    secrets: Annotated[
        Path | None, typer.Option(help="Where its private key is written; default: secrets/, which Git ignores.")
    ] = None,
) -> None:
    """Write all that a new party needs: its document, its identity, its AppProject and Namespace.

    The private key stays out of Git. Ends with the commands that create the party's Secrets in its own cluster; they
    ask for the values, which nobody else sees. Never overwrites anything.
    """
    root = settings_of(context).root
    stores = tuple(map(_egress, egress))
    new = NewParty(name, namespace, tuple(reviewer), stores, helper, days)
    joined = join(root, new, secrets or root / SECRETS)
    typer.echo(f"document   {joined.document}: read it, declare datasets")
    typer.echo(f"key        {joined.key}: private, ignored by Git; remove it once the Secret is made")
    for change in joined.rendered:
        typer.echo(f"{'removed' if change.kind == 'removed' else 'rendered':<10} {change.path}")
    typer.echo(f"SHA-256    {joined.fingerprint}: of the certificate; tell the others by another way than Git")
    typer.echo("\nIn the party's own cluster, in bash or zsh (the values are asked for, and are in no argument):\n")
    typer.echo(commands(new, joined))
    typer.echo(
        "For data in Dataverse: ccd_secret NAMESPACE SECRET DATAVERSE_URL DATAVERSE_TOKEN (docs/operating.md, Stores)\n"
    )
    typer.echo("Then `ccd codeowners`, commit all of it, and open a pull request.")


@app.command("grant")
def print_grant(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The party's name.")],
) -> None:
    """Print what the party allows workers in its namespace, if it agrees to the documents as they are.

    The API server holds every Job to it: which images, which Secrets, which peers, which stores. It is the owner's
    own word and is not in Git: read it, change what you do not agree to, and apply it in your own cluster.
    """
    workspace = load_workspace(settings_of(context).root)
    if name not in workspace.parties:
        known = ", ".join(workspace.parties) or "none yet"
        raise CommandError(f"there is no party {name}", f"the parties are: {known}", 2)
    typer.echo(grant(workspace.party_models[name], workspace), nl=False)


def _egress(text: str) -> Egress:
    match = _EGRESS.fullmatch(text.replace("[", "").replace("]", ""))
    problem = CommandError(f"--egress {text} is not CIDR:PORT", "write it as 192.0.2.0/24:443, its host bits zero", 2)
    if match is None:
        raise problem
    try:
        return Egress(cidr=match["cidr"], port=int(match["port"]))
    except ValidationError:
        raise problem from None
