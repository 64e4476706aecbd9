"""`ccd logs`: what the containers of a run have printed."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from renderer.cluster.asked import current_run, read_asked
from renderer.cluster.choose import choose_source
from renderer.cluster.logs import Line, Note, Said, Wanted, follow_logs, members_of, read_logs
from renderer.commands.status import INTERRUPTED, Kubeconfig, KubeContext, Local
from renderer.complete import runs
from renderer.errors import CommandError
from renderer.printable import printable
from renderer.settings import settings_of

CONTAINERS = ("fetch", "compute", "publish")
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(logs)


def logs(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id, or its workflow's name or file.", autocompletion=runs)],
    party: Annotated[str | None, typer.Option(help="Of this party alone.")] = None,
    container: Annotated[str | None, typer.Option("--container", "-c", help="fetch, compute or publish.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until every party is over.")] = False,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the attempt before the last.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object for each line.")] = False,
    local: Local = False,
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = None,
) -> None:
    """Print what a run's containers have printed, each line after its party and container.

    Workers print no value of the data, and this adds nothing to what they print. Lines of the last attempt, unless
    [bold]--previous[/bold]; party by party, or with [bold]--follow[/bold] as they come. Exits with 1 if nothing could
    be read.
    """
    if follow and previous:
        raise CommandError("--previous is over, so there is nothing to follow", "leave one of them out", 2)
    if container is not None and container not in CONTAINERS:
        raise CommandError(f"there is no container {container}", f"they are: {', '.join(CONTAINERS)}", 2)
    root = settings_of(context).root
    asked = read_asked(root)
    run_id = asked.run_named(run, partial(current_run, root))
    members = members_of(dict(asked.parties), asked.namespaces_of(run_id), party)
    source = choose_source(root, local, kubeconfig, kube_context)
    wanted = Wanted(source, run_id, members, container, previous)
    try:
        has_lines = _print(follow_logs(wanted) if follow else read_logs(wanted), members, as_json)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if not has_lines:
        raise typer.Exit(1)


def _print(said: Iterator[Said], members: tuple[tuple[str, str], ...], as_json: bool) -> bool:
    """Print lines on stdout and notes on stderr; return whether there was a line."""
    out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)
    colours = {party: _COLOURS[index % len(_COLOURS)] for index, (party, _) in enumerate(members)}
    has_lines = False
    for each in said:
        match each:
            case Note():
                err.print(Text(f"{each.party}: {printable(each.text)}"))
            case Line():
                has_lines = True
                if as_json:
                    typer.echo(json.dumps(each.to_json()))
                else:
                    head = Text(f"{each.party} {each.container:<7} ", colours[each.party])
                    out.print(head + Text(printable(each.text)))
    return has_lines
