"""What the options before a command's name set for all commands."""

from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True)
class Settings:
    """Of one call of `ccd`."""

    root: Path  # the federation's directory


def settings_of(context: typer.Context) -> Settings:
    """Return the settings of the call that `context` belongs to."""
    settings = context.find_object(Settings)
    return settings or Settings(Path())
