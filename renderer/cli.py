"""The `ccd` command: documents in, manifests out, and everything that can be known before anything runs."""

import gc
import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated

import typer

from renderer.lazy import Entry, LazyCommands, flowing
from renderer.settings import Settings

HELP = """
Compute together on data that may not leave its owners, by pull request.

A workflow is a document in Git. [bold]ccd validate[/bold] says what is wrong with it, [bold]ccd plan[/bold]
what each party would learn, and [bold]ccd render[/bold] turns it into the manifests that Argo CD applies, in each
owner's own namespace. New here? [bold]ccd demo[/bold] shows it all on this machine.
"""


class Ccd(LazyCommands):
    """The commands of `ccd`, in the order in which one meets them."""

    entries = (
        Entry(
            "validate", "validate", "Check documents, how they fit together, their queries, and the rendered manifests."
        ),
        Entry("render", "render", "Turn the documents into the manifests that Argo CD applies."),
        Entry(
            "plan", "plan", "Show which step of a workflow runs where, what each party learns, and what it will cost."
        ),
        Entry(
            "codeowners",
            "codeowners",
            "Write CODEOWNERS from the parties' reviewers, so that the Git forge itself asks for their approval.",
        ),
        Entry(
            "submit",
            "submit",
            "Put a workflow before its reviewers: make a branch, render, write CODEOWNERS, commit.",
        ),
        Entry(
            "cancel",
            "submit",
            "Retire a run: a commit that removes its workflow and what was rendered; Argo CD then prunes its Jobs.",
        ),
        Entry(
            "approve",
            "approve",
            "Approve a run in a party's name: what a policy with [bold]approval: explicit[/bold] asks for.",
        ),
        Entry("run", "run", "Execute a workflow's rendered manifests on this machine, as a cluster would."),
        Entry(
            "status",
            "status",
            "Show where each party of a run is: its phase, its worker's verdict, exit code and reason, and for how long.",
        ),
        Entry("logs", "logs", "Print what a run's containers have printed, each line after its party and container."),
        Entry(
            "output",
            "output",
            "Fetch result and manifest of a run from the writer's store, and verify both before showing anything.",
        ),
        Entry(
            "verify",
            "verify",
            "Say where a manifest comes from and whether it holds, offline, on a clone of the federation.",
        ),
        Entry("try", "try_", "Try a query over local files, with every party simulated on this machine."),
        Entry(
            "policy", "policy", "What data owners allow: verify a workflow against policies, check a policy, sign it."
        ),
        Entry("data", "data", "Your own data: store it sealed and signed, ask what a run would say of it."),
        Entry("keys", "keys", "A party's identity: the key that signs for it and that its workers connect with."),
        Entry("party", "party", "Join a federation."),
        Entry(
            "schema",
            "schema",
            "Write the JSON Schemas of all documents to [bold]schemas/[/bold], for editors and other programs.",
        ),
        Entry(
            "demo",
            "demo",
            "See three airports compute how concentrated their market is, with all that a real federation has.",
        ),
        Entry("dev", "dev", "The sample federation's Swift: up, down, status."),
    )


app = typer.Typer(
    name="ccd",
    help=flowing(HELP),
    cls=Ccd,
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    try:
        app()
    finally:
        if "duckdb" not in sys.modules:  # whose binding would report all that is not dropped, line by line
            gc.freeze()  # the interpreter's end looks for no cycles in what it is going to drop anyway
