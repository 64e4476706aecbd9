"""`ccd data`: an owner's data into its store, and what a run would say of what lies there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from renderer.dev.session import running_swift
from renderer.errors import BAD_DOCUMENT, STORE_UNAVAILABLE, CommandError
from renderer.owner import Owned, Tell, ask, find_dataset, shown, signed
from renderer.settings import settings_of
from worker.dataspec import DataReport, DataRequest

SHOWN_AFTER_S = 2.0
COLUMNS = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
STAGES = {
    "policy fetched": "fetching data",
    "data fetched": "checking data",
    "data checked": "looking at the policy again",
    "checking": "checking data",
    "sealing": "sealing",
    "uploading": "uploading",
}

app = typer.Typer(
    help="Your own data: store it sealed and signed, ask what a run would say of it.", no_args_is_help=True
)

DatasetOption = Annotated[str, typer.Option("--dataset", help="As party/dataset; the party may be left out if clear.")]
SecretsOption = Annotated[
    Path | None,
    typer.Option(
        help="Secrets, a directory each with a file per key. Default: secrets/<namespace>, as for `ccd run`.",
        file_okay=False,
    ),
]
CredentialsOption = Annotated[
    str | None,
    typer.Option(
        metavar="SECRET",
        help="The Secret that opens the store. Default: what ST_*, OS_* or OS_CLOUD in the environment say, as for "
        "OpenStack's own tools; without these, the one that the worker reads with.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="data")


@app.command()
def put(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(help="The data, as the party document declares it.", dir_okay=False, exists=True)
    ],
    dataset: DatasetOption,
    policy: Annotated[
        Path | None,
        typer.Option(help="The policy; without it, the one in the store stays.", dir_okay=False, exists=True),
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="Insist on sealing. A dataset that is declared sealed is sealed anyway.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of what lies there.")] = False,
    key: Annotated[
        Path | None, typer.Option(help="The owner's private key, to sign the policy with.", dir_okay=False, exists=True)
    ] = None,
    secrets: SecretsOption = None,
    credentials: CredentialsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a file exactly as a run would, seal it if that is declared, and store it with its signed policy.

    Nothing is changed in the store unless file, policy and signature all pass. While something is exchanged no run finds
    a policy there, and tries again later: none ever sees new data under an old word, or old data under a new one.

    Exits with 20 if the data is not as declared, 10 for a policy or document that cannot be used, 50 if the store does
    not serve us, and 1 if something lies there and --replace is not given.
    """
    owned = find_dataset(settings_of(context).root, dataset, secrets)
    if seal and owned.dataset.sealed is None:
        fix = "declare `sealed: {recipient: age1…, identity: <Secret>}` in the party document, and render"
        raise CommandError(f"{owned.name} is not declared as sealed, so no worker could open it", fix, BAD_DOCUMENT)
    more: dict[str, object] = {"action": "put", "file": str(file.resolve()), "replace": replace}
    if policy is not None:
        text, signature = signed(owned, policy, key)
        more |= {"policy": text, "policy_name": str(policy), "signature": signature}
    report = _ask(context, owned, owned.request(**more), credentials)
    if report.code == STORE_UNAVAILABLE and credentials is None:
        # What a worker reads with mostly may not write.
        fix = "--credentials names a Secret that may write, or ST_*, OS_* and OS_CLOUD in the environment say how"
        typer.echo(f"note: to store takes credentials that may write: {fix}", err=True)
    _finish(report, as_json)


@app.command()
def check(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="As party/dataset; the party may be left out if clear.")],
    policy_only: Annotated[
        bool, typer.Option("--policy-only", help="Look at policy and signature, and fetch no data.")
    ] = False,
    secrets: SecretsOption = None,
    credentials: CredentialsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a run would take in what is stored, and everything that speaks against it.

    Fetches policy, signature and data as the worker does, into a directory that is gone afterwards, and goes through the
    worker's own checks. Exits with what a run would end with: 0, 10, 20 or 50.
    """
    owned = find_dataset(settings_of(context).root, dataset, secrets)
    _finish(_ask(context, owned, owned.request(action="check", policy_only=policy_only), credentials), as_json)


def _ask(context: typer.Context, owned: Owned, request: DataRequest, credentials: str | None) -> DataReport:
    with running_swift(settings_of(context).root), _progress() as tell:
        return ask(request, owned, credentials, tell)


def _finish(report: DataReport, as_json: bool) -> None:
    if as_json:
        typer.echo(shown(report))
    else:
        _print(report)
    raise typer.Exit(report.code)


@contextmanager
def _progress() -> Iterator[Tell]:
    """Show the stage on a terminal, and how much of it is done, once two seconds have gone by."""
    console = Console(stderr=True)
    with Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal) as progress:
        stages = Stages(progress)
        later = threading.Timer(SHOWN_AFTER_S, stages.show)
        later.daemon = True
        later.start()
        try:
            yield stages.tell
        finally:
            later.cancel()


class Stages:
    """One line in the place of the last one: the stage, and how much of it is done as soon as that is known."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._is_shown = progress, False
        self._task = progress.add_task("asking the store", total=None, visible=False)

    def show(self) -> None:
        """Show it from now on."""
        self._is_shown = True
        self._progress.update(self._task, visible=True)

    def tell(self, stage: str | None, size_bytes: int | None, done_bytes: int | None) -> None:
        """Begin a stage, or say how far the current one is."""
        if stage is None:
            self._progress.update(self._task, total=size_bytes, completed=done_bytes)
            return
        self._progress.remove_task(self._task)
        size = f" ({size_bytes / 1e6:,.1f} MB)" if size_bytes is not None else ""
        text = f"{STAGES.get(stage, stage)}{size}"
        self._task = self._progress.add_task(text, total=None, visible=self._is_shown)


def _print(report: DataReport) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if not report.accepted:
        console.print(f"{report.dataset} would not be taken in from {report.place}", style="bold red", markup=False)
        for problem in report.problems:
            console.print(f"  {problem.what}", markup=False)
            for title in ("where", "rule", "fix"):
                if getattr(problem, title):
                    console.print(f"    {title}: {getattr(problem, title)}", markup=False)
        return
    for name in report.stored:
        console.print(f"stored    {name}", markup=False)
    if report.rows is not None:
        sealed = ", sealed" if report.sealed else ""
        console.print(f"data      {report.rows} rows, {report.size_bytes} bytes as stored{sealed}", markup=False)
        console.print(f"sha256    {report.sha256}", markup=False)
    if report.policy is not None:
        console.print(f"policy    v{report.policy_version}, {report.policy}", markup=False)
    what = f"a run takes in {report.dataset} as it lies at {report.place}"
    if report.rows is None:
        what = f"policy and signature of {report.dataset} hold; the data was not looked at"
    console.print(f"accepted  {what}", style="green", markup=False)
