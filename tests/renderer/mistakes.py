"""The sample federation with a mistake in it, and all that is said of that."""

import datetime
from pathlib import Path

from policy.problem import DocumentError
from renderer.check import Findings, check_workspace
from renderer.documents import read_workspace
from renderer.errors import one_line
from tests.renderer.conftest import NOW, edit

WORKFLOW, ALPHA, BRAVO, CAROL = "visits-by-ward.yaml", "parties/alpha.yaml", "parties/bravo.yaml", "parties/carol.yaml"

# Where bravo's dataset lies, in its document, and another place for it.
SWIFT_PLACE = "backend: swift\n      container: clinic\n      object: visits.csv\n      credentials: bravo-store"
DATAVERSE_PLACE = """backend: dataverse
      url: https://data.example.org
      persistentId: doi:10.5072/FK2/ABC
      version: "1.0"
      file: 2024/visits.csv"""

# The file, what stands there, what is put in its place, the complaints.
Case = tuple[str, str, str, list[str]]


def assert_said(federation: Path, case: Case) -> None:
    """Make the mistake, and hold what is said of it to the case: file, line, column, field, what and what to do."""
    file, old, new, expected = case
    edit(federation, file, old, new)

    problems = findings(federation).problems

    assert [f"{p.file}:{p.line}:{p.column}: {one_line(p)}" for p in problems] == [f"workflows/{e}" for e in expected]


def findings(root: Path, now: datetime.datetime = NOW) -> Findings:
    """Return what is wrong with the documents, be it with one by itself or with how they fit together."""
    try:
        return check_workspace(read_workspace(root), now)
    except DocumentError as error:
        return Findings(tuple(error.problems))
