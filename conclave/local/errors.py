"""What can go wrong with data on its owner's machine, said without a value of it."""

from dataclasses import dataclass


class LocalError(Exception):
    """A local step failed. Only the class of the engine's error is kept: its text may quote the data."""

    def __init__(self, step: str, kind: str) -> None:
        super().__init__(step, kind)
        self.step, self.kind = step, kind

    def __str__(self) -> str:
        return f"local step {self.step} failed: {self.kind}"


class EngineUnavailable(Exception):
    """A local engine on other machines does not answer, or does not let the worker in."""

    def __init__(self, is_refused: bool = False) -> None:
        super().__init__(is_refused)
        self.is_refused = is_refused

    def __str__(self) -> str:
        return "Spark refuses the worker's token" if self.is_refused else "Spark does not answer"


class TooFewSubjectsLocally(Exception):
    """A group has fewer subjects than its owner lets anything be released of, and the owner's policy ends the run."""

    def __str__(self) -> str:
        return "a group has fewer subjects than a policy asks for, and that policy ends the run"


class EncodeProblem(Exception):
    """A column that cannot be held in words, or words that are no values of the column's type."""

    def __init__(self, column: str, what: str) -> None:
        super().__init__(column, what)
        self.column, self.what = column, what

    def __str__(self) -> str:
        return f"column {self.column}: {self.what}"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One way in which a file is not what was declared. `row` counts from 1, without the header."""

    rule: str
    fix: str
    column: str | None = None
    row: int | None = None


class DataMismatch(Exception):
    """A file that is not what its owner declared: where, which rule, what to do; never the value."""

    def __init__(self, mismatch: Mismatch) -> None:
        super().__init__(mismatch)
        self.mismatch = mismatch
        self.column, self.rule = mismatch.column, mismatch.rule
        self.row, self.fix = mismatch.row, mismatch.fix

    def __str__(self) -> str:
        column = f"column {self.column}, " if self.column else ""
        row = f"row {self.row}: " if self.row else ""
        return f"{column}{row}{self.rule} (fix: {self.fix})"
