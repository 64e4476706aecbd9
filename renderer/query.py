"""A workflow's query, compiled as its workers will, and complaints moved to their line in the document."""

import re
from collections.abc import Iterator

from conclave.compile import compile_query
from conclave.ir.errors import Position, QueryProblem
from policy.problem import Path, Problem, field_name
from policy.yaml import Place
from renderer.documents import Document
from renderer.steps_sql import field_at
from renderer.workflow import Workflow
from worker.runspec import Run, cleartext_of, countable_of, tables_of, tables_unread

_PATH = ("spec", "query")
_LITERAL = re.compile(r"\|[-+]?[ \t]*(#.*)?$")


def check_query(workflow: Document[Workflow], run: Run) -> Iterator[Problem]:
    """Yield what is wrong with the query, if anything."""
    try:
        plan = compile_query(
            run.query,
            tables_of(run),
            run.outputs.recipients,
            run.mpc.compute,
            cleartext=cleartext_of(run),
            countable=countable_of(run),
            protocol=run.mpc.protocol,
        )
    except QueryProblem as error:
        yield query_problem(workflow, error)
        return
    for table in tables_unread(run, plan.query):
        what = f"the query does not read {table}, whose owners would take part nevertheless"
        yield workflow.problem(("spec", "tables", table), what, "leave it out")


def query_problem(workflow: Document[Workflow], error: QueryProblem) -> Problem:
    """Return a problem of the query as one of the document that it stands in."""
    steps = workflow.model.spec.steps
    if steps is not None:
        path: Path = ("spec", "steps", *(field_at(steps, error.at) if error.at else ()))
        return workflow.problem(path, error.what, error.fix)
    place = _place(workflow, error.at) if error.at else None
    if place is not None:
        return Problem(workflow.file, place.line, place.column, field_name(_PATH), error.what, error.fix)
    what = f"{error.at}: {error.what}" if error.at else error.what
    return workflow.problem(_PATH, what, error.fix)


def _place(workflow: Document[Workflow], at: Position) -> Place | None:
    """Return where in the file a place of the query is; None if the scalar's style loses its lines."""
    start = workflow.lines.values[_PATH]
    lines = workflow.text.splitlines()
    first = lines[start.line - 1][start.column - 1 :]
    if _LITERAL.match(first):
        body = lines[start.line :]
        indent = next((len(line) - len(line.lstrip(" ")) for line in body if line.strip()), 0)
        return Place(start.line + at.line, indent + at.column)
    if first[0] not in "|>'\"" and at.line == 1 and at.column <= len(first):
        return Place(start.line, start.column + at.column - 1)
    return None
