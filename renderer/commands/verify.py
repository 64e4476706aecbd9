"""`ccd verify`: manifest, signatures, digests and Git history, tied together."""

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from policy.manifest import Manifest
from renderer.approved import named_approvals
from renderer.errors import BAD_DOCUMENT, NOT_VERIFIED, CommandError
from renderer.git import Commit
from renderer.history import Provenance, trace_manifest
from renderer.settings import settings_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(help="The manifest's file.", exists=True, dir_okay=False)],
    result: Annotated[
        Path | None, typer.Option(help="The result's file; its digest is in a recipient's manifest.", exists=True)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say where a manifest comes from and whether it holds, offline, on a clone of the federation.

    Finds the commit that brought the run in, its author, approvals and own signature; renders again from that commit's
    documents and compares; checks that its Jobs run the image, and its run specs have the digest, that the manifest
    names; checks every party's signature with the certificates that stood there. Exits with 1 if anything fails, and
    with 10 if the file is no manifest. The run's own outcome is reported, and does not matter here.
    """
    try:
        document = Manifest.model_validate_json(manifest.read_bytes())
    except ValidationError:
        raise CommandError(f"{manifest} is not a manifest", exit_code=BAD_DOCUMENT) from None
    provenance = trace_manifest(settings_of(context).root, document, result.read_bytes() if result else None)
    if as_json:
        typer.echo(json.dumps(provenance.to_json(), indent=2))
    else:
        _print(provenance)
    if not provenance.is_verified:
        raise typer.Exit(NOT_VERIFIED)


def _print(provenance: Provenance) -> None:
    console, manifest = Console(highlight=False, markup=False, soft_wrap=True), provenance.manifest
    console.print(f"run        {manifest.run_id}: {manifest.status}, for {manifest.purpose}")
    if provenance.introduced is not None:
        _print_commit(console, "written", provenance.introduced)
    if provenance.merged is not None:
        _print_commit(console, "merged", provenance.merged)
    console.print(f"approved   {', '.join(provenance.approvals) or 'the commits do not say by whom; see the forge'}")
    for name, approval in named_approvals(manifest).items():
        console.print(f"allowed    {name}, by its approval {approval.digest[:16]} until {approval.expires}")
        console.print(f"           signed by the key of certificate {approval.signer[:16]}")
    if manifest.resources is not None:
        console.print(f"used       {manifest.resources.party}: {manifest.resources.fetch_and_compute}")
    for check in provenance.checks:
        console.print(f"{'holds' if not check.problems else 'FAILS':<10} {check.what}")
        for problem in check.problems:
            console.print(f"           {problem}")


def _print_commit(console: Console, verb: str, commit: Commit) -> None:
    who = commit.author if verb == "written" else commit.committer
    console.print(f"{verb:<10} {commit.sha[:10]} by {who} on {commit.date[:10]}: {commit.subject}")
    console.print(f"           {commit.signature}")
