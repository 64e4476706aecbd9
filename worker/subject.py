"""What an approval is of: what this worker is about to do, by digests that it takes itself."""

from conclave.plan.wire import digest as plan_digest
from policy.approval import Subject
from policy.canonical import digest
from worker.compiling import compile_run
from worker.runspec import RunSpec, run_digest


def subject_of(spec: RunSpec) -> Subject:
    """Return what this worker is about to do, as approvals name it.

    Raises:  BadDocument for a query that cannot be compiled.
    """
    plan = plan_digest(compile_run(spec.run))
    return Subject(spec.own.party, spec.run.run_id, run_digest(spec.run), digest(spec.own), plan, spec.run.image)
