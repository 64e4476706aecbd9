"""A run's query as a plan: the same at every party, and at whoever asks beforehand."""

from conclave.compile import compile_query
from conclave.ir.errors import QueryProblem
from conclave.plan.steps import Plan
from worker.errors import BadDocument
from worker.runspec import Run, tables_of


def compile_run(run: Run) -> Plan:
    """Compile the run's query, as every party does for itself.

    Raises:  BadDocument, with the place in the query.
    """
    try:
        return compile_query(run.query, tables_of(run), run.outputs.recipients, run.mpc.compute)
    except QueryProblem as problem:
        where = f"{run.workflow}, query" + (f", {problem.at}" if problem.at else "")
        raise BadDocument(problem.what, where, fix=problem.fix or "") from None
