"""Whether the plan's steps compute the very query that is judged, and keep to bounds and padding on the way.

Compiling is not trusted: the query is put together again from the steps, and has to be the one that the flow was traced
over. Only what the recipients do for themselves, ordering the answer, is left out.
"""

import contextlib
from collections.abc import Iterator, Mapping
from math import lcm

from conclave.ir.errors import QueryProblem
from conclave.ir.guard import Protection
from conclave.ir.nodes import Input, Limit, Node, Sort
from conclave.ir.walk import bottom_up, children, is_one_row, scans_in, with_children
from conclave.local.sqltext import to_sql
from conclave.plan.sizes import has_conditions
from conclave.plan.steps import LocalStep, MpcStep, Plan, RevealStep, SendStep, ShareStep
from policy.document import Policy
from policy.protections import protections_of
from policy.verdict import Reason

_FAULT = "this is a fault of the compiler: report it, with the query"


def check_steps_compute(plan: Plan) -> Iterator[Reason]:
    """Yield a reason for each step whose SQL is not its query, and for what is opened being another query's answer."""
    try:
        yield from _unfaithful(plan)
    except QueryProblem:
        yield Reason("unfaithful", "", "the steps do not fit together", _FAULT)


def _unfaithful(plan: Plan) -> Iterator[Reason]:
    made: dict[str, Node] = {}
    opened: list[Node] = []
    for step in plan.steps:
        match step:
            case LocalStep(name, _, query, sql):
                made[name] = _put_together(query, made)
                if to_sql(query) != sql:
                    yield Reason("unfaithful", "", f"step {name} would run other SQL than its query", _FAULT)
            case ShareStep(name, _, source):
                made[name] = made.get(source, Input(source, step.schema))
            case MpcStep(name, operator):
                made[name] = _put_together(operator, made)
            case RevealStep(name, source) | SendStep(name, _, source):
                opened.append(made.get(source, Input(source, step.schema)))
                made[name] = Input(name, step.schema)
    for table in opened:
        if _unordered(table) != _unordered(plan.query.source):
            yield Reason("unfaithful", "", "the steps would open another table than the query's answer", _FAULT)


def tables_made(plan: Plan) -> dict[str, Node]:
    """Return, for each step, the query whose table it makes, as far as the steps fit together."""
    made: dict[str, Node] = {}
    for step in plan.steps:
        with contextlib.suppress(QueryProblem):  # `check_steps_compute` says so
            match step:
                case LocalStep(name, _, query):
                    made[name] = _put_together(query, made)
                case ShareStep(name, _, source):
                    made[name] = made.get(source, Input(source, step.schema))
                case MpcStep(name, operator):
                    made[name] = _put_together(operator, made)
                case RevealStep(name) | SendStep(name):
                    made[name] = Input(name, step.schema)
    return made


def check_protections(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the datasets that are read without their bounds, or shared without their padding."""
    protections = protections_of(policies)
    for scan in scans_in(plan.query):
        wanted = protections.get(scan.dataset, Protection())
        if scan.clamps != wanted.clamps:
            columns = ", ".join(clamp.column for clamp in wanted.clamps) or "no column"
            what = f"{scan.dataset} would be read without the bounds that its policy sets"
            yield _reason(policies, scan.dataset, "spec.columns", f"sets bounds on {columns}", what)
        if scan.kept != wanted.kept:
            what = f"{scan.dataset} would be read without the limits on its rows that its policy sets"
            yield _reason(policies, scan.dataset, "spec.noise", "says which rows are read", what)
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    for step in plan.steps:
        if isinstance(step, ShareStep) and step.source in queries and not is_one_row(queries[step.source]):
            datasets = {scan.dataset for scan in scans_in(queries[step.source])}
            for dataset in sorted(datasets & set(protections)):
                multiple = protections[dataset].padding
                if lcm(step.padding, multiple) != step.padding:
                    says = f"asks that the number of rows put into MPC is a multiple of {multiple}"
                    what = f"step {step.name} would show how many rows of {dataset} there are, and not rounded up"
                    yield _reason(policies, dataset, "spec.padding.rows", says, what)
                if protections[dataset].has_minimum and has_conditions(queries[step.source]) and not step.hides_filters:
                    says = f"asks for at least {protections[dataset].least} subjects behind all that is released"
                    what = f"step {step.name} would show how many rows of {dataset} meet a condition"
                    yield _reason(policies, dataset, "spec.minimum.subjects", says, what)


def _reason(policies: Mapping[str, Policy], dataset: str, clause: str, says: str, what: str) -> Reason:
    version = policies[dataset].metadata.version if dataset in policies else None
    fix = "compile the plan with the policies of all datasets"
    return Reason("not-enforced", dataset, what, fix, version=version, clause=clause, says=says)


def _put_together(node: Node, made: Mapping[str, Node]) -> Node:
    return bottom_up(node, lambda part: made.get(part.name, part) if isinstance(part, Input) else part)


def _unordered(node: Node) -> Node:
    """Return the query without orders that no LIMIT cuts by: rows have none then."""
    if isinstance(node, Sort):
        return _unordered(node.source)
    if isinstance(node, Limit) and isinstance(node.source, Sort):
        below = _unordered(node.source.source)
        return with_children(node, (with_children(node.source, (below,)) if node.source.keys else below,))
    return with_children(node, tuple(_unordered(source) for source in children(node)))
