"""Git for a repository of our own making, untouched by the user's configuration, hooks and signing."""

import os
from pathlib import Path

from renderer.git import run_git

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
    # Inside a hook GIT_DIR and others would point to another repository.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment = inherited | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    run_git(directory, *arguments, settings=_SETTINGS, environment=environment)
