"""Problems as annotations: a forge shows each beside the line that causes it."""

import enum
import hashlib
import json
from collections.abc import Iterable

from policy.problem import Problem
from renderer.errors import one_line

ANNOTATE_HELP = "Print problems so that the forge shows them beside their lines: a Code Quality report for gitlab."


class Annotate(enum.StrEnum):
    """Whose annotations."""

    GITHUB = "github"
    GITLAB = "gitlab"


def annotations(problems: Iterable[Problem], forge: Annotate) -> str:
    """Return the problems in the spelling of `forge`."""
    if forge is Annotate.GITHUB:
        return "".join(f"{_github(problem)}\n" for problem in problems)
    return json.dumps([_gitlab(problem) for problem in problems], indent=2) + "\n"


def _github(problem: Problem) -> str:
    place = f"file={_property(problem.file)},line={problem.line},col={problem.column}"
    return f"::error {place}::{_data(one_line(problem))}"


def _gitlab(problem: Problem) -> dict[str, object]:
    text = one_line(problem)
    return {
        "description": text,
        "check_name": "ccd",
        "severity": "blocker",
        # GitLab tells old problems from new ones by it.
        "fingerprint": hashlib.sha256(f"{problem.file}\0{problem.field}\0{text}".encode()).hexdigest(),
        "location": {"path": problem.file, "lines": {"begin": problem.line}},
    }


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
