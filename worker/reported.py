"""What is said of a run's steps, against the plan that all agreed on: what peers have done, and what was told by then.

Everybody's manifest repeats what peers say of their steps. How long a step took and how much was sent is each party's own word; which steps there
were, of what kind and whose, everybody knows, and so it does who may hold an answer.
"""

from collections.abc import Collection, Iterator, Mapping

from conclave.mpc_steps import batches
from conclave.plan.show import kind_of, parties_of
from conclave.plan.steps import Disclosure, MpcStep, Plan, RevealStep, SendStep
from worker.messages import Finished


def strange_reports(plan: Plan, finished: Mapping[str, Finished]) -> Iterator[tuple[str, str]]:
    """Yield who has said what cannot be, and what that is."""
    for party, said in sorted(finished.items()):
        if sorted((step.name, step.kind) for step in said.steps) != sorted(_steps_of(party, plan)):
            yield party, "other steps than its part of the plan"
        if (said.commitment is not None) != (party in plan.query.recipients):
            yield party, "the answer" if said.commitment is not None else "no answer, and is a recipient"
    if len({said.commitment for said in finished.values() if said.commitment is not None}) > 1:
        yield " or ".join(sorted(plan.query.recipients)), "another result than the other recipients"


def told_by(begun: Collection[str], plan: Plan) -> Iterator[Disclosure]:
    """Yield what is told once the offers are exchanged and these steps have begun, at whoever has begun them.

    Of inputs that are shared at once the first is begun for all. Who has opened its part of an answer cannot know how far
    others have come.
    """
    at_once = [step.name for batch in batches(plan.steps) if batch[0].name in begun for step in batch]
    is_opened = any(isinstance(step, RevealStep | SendStep) for step in plan.steps if step.name in begun)
    waiting = {step.name for step in plan.steps} - {*begun, *at_once}
    yield from (each for each in plan.disclosures if is_opened or each.step not in waiting)


def _steps_of(party: str, plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield name and kind of each step that a party does, as it reports them: of inputs that are shared at once, the first."""
    for batch in batches(plan.steps):
        if any(party in parties_of(step, plan) for step in batch):
            for step in batch if isinstance(batch[0], MpcStep) else batch[:1]:
                yield step.name, kind_of(step)
