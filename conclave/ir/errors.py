"""What can be wrong with a query, said with its place in the text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the query's text; both count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class QueryProblem(Exception):
    """A query that cannot be compiled: what, where, and what could be written instead."""

    def __init__(self, what: str, at: Position | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what, self.at, self.fix = what, at, fix

    def __str__(self) -> str:
        where = f"{self.at}: " if self.at else ""
        fix = f" (fix: {self.fix})" if self.fix else ""
        return f"{where}{self.what}{fix}"


class TypeProblem(QueryProblem):
    """Types that do not fit together."""


class UnsupportedQuery(QueryProblem):
    """Valid SQL that this compiler does not take."""
