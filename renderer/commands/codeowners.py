"""`ccd codeowners`: who has to approve what."""

from pathlib import Path
from typing import Annotated

import typer

from renderer.check import load_workspace
from renderer.codeowners import FILE, codeowners, difference, owners_of, rivals
from renderer.errors import CommandError
from renderer.git import Repository, require_top
from renderer.printable import printable
from renderer.settings import settings_of
from renderer.tree import unified_diff, write


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("codeowners")(codeowners_command)


def codeowners_command(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 with a diff if it is not current.")
    ] = False,
    base: Annotated[
        str | None, typer.Option(metavar="REV", help="Write nothing; say who has to approve what differs from REV.")
    ] = None,
) -> None:
    """Write CODEOWNERS from the parties' reviewers, so that the Git forge itself asks for their approval.

    A party's document, published policies, AppProject and rendered directory belong to its reviewers, a workflow to
    those of all parties whose data it reads, everything else to everybody's. It stands at the repository's top, where
    every forge looks, and nowhere else: a second one, such as .github/CODEOWNERS, would take its place.
    """
    root = settings_of(context).root
    if base is not None:
        _print_owners(Repository.at(root), base)
        return
    require_top(root)
    _refuse_rivals(root)
    differences = difference(root, codeowners(load_workspace(root)))
    if check:
        typer.echo(unified_diff(differences), nl=False)
        if differences:
            typer.echo(f"{FILE} is not current (fix: ccd codeowners)", err=True)
            raise typer.Exit(1)
        return
    write(root, differences)
    typer.echo(f"wrote {FILE}" if differences else f"{FILE} is current")


def _refuse_rivals(root: Path) -> None:
    found = rivals(root)
    if found:
        what = f"a forge may go by {' and '.join(found)} instead of {FILE} at the top"
        raise CommandError(what, f"remove {'it' if len(found) == 1 else 'them'}; there is one file, a plain one")


def _print_owners(repository: Repository, base: str) -> None:
    commit = repository.resolve(base)
    # The base's: nobody can make themselves the reviewer of their own change.
    text = repository.files(commit, str(FILE)).get(str(FILE), b"").decode("utf-8", errors="replace")
    files: dict[tuple[str, ...], list[str]] = {}
    for path in repository.changed_since(repository.fork_point(commit)):
        files.setdefault(owners_of(path, text), []).append(path)
    if not files:
        typer.echo(f"nobody: nothing differs from {base}")
    for owners, paths in sorted(files.items()):
        typer.echo(f"one of {', '.join(owners)}" if owners else "nobody in particular")
        for path in paths:
            # After a dash: a pipeline's log acts on lines that begin with `::`, and a file may be called so.
            typer.echo(f"  - {printable(path)}")
