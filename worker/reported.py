"""What peers say of the steps that they have done and of the answer that they hold, against the plan that all agreed on.

Everybody's manifest repeats it. How long a step took and how much was sent is each party's own word; which steps there
were, of what kind and whose, everybody knows, and so it does who may hold an answer.
"""

from collections.abc import Iterator, Mapping

from conclave.mpc_steps import batches
from conclave.plan.show import kind_of, parties_of
from conclave.plan.steps import MpcStep, Plan
from worker.messages import Finished


def strange_reports(plan: Plan, finished: Mapping[str, Finished]) -> Iterator[tuple[str, str]]:
    """Yield who has said what cannot be, and what that is."""
    for party, said in sorted(finished.items()):
        if sorted((step.name, step.kind) for step in said.steps) != sorted(_steps_of(party, plan)):
            yield party, "other steps than its part of the plan"
        if (said.commitment is not None) != (party in plan.query.recipients):
            yield party, "the answer" if said.commitment is not None else "no answer, and is a recipient"


def _steps_of(party: str, plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield name and kind of each step that a party does, as it reports them: of inputs that are shared at once, the first."""
    for batch in batches(plan.steps):
        if any(party in parties_of(step, plan) for step in batch):
            for step in batch if isinstance(batch[0], MpcStep) else batch[:1]:
                yield step.name, kind_of(step)
