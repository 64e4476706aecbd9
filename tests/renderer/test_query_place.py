"""A place in a query is found again in the document, however the query is written there."""

from pathlib import Path

import pytest

from conclave.ir.errors import Position, QueryProblem
from renderer.documents import read_workspace
from renderer.query import query_problem
from tests.renderer.conftest import edit

AS_WRITTEN = """  query: |
    SELECT ward, COUNT(*) AS n, SUM(cost) AS cost
    FROM visits
    WHERE kind <> 'it''s a "test": {{ }}'
    GROUP BY ward
"""


@pytest.mark.parametrize(
    ("written", "at", "expected"),
    [
        ("  query: |\n    SELECT\n      x\n", Position(2, 3), (11 + 1, 7)),
        ("  query: |  # why\n        SELECT\n          x\n", Position(2, 3), (11 + 1, 11)),
        ("  query: |-\n    SELECT x\n", Position(1, 8), (11, 12)),
        ("  query: SELECT x FROM y\n", Position(1, 8), (10, 17)),
        ("  query: >\n    SELECT\n    x\n", Position(1, 8), (10, 3)),
        ('  query: "SELECT x"\n', Position(1, 8), (10, 3)),
    ],
)
def test_the_place_is_the_documents(federation: Path, written: str, at: Position, expected: tuple[int, int]) -> None:
    edit(federation, "visits-by-ward.yaml", AS_WRITTEN, written)
    workflow = read_workspace(federation).workflows["visits-by-ward"]

    problem = query_problem(workflow, QueryProblem("no x here", at, "write y"))

    assert (problem.line, problem.column) == expected
    assert problem.what.endswith("no x here")
    assert problem.fix == "write y"
