"""The plan of a committed workflow, exactly as every worker will compile it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from conclave.compile import compile_query
from conclave.ir.errors import QueryProblem
from conclave.plan.steps import Plan
from policy.document import Policy
from policy.problem import DocumentError
from policy.protections import protections_of
from renderer.check import load_workflow
from renderer.query import query_problem
from renderer.spec import plan_run
from worker.runspec import Run, cleartext_of, countable_of, tables_of


def plan_of_workflow(
    root: Path, workflow: Path, policies_of: Callable[[Run], Mapping[str, Policy]]
) -> tuple[Plan, Run, Mapping[str, Policy]]:
    """Return a workflow's plan and run, compiled from the documents of the federation in `root` and given policies.

    Raises:  DocumentError for documents that do not hold together, the query included.
    """
    workspace, document = load_workflow(root, workflow)
    run = plan_run(document.model, workspace.party_models, workspace.federation.model).run
    policies = policies_of(run)
    try:
        return compile_run(run, policies), run, policies
    except QueryProblem as error:
        raise DocumentError([query_problem(document, error)]) from error


def compile_run(run: Run, policies: Mapping[str, Policy] | None = None) -> Plan:
    """Return the plan of a run, as its workers compile it where these are the policies of its datasets.

    Without them, what policies ask for is not in it: the answer's columns are the same, steps and digest are not.
    """
    of_run = {dataset.name for dataset in run.datasets}
    protections = protections_of({name: policy for name, policy in (policies or {}).items() if name in of_run})
    return compile_query(
        run.query,
        tables_of(run),
        run.outputs.recipients,
        run.mpc.compute,
        protections,
        cleartext_of(run),
        countable_of(run),
        run.mpc.protocol,
    )
