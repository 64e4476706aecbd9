"""`ccd status`: where every party of a run is."""

import datetime
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from renderer.cluster.asked import current_run, read_asked
from renderer.cluster.choose import choose_source
from renderer.cluster.phase import worst_code
from renderer.cluster.status import RunStatus, all_status, run_status
from renderer.cluster.status_text import parties_table, runs_table
from renderer.complete import runs
from renderer.errors import CommandError
from renderer.settings import settings_of

LOOK_AGAIN_S = 2.0
MOST_FAILURES = 30  # a minute without an answer
INTERRUPTED = 130

Local = Annotated[bool, typer.Option("--local", help="What ran on this machine, by `ccd run` or `ccd demo`.")]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="The cluster's configuration; default: as kubectl finds it.", exists=True)
]
KubeContext = Annotated[str | None, typer.Option("--context", help="The context in it; default: the current one.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(help="The run's id, or its workflow's name or file; default: all runs.", autocompletion=runs),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep looking until all are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch a line for each change.")] = False,
    local: Local = False,
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = None,
) -> None:
    """Show where each party of a run is: its phase, its worker's verdict, exit code and reason, and for how long.

    Asks the cluster that kubectl would ask, with your rights: of namespaces that you may not read it says
    [bold]no access[/bold]. Without a cluster, or with [bold]--local[/bold], it tells what ran on this machine.
    With [bold]--watch[/bold] it ends when all is over, with the worst of the parties' exit codes: 30 rejected by a
    policy, 20 data unlike its declaration, 40 a peer was lost, 50 a store did not answer. Else it exits with 0.
    """
    root = settings_of(context).root
    asked = read_asked(root)
    run_id = None if run is None else asked.run_named(run, partial(current_run, root))
    source = choose_source(root, local, kubeconfig, kube_context)

    def look() -> tuple[RunStatus, ...]:
        return all_status(source, asked) if run_id is None else (run_status(source, asked, run_id),)

    runs = look()
    _require_something(runs, run_id, source.title)
    if watch:
        try:
            runs = _watch(runs, Patient(look), source.title, run_id, as_json)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        raise typer.Exit(worst_code(each.standing for one in runs for each in one.parties))
    if as_json:
        typer.echo(json.dumps(_json(runs, source.title, run_id), indent=2))
    else:
        Console(highlight=False).print(_shown(runs, source.title, run_id))


class Patient:
    """Looks, and of a cluster that does not answer for a moment tells what was seen last."""

    def __init__(self, look: Callable[[], tuple[RunStatus, ...]]) -> None:
        self._look, self._failures = look, 0

    def __call__(self, last: tuple[RunStatus, ...]) -> tuple[RunStatus, ...]:
        """Return what is to be seen now, or `last`.

        Raises:  CommandError if the cluster has not answered for many times in a row.
        """
        try:
            seen = self._look()
        except CommandError:
            self._failures += 1
            if self._failures > MOST_FAILURES:
                raise
            return last
        self._failures = 0
        return seen


def _require_something(runs: tuple[RunStatus, ...], run_id: str | None, title: str) -> None:
    if run_id is not None and not runs[0].parties:
        raise CommandError(f"{title} knows nothing of the run {run_id}", "ccd status, without a run, lists all")
    if runs and not any(one.visible for one in runs):
        who = "any of the parties' namespaces" if run_id is None else "the namespace of any of its parties"
        raise CommandError(f"{title}: you may not read {who}", "ask its owner for the right to read Jobs and pods")


def _watch(
    runs: tuple[RunStatus, ...],
    look: Patient,
    title: str,
    run_id: str | None,
    as_json: bool,
) -> tuple[RunStatus, ...]:
    if as_json or not Console().is_terminal:
        return _watch_changes(runs, look, title, run_id, as_json)
    with Live(_shown(runs, title, run_id), console=Console(highlight=False), auto_refresh=False) as live:
        while not all(one.is_over for one in runs):
            time.sleep(LOOK_AGAIN_S)
            runs = look(runs)
            live.update(_shown(runs, title, run_id), refresh=True)
    return runs


def _watch_changes(
    runs: tuple[RunStatus, ...],
    look: Patient,
    title: str,
    run_id: str | None,
    as_json: bool,
) -> tuple[RunStatus, ...]:
    """Print what there is, and again whenever it is different: for logs and programs."""
    console, last = Console(highlight=False), ""
    while True:
        now = json.dumps(_json(runs, title, run_id))
        if now != last and as_json:
            typer.echo(now)
        elif now != last:
            console.print(_shown(runs, title, run_id))
        last = now
        if all(one.is_over for one in runs):
            return runs
        time.sleep(LOOK_AGAIN_S)
        runs = look(runs)


def _json(runs: tuple[RunStatus, ...], title: str, run_id: str | None) -> dict[str, object]:
    if run_id is not None:
        return {"source": title, **runs[0].to_json()}
    return {"source": title, "runs": [one.to_json() for one in runs]}


def _shown(runs: tuple[RunStatus, ...], title: str, run_id: str | None) -> Group:
    now = datetime.datetime.now(datetime.UTC)
    if run_id is not None:
        return Group(Text(f"{run_id} on {title}", "bold"), parties_table(runs[0], now))
    head = Text(f"{len(runs)} runs on {title}" if runs else f"there are no runs on {title}", "bold")
    return Group(head, runs_table(runs, now)) if runs else Group(head)
