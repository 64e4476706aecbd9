"""`ccd keys`: a party's identity, made on the party's own machine."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from policy.identity import load_certificate, new_identity
from renderer.errors import CommandError
from renderer.git import is_taken_by_git
from renderer.local.private_files import keep_from_git, write_new

app = typer.Typer(
    help="A party's identity: the key that signs for it and that its workers connect with.", no_args_is_help=True
)


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="keys")


@app.callback()
def keys() -> None:
    """A party's identity: the key that signs for it and that its workers connect with."""


@app.command()
def new(
    party: Annotated[str, typer.Argument(help="The party's name, as in workflows/parties/PARTY.yaml.")],
    out: Annotated[Path, typer.Option(help="Directory to write to; a new one is kept from Git.")] = Path(),
    days: Annotated[int, typer.Option(help="How long the certificate is valid.")] = 365,
) -> None:
    """Make a new Ed25519 identity: a private key for the party alone, a certificate for all others.

    Writes [bold]PARTY.key[/bold] and [bold]PARTY.crt[/bold], never over existing files, and never to where the next
    [bold]git add[/bold] would take the key.
    """
    private, certificate = new_identity(party, days)
    key_file, certificate_file = out / f"{party}.key", out / f"{party}.crt"
    if not out.exists():
        keep_from_git(out)
    for file in (key_file, certificate_file):
        if file.exists():
            fix = "name another directory with --out, or move the old identity away"
            raise CommandError(f"{file} exists, and an identity is never overwritten", fix)
    if is_taken_by_git(key_file):
        fix = f"--out secrets/new-{party}, which is made so that Git ignores it"
        raise CommandError(f"{key_file} would be taken by the next git add, and a private key is never in Git", fix)
    write_new(key_file, private, 0o600)
    write_new(certificate_file, certificate.encode("ascii"), 0o644)
    facts = load_certificate(certificate)
    typer.echo(
        f"""\
{key_file}: the private key. It stays in the namespace of {party} and goes nowhere else, never into Git:

    kubectl --namespace NAMESPACE create secret generic ccd-identity --from-file=tls.key={key_file}

{certificate_file}: the certificate, valid until {facts.not_after:%Y-%m-%d}. Everybody may see it. Commit it in
workflows/parties/{party}.yaml:

spec:
  identity:
    certificate: |
{textwrap.indent(certificate.strip(), "      ")}
    secret: ccd-identity

Tell the others its SHA-256 by another way than the repository, so that they can compare:
{facts.fingerprint}"""
    )
