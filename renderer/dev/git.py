"""Git for a repository of our own making, untouched by the user's configuration, hooks and signing."""

import os
import subprocess
from pathlib import Path

from renderer.errors import CommandError

AUTHOR = "ccd demo"
EMAIL = "demo@ccd.invalid"

# A template directory or hooks path of the user's would put their hooks into our repository.
_SETTINGS = {
    "user.name": AUTHOR,
    "user.email": EMAIL,
    "commit.gpgSign": "false",
    "core.hooksPath": "/dev/null",
    "core.autocrlf": "false",
    "init.defaultBranch": "main",
    "init.templateDir": "",
}


def new_repository(directory: Path) -> None:
    """Make `directory` a Git repository."""
    _git(directory, "init", "--quiet")


def commit(directory: Path, message: str, *paths: str) -> None:
    """Commit what lies at `paths`."""
    _git(directory, "add", "--", *paths)
    _git(directory, "commit", "--quiet", "--no-verify", "--message", message)


def _git(directory: Path, *arguments: str) -> None:
    settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
    # Inside a hook GIT_DIR and others would point to another repository.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment = inherited | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - arguments are ours
            ["git", *settings, *arguments],  # noqa: S607 - the user's Git, wherever it is
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise CommandError("git is not installed", "install it: the sample federation is a Git repository") from None
    if done.returncode != 0:
        raise CommandError(f"git {arguments[0]} failed in {directory}: {done.stderr.strip()}")
