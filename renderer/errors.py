"""Every error of `ccd` becomes text here: what, where, what to do, and the exit code; no traceback."""

import os
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from conclave.ir.errors import QueryProblem
from conclave.local.errors import DataMismatch, EncodeProblem, LocalError
from policy.identity import BadIdentity
from policy.problem import DocumentError, Problem
from renderer.local.secret_store import MissingSecretsError
from renderer.printable import printable
from renderer.tree import ForeignPathError

BAD_DOCUMENT = 10
DATA_MISMATCH = 20
STORE_UNAVAILABLE = 50
BUG = 70
CALLED_WRONGLY = 2  # with the name of something that there is not, say
NOT_VERIFIED = 1  # of commands that check what others have signed
TRACEBACK = "CCD_TRACEBACK"  # set it to see where a bug was met


class CommandError(Exception):
    """A command that cannot do what it was asked: what, what to do, and the exit code."""

    def __init__(self, what: str, fix: str | None = None, exit_code: int = 1) -> None:
        super().__init__(f"{what} (fix: {fix})" if fix else what)
        self.what, self.fix, self.exit_code = what, fix, exit_code


class Commands(typer.core.TyperGroup):
    """The commands of `ccd`, with errors said in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (typer.TyperException, typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if os.environ.get(TRACEBACK):
                raise
            raise typer.Exit(report(error)) from None


def report(error: Exception) -> int:
    """Print an error on stderr and return the exit code that goes with it."""
    match error:
        case DocumentError():
            print_problems(error.problems)
            return BAD_DOCUMENT
        case QueryProblem() | BadIdentity() | ForeignPathError():
            _say(str(error))
            return BAD_DOCUMENT
        case DataMismatch() | EncodeProblem():
            _say(str(error))
            return DATA_MISMATCH
        case LocalError() | MissingSecretsError():
            _say(str(error))
            return 1
        case CommandError():
            _say(str(error))
            return error.exit_code
        case BrokenPipeError():
            return 1
        case OSError():
            _say(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror))
            return 1
    # The text of an error that nobody foresaw may hold anything, even a value from somebody's data.
    _say(f"this is a bug: {type(error).__name__} ({TRACEBACK}=1 shows where it was met)")
    return BUG


def print_problems(problems: list[Problem] | tuple[Problem, ...], severity: str = "error") -> None:
    """Print problems on stderr, a line each, as compilers do: editors can jump to them."""
    colour = "red" if severity == "error" else "yellow"
    for problem in problems:
        line = Text(f"{printable(problem.file)}:{problem.line}:{problem.column}: ", style="bold")
        line.append(f"{severity}: ", style=colour)
        line.append(printable(one_line(problem)))
        _console().print(line, soft_wrap=True)


def one_line(problem: Problem) -> str:
    """Return a problem without its place, on one line."""
    field = f"{problem.field}: " if problem.field else ""
    fix = f" (fix: {problem.fix})" if problem.fix else ""
    return f"{field}{problem.what}{fix}".replace("\n", " ")


def _say(text: str) -> None:
    line = Text("error: ", style="red")
    line.append("\n".join(map(printable, text.split("\n"))))
    _console().print(line, soft_wrap=True)


def _console() -> Console:
    # Made anew each time: tests and shells redirect stderr.
    return Console(stderr=True, highlight=False, markup=False)
