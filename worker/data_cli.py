"""The commands `ccd-worker data` and `ccd-worker filed`: what `ccd` runs as a process of its own, with a request on stdin."""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from worker.dataspec import DataReport, DataRequest, FiledReport, FiledRequest
from worker.environment import Means
from worker.errors import BAD_DOCUMENT, PEER_MISSING, Terminated
from worker.log import Log
from worker.runspec import SECRETS_PATH, VOLUMES_PATH, Model

R = TypeVar("R", bound=Model)
SecretsOption = Annotated[Path, typer.Option(help="Secrets, a directory each.")]
EnvironmentOption = Annotated[bool, typer.Option("--environment", help="The environment opens the store.")]


def data(
    secrets: SecretsOption = Path(SECRETS_PATH),
    volumes: Annotated[Path, typer.Option(help="Where volumes are mounted.")] = Path(VOLUMES_PATH),
    credentials: Annotated[str | None, typer.Option(help="The Secret that opens the store.")] = None,
    environment: EnvironmentOption = False,
) -> None:
    """Check or store a dataset of one's own: a request (JSON) on stdin, a report (JSON) on stdout."""
    means = Means(secrets, volumes, credentials, os.environ if environment else None)

    def answer(request: DataRequest) -> DataReport:
        # Loaded here: the containers of a run share this program and need none of it.
        owner: Any = importlib.import_module("worker.owner")
        report: DataReport = owner.answer(request, means, Log())
        return report

    _answer(DataRequest, answer)


def filed(
    secrets: SecretsOption = Path(SECRETS_PATH),
    environment: EnvironmentOption = False,
) -> None:
    """Fetch what a run has filed: a request (JSON) on stdin, a report (JSON) on stdout."""
    means = Means(secrets, Path(VOLUMES_PATH), None, os.environ if environment else None)

    def answer(request: FiledRequest) -> FiledReport:
        bring: Any = importlib.import_module("worker.filed")
        report: FiledReport = bring.bring(request, means)
        return report

    _answer(FiledRequest, answer)


def _answer(kind: type[R], answer: Callable[[R], DataReport | FiledReport]) -> None:
    signal.signal(signal.SIGTERM, _terminate)
    os.umask(0o077)
    try:
        request = kind.model_validate_json(sys.stdin.buffer.read())
    except ValidationError:
        typer.echo("the request cannot be read; `ccd` writes it", err=True)
        raise typer.Exit(BAD_DOCUMENT) from None
    try:
        report = answer(request)
    except (Terminated, KeyboardInterrupt):
        raise typer.Exit(PEER_MISSING) from None
    typer.echo(report.model_dump_json(by_alias=True))
    raise typer.Exit(report.code)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated("terminated")
