"""Every command's help ends with examples, and each of them is a call that the command takes."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from renderer.cli import Ccd
from renderer.examples import EXAMPLES
from renderer.lazy import load


def commands() -> Iterator[tuple[str, Any]]:
    for entry in Ccd.entries:
        yield from below(load(entry), entry.name)


def below(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
    for name, each in (inner or {}).items():
        yield from below(each, f"{path} {name}")


COMMANDS = dict(commands())


def test_every_command_has_examples_and_no_other_has() -> None:
    assert sorted(EXAMPLES) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("path", "example"), [(path, each) for path, lines in EXAMPLES.items() for each in lines], ids=str
)
def test_an_example_is_a_call_that_its_command_takes(path: str, example: str) -> None:
    command = COMMANDS[path]
    words = shlex.split(example.partition(" >")[0].removeprefix("ccd -C .demo ").removeprefix("ccd "))
    assert words[: len(path.split())] == path.split()
    parser = command.make_parser(typer.Context(command))

    values, left, _ = parser.parse_args(words[len(path.split()) :])  # raises for an option that there is not

    required = {each.name for each in command.params if each.required}
    assert required <= {name for name, value in values.items() if value}
    assert left == []


@pytest.mark.parametrize("path", COMMANDS)
def test_help_leaves_the_breaking_of_lines_to_the_terminal(path: str) -> None:
    assert all("\n" not in paragraph for paragraph in COMMANDS[path].help.split("\n\n"))
    assert COMMANDS[path].epilog.split("\n\n")[1:] == list(EXAMPLES[path])
