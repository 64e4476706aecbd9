"""A run's query as a plan: the same at every party, and at whoever asks beforehand."""

from collections.abc import Mapping

from conclave.compile import compile_query
from conclave.ir.errors import QueryProblem
from conclave.ir.guard import Protection
from conclave.plan.steps import Plan
from worker.errors import BadDocument
from worker.runspec import Run, cleartext_of, countable_of, tables_of, tables_unread


def compile_run(run: Run, protections: Mapping[str, Protection] | None = None) -> Plan:
    """Compile the run's query with what the owners' policies ask for, as every party does for itself.

    Without `protections` it is what an approval names: before the policies are shown, nobody knows what they will add.

    Raises:  BadDocument, with the place in the query.
    """
    try:
        plan = compile_query(
            run.query,
            tables_of(run),
            run.outputs.recipients,
            run.mpc.compute,
            protections,
            cleartext_of(run),
            countable_of(run),
            run.mpc.protocol,
        )
    except QueryProblem as problem:
        where = f"{run.workflow}, query" + (f", {problem.at}" if problem.at else "")
        raise BadDocument(problem.what, where, fix=problem.fix or "") from None
    unread = tables_unread(run, plan.query)
    if unread:
        what = f"the query does not read {', '.join(unread)}, whose owners would take part nevertheless"
        raise BadDocument(what, f"{run.workflow}, tables", fix="leave out of spec.tables what the query does not read")
    return plan
