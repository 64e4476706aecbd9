"""The plan of a committed workflow, exactly as every worker will compile it."""

from pathlib import Path

from conclave.compile import compile_query
from conclave.ir.errors import QueryProblem
from conclave.plan.steps import Plan
from policy.problem import DocumentError
from renderer.check import load_workspace
from renderer.query import query_problem
from renderer.spec import plan_run
from worker.runspec import Run, tables_of


def plan_of_workflow(root: Path, workflow: Path) -> tuple[Plan, Run]:
    """Return a workflow's plan and run, compiled from the documents of the federation in `root`.

    Raises:  DocumentError for documents that do not hold together, the query included.
    """
    workspace = load_workspace(root)
    document = workspace.workflow_in(workflow)
    run = plan_run(document.model, workspace.party_models, workspace.federation.model).run
    try:
        return compile_run(run), run
    except QueryProblem as error:
        raise DocumentError([query_problem(document, error)]) from error


def compile_run(run: Run) -> Plan:
    """Return the plan of a run, as its workers compile it."""
    return compile_query(run.query, tables_of(run), run.outputs.recipients, run.mpc.compute)
