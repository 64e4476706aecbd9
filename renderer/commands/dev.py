"""`ccd dev`: the sample federation's Swift, kept running for one's own experiments."""

import typer

from renderer.dev.session import is_up, require_state, start_daemon, stop_daemon
from renderer.dev.state import SECRETS, STEWARD, SWIFT, users_of, users_path
from renderer.dev.swift import LOG_NAME, auth_url
from renderer.settings import settings_of

app = typer.Typer(help="The sample federation's Swift: up, down, status.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="dev")


@app.command()
def up(context: typer.Context) -> None:
    """Start the local Swift and leave it running."""
    root = settings_of(context).root
    start_daemon(root)
    _print_status(context)


@app.command()
def down(context: typer.Context) -> None:
    """End the local Swift; its data stays."""
    ended = stop_daemon(settings_of(context).root)
    typer.echo("Swift is down" if ended else "Swift was not up")


@app.command()
def status(context: typer.Context) -> None:
    """Say where the local Swift is and who its users are; exit 1 if it is down."""
    if not _print_status(context):
        raise typer.Exit(1)


def _print_status(context: typer.Context) -> bool:
    root = settings_of(context).root
    state = require_state(root)
    running = is_up(root, state)
    typer.echo(f"Swift     {'up' if running else 'down'}, ST_AUTH={auth_url(state.port)}")
    typer.echo(f"log       {root / SWIFT / LOG_NAME}")
    typer.echo(f"keys      {users_path(root)}; the workers' in {root / SECRETS}/<namespace>/<secret>/ST_KEY")
    for user in users_of(root).users:
        what = "admin of its account" if user.name == STEWARD else f"Secret {user.name}"
        typer.echo(f"ST_USER   {user.login:<28} {what}")
    return running
