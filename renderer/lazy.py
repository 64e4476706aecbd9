"""Commands whose modules are imported when they are run: what a solver or a database needs, nobody else waits for."""

import importlib
from dataclasses import dataclass
from typing import Any

import typer
import typer.main

from renderer.errors import Commands
from renderer.examples import EXAMPLES
from renderer.short_lived import uncollected


@dataclass(frozen=True)
class Entry:
    """A command as `ccd --help` lists it, and the module below `renderer.commands` that registers it."""

    name: str
    module: str
    summary: str  # the first line of the command's own help


class LazyCommands(Commands):
    """Commands of which only names and first lines are known before one of them is asked for."""

    entries: tuple[Entry, ...] = ()

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for entry in self.entries:
            self.add_command(_Listed(entry.name, help=entry.summary, rich_markup_mode=self.rich_markup_mode))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that `args` begin with, imported."""
        name, command, rest = super().resolve_command(ctx, args)
        if isinstance(command, _Listed):
            command = load(next(entry for entry in self.entries if entry.name == name))
            self.add_command(command)
        return name, command, rest


class _Listed(typer.core.TyperCommand):
    """Stands for a command until somebody asks for it."""


def load(entry: Entry) -> Any:
    """Import a command's module and return the command."""
    app = typer.Typer(rich_markup_mode="rich")
    with uncollected():  # classes by the hundred, and none of them to free
        importlib.import_module(f"renderer.commands.{entry.module}").register(app)
    return _helpful(typer.main.get_group(app).commands[entry.name], entry.name)


def flowing(text: str) -> str:
    """Return a text with each of its paragraphs on one line, for a terminal of any width to break.

    >>> flowing("one\\ntwo\\n\\nthree")
    'one two\\n\\nthree'
    """
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def _helpful(command: Any, path: str) -> Any:
    """Give a command, and those below it, help that fits the terminal, and examples."""
    command.help = flowing(command.help or "")
    if path in EXAMPLES:
        command.epilog = "\n\n".join(["Examples:", *EXAMPLES[path]])
    for name, inner in getattr(command, "commands", {}).items():
        _helpful(inner, f"{path} {name}")
    return command
