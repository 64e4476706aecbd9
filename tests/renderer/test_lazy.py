"""A command imports what it needs, and `ccd --help` none of what any of them needs."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from renderer import commands
from renderer.cli import Ccd
from renderer.lazy import Entry, load

HEAVY = {"duckdb", "keystoneauth1", "kubernetes", "numba", "numpy", "pyarrow", "pyDataverse", "swiftclient"}
# Prints the heavy modules that a call of `ccd` has imported, whatever else it prints.
PROBE = f"""
import sys
from renderer.cli import main
try:
    main()
finally:
    print("imported:", *sorted({HEAVY} & sys.modules.keys()), file=sys.stderr)
"""


def imported_by(*arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("imported:")]
    return line.split()[1:]


@pytest.mark.parametrize("entry", Ccd.entries, ids=lambda entry: entry.name)
def test_the_list_of_commands_says_what_each_says_of_itself(entry: Entry) -> None:
    command = load(entry)

    assert command.name == entry.name
    assert command.help.partition("\n\n")[0].replace("\n", " ") == entry.summary


def test_every_module_of_a_command_is_listed() -> None:
    modules = {module.name for module in pkgutil.iter_modules(commands.__path__)}

    assert {entry.module for entry in Ccd.entries} == modules


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)], ids=" ".join)
def test_the_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported_by(*arguments) == []


@pytest.mark.parametrize("command", ["render", "validate"])
def test_rendering_needs_no_engine_and_no_store(command: str, federation: Path) -> None:
    assert imported_by("-C", str(federation), command) == []
