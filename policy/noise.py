"""Whether all that is told of rows whose owner asks for noise has enough of it, and nothing of them is told without.

The plan's own query is gone through again, whatever the compiler meant: what a column with noise costs is how much one
subject can move it, divided by the scale of the noise that the plan says; and the costs of all columns add up to no more
than epsilon. Sizes count: what an owner puts into MPC has as many rows whatever its data.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction

from conclave.ir.errors import QueryProblem
from conclave.ir.guard import Protection
from conclave.ir.nodes import Concat, Filter, Input, Node, Project, Scan, Sort
from conclave.ir.noise import MOST_SCALE, Noise
from conclave.ir.walk import bottom_up, children, is_one_row, nodes_in, scans_in
from conclave.plan.sensitivity import Changes, Sensitivity
from conclave.plan.show import noise_of
from conclave.plan.sizes import has_conditions
from conclave.plan.steps import LocalStep, MpcStep, Plan, ShareStep
from policy.document import Policy
from policy.limits import decimal_of, exact
from policy.protections import protections_of
from policy.verdict import Obligation, Reason

_FAULT = "this is a fault of the compiler: report it, with the query"


def check_noise(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield what would be told with less noise than a policy asks for."""
    asking = {name: policy for name, policy in policies.items() if policy.spec.noise is not None}
    read = sorted({scan.dataset for scan in scans_in(plan.query)} & set(asking))
    if not read:
        return
    protections = protections_of(policies)
    traced = Sensitivity(protections)
    try:
        traced.held(plan.query)
    except QueryProblem as problem:
        for dataset in read:
            yield _reason(asking[dataset], problem.what, problem.fix or _FAULT, problem)
        return
    for dataset in read:
        yield from _overspent(asking[dataset], traced.released)
    yield from _scales(traced.released, [asking[dataset] for dataset in read])
    yield from _sizes(plan, protections, asking)
    yield from _steps(plan, protections, asking)


def noise_obligations(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Obligation]:
    """Yield, for each column with noise, whose noise it is and how far off the answer is by it."""
    if not any(policy.spec.noise for policy in policies.values()):
        return
    traced = Sensitivity(protections_of(policies))
    traced.held(plan.query)
    for node in (node for node in nodes_in(plan.query) if isinstance(node, Noise)):
        for each in node.columns:
            for dataset in sorted(traced.released[node][each.column]):
                yield Obligation(dataset, "spec.noise", noise_of(node, each))


def _overspent(policy: Policy, released: Mapping[Noise, Mapping[str, Changes]]) -> Iterator[Reason]:
    """Yield a refusal if what is told costs more than the policy's epsilon.

    What a subject of several datasets moves in all of them counts, wherever this policy's dataset has a part in it.
    """
    assert policy.spec.noise is not None
    dataset, spent = policy.metadata.dataset, Fraction(0)
    for node, changes in released.items():
        for each in node.columns:
            moved = sum(changes[each.column].values(), Fraction(0))
            if not moved or dataset not in changes[each.column]:
                continue
            if each.scale <= 0 or each.epsilon != moved / each.scale:
                yield _reason(policy, f"{each.column} would be told with other noise than the plan says", _FAULT)
                return
            spent += moved / each.scale
    if spent > exact(policy.spec.noise.epsilon):
        what = f"what is told together costs epsilon {decimal_of(spent)} of {dataset}"
        yield _reason(policy, what, _FAULT)


def _scales(released: Mapping[Noise, Mapping[str, Changes]], asking: list[Policy]) -> Iterator[Reason]:
    largest = max((each.scale for node in released for each in node.columns), default=Fraction(0))
    if largest > MOST_SCALE:
        for policy in asking:
            what = f"noise of scale {decimal_of(largest)} would not fit the 64-bit words of MPC"
            yield _reason(policy, what, "ask the owners for narrower bounds, fewer rows of a subject, or more epsilon")


def _sizes(plan: Plan, protections: Mapping[str, Protection], asking: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the steps that would put a number of rows into MPC that the data decide, and not only its number of rows."""
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    for step in plan.steps:
        if not isinstance(step, ShareStep) or step.source not in queries:
            continue
        query = queries[step.source]
        for dataset in sorted({scan.dataset for scan in scans_in(query)} & set(asking)):
            if not _is_sized(query, step, protections):
                what = f"step {step.name} would show how many rows of {dataset} meet, or are alike in something"
                yield _reason(asking[dataset], what, "join and group in one query with the other owners' rows")


def _steps(plan: Plan, protections: Mapping[str, Protection], asking: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the steps in which somebody would see keys of protected rows, or that would draw noise on one total again."""
    made: dict[str, Node] = {}
    drawn: set[Node] = set()
    for step in plan.steps:
        match step:
            case LocalStep(name, _, query):
                made[name] = query
            case ShareStep(name, _, source) if source in made:
                made[name] = made[source]
            case MpcStep(name, operator):
                made[name] = bottom_up(operator, lambda n: made.get(n.name, n) if isinstance(n, Input) else n)
                what = ""
                if step.seen_by and _reads_protected(made[name], protections):
                    what = f"{', '.join(step.seen_by)} would see keys of {{}} in the clear ({name})"
                elif isinstance(operator, Noise) and made[name] in drawn:
                    what = (
                        f"step {name} would draw other noise on totals of {{}} that have some, and both would tell more"
                    )
                drawn.add(made[name])
                for dataset in sorted({scan.dataset for scan in scans_in(made[name])} & set(asking) if what else ()):
                    fix = "take the columns out of the workflow's spec.mpc.cleartext" if step.seen_by else _FAULT
                    yield _reason(asking[dataset], what.format(dataset), fix)


def _reads_protected(node: Node, protections: Mapping[str, Protection]) -> bool:
    return any(Sensitivity(protections).held(source).is_protected for source in children(node))


def _is_sized(query: Node, step: ShareStep, protections: Mapping[str, Protection]) -> bool:
    if is_one_row(query):
        return True
    held = Sensitivity(protections).held(query)
    totals = held.totals
    if totals is not None:
        n_groups = held.n_groups(f.name for f in query.schema if f.name not in totals)
        return n_groups is not None and step.padding % n_groups == 0
    row_by_row = all(isinstance(node, Scan | Project | Filter | Concat | Sort) for node in nodes_in(query))
    return not held.rows or (row_by_row and (step.hides_filters or not has_conditions(query)))


def _reason(policy: Policy, what: str, fix: str, problem: QueryProblem | None = None) -> Reason:
    noise = policy.spec.noise
    assert noise is not None
    return Reason(
        code="noise-not-met",
        dataset=policy.metadata.dataset,
        version=policy.metadata.version,
        clause="spec.noise.epsilon",
        says=f"asks for noise: what a run tells of one {noise.unit} costs epsilon {decimal_of(exact(noise.epsilon))} at most",
        what=what,
        where=problem.at if problem is not None else None,
        fix=fix,
    )
