"""What is wrong with a document, said with its file, line and field; rendered in one place."""

from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `what` and `fix` never hold a value that could be a secret."""

    file: str
    line: int  # from 1
    column: int  # from 1
    field: str  # "spec.grants[0].columns.delay"; empty for the document itself
    what: str
    fix: str | None = None

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        fix = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{self.file}:{self.line}:{self.column}: {field}{self.what}{fix}"

    def to_json(self) -> dict[str, str | int | None]:
        """Return the fields as a JSON object."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "field": self.field,
            "what": self.what,
            "fix": self.fix,
        }


class DocumentError(Exception):
    """A document that cannot be taken; `problems` holds everything found, in the file's order."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.field, p.what))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RuleBroken(ValueError):
    """Raise it in pydantic validators: its words are shown, those of a plain ValueError never."""

    def __init__(self, what: str, fix: str | None = None) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


def field_name(path: Path) -> str:
    """Return a path as people write it.

    >>> field_name(("spec", "grants", 0, "columns", "arr_delay"))
    'spec.grants[0].columns.arr_delay'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
