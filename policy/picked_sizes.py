"""Whether the number of rows that an owner puts into MPC could be made a question, where a minimum of subjects is asked for.

As many rows are put in as there would be without conditions (`conclave.plan.sizes`). But what rows are grouped or joined by
decides as a condition does: CASE WHEN patient = 7 THEN ward END has one value or two, and is equal to a ward of another
table or not. So under a minimum, where such a table is shared, tables are joined by columns of datasets and totals of
whole datasets, and grouped by what is computed of these without deciding. And no table is joined with one that repeats its rows:
one of them would be any number of pairs, which no rounding hides.
"""

from collections.abc import Iterator, Mapping

from conclave.ir.expressions import Column, names_in
from conclave.ir.nodes import Aggregate, Concat, Join, Node, Project, Scan
from conclave.ir.show import show_node
from conclave.ir.walk import children, is_one_row, nodes_in, scans_in
from conclave.plan.sizes import repeats_rows
from conclave.plan.steps import LocalStep, Plan, ShareStep
from policy.document import Policy
from policy.mean import without_casts
from policy.minimum import least_of, refusal
from policy.shaping import Shaping
from policy.verdict import Reason

_FIX = "join and group by columns as they are, or let another owner's rows have a part in the step before"


def check_picked_sizes(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield each owner that asks for a minimum, and whose rows would be counted by what the query computes."""
    asking = {name: policy for name, policy in policies.items() if least_of(policy) > 1}
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    shaping = Shaping(policies)
    for step in plan.steps:
        if not asking or not isinstance(step, ShareStep) or step.source not in queries:
            continue
        query = queries[step.source]
        datasets = sorted({scan.dataset for scan in scans_in(query)} & asking.keys())
        found = next((n for n in nodes_in(query) if _picks(n, shaping)), None) if datasets else None
        if found is None or is_one_row(query):
            continue
        for dataset in datasets:
            policy = asking.pop(dataset)
            yield refusal(
                policy,
                "minimum-not-met",
                f"step {step.name} would show how many rows of {dataset} are alike in, or meet by, what the query computes",
                found.at if isinstance(found, Aggregate | Join) else None,
                _FIX,
                (show_node(found), f"how many rows {step.party} puts into MPC, seen by the compute parties"),
            )


def _picks(node: Node, shaping: Shaping) -> bool:
    match node:
        case Aggregate(source, keys):
            shape = shaping.shape(source)
            return any(
                key in shape.weighed | shape.chosen or shape.is_of_both({key}) or not _is_of_data(source, key, True)
                for key in keys
            )
        case Join(left, right, on, "inner" | "left"):
            return repeats_rows(node) or not all(
                _is_of_data(left, a, False) and _is_of_data(right, b, False) for a, b in on
            )
    return False


def _is_of_data(node: Node, name: str, may_compute: bool) -> bool:
    """Whether a column is a dataset's own, or a total of whole datasets; or computed of such, if that will do."""
    match node:
        case Scan():
            return True
        case Project(source, outputs):
            made = without_casts(next(output.expression for output in outputs if output.name == name))
            is_allowed = isinstance(made, Column) or (may_compute and bool(names_in(made)))
            return is_allowed and all(_is_of_data(source, read, may_compute) for read in names_in(made))
        case Aggregate(source, keys, outputs) if name not in keys:
            over = next(output.over for output in outputs if output.name == name)
            is_whole = all(isinstance(each, Scan | Project | Concat) for each in nodes_in(source))
            return is_whole and all(_is_of_data(source, read, False) for read in (*keys, *([over] if over else [])))
    sides = [side for side in children(node) if name in {f.name for f in side.schema}]
    return bool(sides) and all(_is_of_data(side, name, may_compute) for side in sides)
