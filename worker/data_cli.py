"""The command `ccd-worker data`: what `ccd data` runs as a process of its own, with a request on stdin."""

import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from worker.dataspec import DataReport, DataRequest
from worker.errors import BAD_DOCUMENT, PEER_MISSING, Terminated
from worker.log import Log
from worker.runspec import SECRETS_PATH, VOLUMES_PATH


def data(
    secrets: Annotated[Path, typer.Option(help="Secrets, a directory each.")] = Path(SECRETS_PATH),
    volumes: Annotated[Path, typer.Option(help="Where volumes are mounted.")] = Path(VOLUMES_PATH),
    credentials: Annotated[str | None, typer.Option(help="The Secret that opens the store.")] = None,
    environment: Annotated[bool, typer.Option("--environment", help="The environment opens the store.")] = False,
) -> None:
    """Check or store a dataset of one's own: a request (JSON) on stdin, a report (JSON) on stdout."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        request = DataRequest.model_validate_json(sys.stdin.buffer.read())
    except ValidationError:
        typer.echo("the request cannot be read; `ccd data` writes it", err=True)
        raise typer.Exit(BAD_DOCUMENT) from None
    # Loaded here: the containers of a run share this program and need none of it.
    owner: Any = importlib.import_module("worker.owner")
    try:
        report: DataReport = owner.answer(
            request, owner.Means(secrets, volumes, credentials, os.environ if environment else None), Log()
        )
    except (Terminated, KeyboardInterrupt):
        raise typer.Exit(PEER_MISSING) from None
    typer.echo(report.model_dump_json(by_alias=True))
    raise typer.Exit(report.code)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated("terminated")
