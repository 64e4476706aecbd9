"""Whether owners agree that how many rows are left on the way is told, where a plan drops rows that do not exist.

Theory. All members of a run learn such a number: the compute parties open it, and it is in the manifest's bytes and
seconds of every step that follows. So each owner of rows below the step has to name them all (`compute.sizesTo`); and as
of sizes that are put into MPC, whatever decides the number has to be granted to one who computes or receives, other
than the owner. Where an owner asks for a minimum of subjects, for padding or for noise, no clause makes an exact number
of rows that an author's conditions leave keep to that, so it is refused.
"""

from collections.abc import Iterator, Mapping

from conclave.ir.show import show_node
from conclave.ir.walk import scans_in
from conclave.plan.cleartext import who_counts
from conclave.plan.steps import MpcStep, Plan
from policy.document import Policy
from policy.faithful import tables_made
from policy.verdict import Code, Reason


def check_sizes(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield each owner whose rows would be counted on the way without its word."""
    made, members = tables_made(plan), {scan.owner for scan in scans_in(plan.query)} | set(plan.query.recipients)
    for step in plan.steps:
        if not isinstance(step, MpcStep) or not step.is_compacted or plan.mpc is None:
            continue
        counting = who_counts(step, plan.mpc.compute, members)
        below = scans_in(made[step.name]) if step.name in made else scans_in(plan.query)
        for dataset in sorted({scan.dataset for scan in below} & set(policies)):
            strangers = [party for party in counting if party != dataset.split("/")[0]]
            reason = _refusal(step, policies[dataset], strangers)
            if reason is not None:
                yield reason


def _refusal(step: MpcStep, policy: Policy, strangers: list[str]) -> Reason | None:
    asked = _asked_for(policy)
    if asked is not None:
        ask, says = "", "asks that sizes do not tell of single rows"
        return _reason(step, policy, "not-enforced", asked, says, strangers, ask)
    allowed = policy.spec.compute.sizes_to
    missing = [] if "*" in allowed else [party for party in strangers if party not in allowed]
    if missing:
        says = f"lets {', '.join(allowed) or 'nobody'} count rows on the way"
        ask = f", or ask {policy.metadata.dataset.split('/')[0]} to let {', '.join(missing)} count rows"
        return _reason(step, policy, "size-not-granted", "spec.compute.sizesTo", says, missing, ask)
    return None


def _asked_for(policy: Policy) -> str | None:
    """Return the clause that an exact number of rows could not keep to."""
    spec = policy.spec
    if spec.minimum is not None and spec.minimum.subjects > 1:
        return "spec.minimum.subjects"
    if spec.padding is not None and spec.padding.rows > 1:
        return "spec.padding.rows"
    return "spec.noise" if spec.noise is not None else None


def _reason(
    step: MpcStep, policy: Policy, code: Code, clause: str, says: str, strangers: list[str], ask: str
) -> Reason:
    return Reason(
        code=code,
        dataset=policy.metadata.dataset,
        version=policy.metadata.version,
        clause=clause,
        says=says,
        flow=(show_node(step.operator), f"how many rows {step.name} has, seen by {', '.join(strangers)}"),
        what=f"{', '.join(strangers)} would learn how many rows are left after {show_node(step.operator)}",
        fix=f"take its table out of spec.mpc.discloseSizes{ask}",
    )
