"""Whether what an owner's own engine computes could fail on a row that an author has picked.

A run that fails tells all its members so. An author can tie that to one person's row: by a constant that is so large that
it fits for all but one. So where policies ask for a minimum of subjects, or for noise, whatever is computed in clear must
fit its type by the types and constants alone.
"""

from collections.abc import Iterator, Mapping

from conclave.ir.expressions import Arithmetic, Call, Case, Cast, Column, Expression, Negate, operands
from conclave.ir.magnitude import Sizes
from conclave.ir.nodes import Aggregate, AggregateOutput, Filter, Node, Project, Scan
from conclave.ir.types import Decimal, Integer
from conclave.ir.walk import children, nodes_in, scans_in
from conclave.plan.steps import LocalStep, Plan, ShareStep
from conclave.reach import reach_of, reach_of_sums, sizes_by_type
from policy.document import Policy
from policy.spans import span_of, span_of_type
from policy.verdict import Code, Reason

_FIX = "compute with smaller constants, or with columns of a narrower type"
_FIX_SHARED = "compute with smaller constants, or ask the owner for `bounds` on the columns, or for narrower types"
_MOST_ROWS = 1 << 31
_MOST_SUM = (1 << 63) - 1
_SUMS = ("sum", "sum_squares", "avg")


def check_local_sizes(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each protected dataset of whose rows something is computed that may not fit."""
    asking = {name: code for name, policy in policies.items() if (code := _asks_for(policy)) is not None}
    for step in plan.steps:
        if isinstance(step, LocalStep) and not (
            all(map(_is_certain_node, nodes_in(step.query))) and not reach_of_sums(step.query).open
        ):
            for dataset in sorted({scan.dataset for scan in scans_in(step.query)} & asking.keys()):
                what = (
                    f"whether numbers computed of rows of {dataset} fit their types would be told by how the run ends"
                )
                yield Reason(asking.pop(dataset), dataset, what, _FIX)


def check_shared_sizes(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each protected dataset of which numbers are shared whose size hangs on the rows that are picked."""
    asking = {name: code for name, policy in policies.items() if (code := _asks_for(policy)) is not None}
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    for step in plan.steps:
        if not asking or not isinstance(step, ShareStep) or step.source not in queries:
            continue
        found = sorted(reach_of(plan, step).open)
        for dataset in sorted(
            {scan.dataset for scan in scans_in(queries[step.source])} & asking.keys() if found else ()
        ):
            what = f"whether {found[0]}, computed of rows of {dataset}, fits the words of MPC would be told by how the run ends"
            yield Reason(asking.pop(dataset), dataset, what, _FIX_SHARED)


def _asks_for(policy: Policy) -> Code | None:
    if policy.spec.noise is not None:
        return "noise-not-met"
    return "minimum-not-met" if policy.spec.minimum is not None else None


def _is_certain_node(node: Node) -> bool:
    below = (each for source in children(node) for each in nodes_in(source))
    if any(isinstance(each, Aggregate) and each.guards for each in below):
        return True  # numbers of groups that are of enough subjects are nobody's
    match node:
        case Project(source, outputs):
            return all(_is_certain(output.expression, sizes_by_type(source)) for output in outputs)
        case Filter(source, predicate):
            return _is_certain(predicate, sizes_by_type(source))
        case Aggregate(source, _, outputs):
            return all(_is_certain_sum(output, source) for output in outputs)
    return True


def _is_certain(expression: Expression, sizes: Sizes) -> bool:
    can_fail = isinstance(expression, Arithmetic | Negate | Case | Cast | Call)
    if can_fail and not span_of(expression, sizes).is_within(span_of_type(expression.type)):
        return False
    return all(_is_certain(part, sizes) for part in operands(expression))


def _is_certain_sum(output: AggregateOutput, source: Node) -> bool:
    """Whether a sum of computed numbers fits. Those that are an owner's own are held to limits as whole columns."""
    if output.function not in _SUMS or output.over is None:
        return True
    found = _made_by(source, output.over)
    if found is None or isinstance(found[0], Column):
        return True
    made, below = found
    if not isinstance(made.type, Integer | Decimal):
        return True  # doubles never fail
    most = span_of(made, sizes_by_type(below)).size
    power = 2 if output.function == "sum_squares" else 1
    return most is not None and most**power * _MOST_ROWS <= _MOST_SUM


def _made_by(node: Node, name: str) -> tuple[Expression, Node] | None:
    """Return the expression whose values a column has, and what it is computed of; None for an owner's own."""
    match node:
        case Project(source, outputs):
            made = next(output.expression for output in outputs if output.name == name)
            return (_made_by(source, made.name) if isinstance(made, Column) else None) or (made, source)
        case Scan():
            return None
    for source in children(node):
        if name in {f.name for f in source.schema}:
            return _made_by(source, name)
    return None
