"""Let parties aggregate their own rows before MPC: agg(concat(a, b)) => agg(concat(agg(a), agg(b))).

After:    expand_avg, which turns avg into sum and count; push_filter_down and push_project_down, which clear the way to
          the concat; group_parts_by_owner, so that each owner aggregates all of its rows at once.
Reveals:  the size of a party's MPC input is now its number of groups, no longer its number of rows.
Safe:     the combination of each function over the parts is the function over all rows; where subjects are
          counted it stays whole, since somebody may be with two owners. What decides the size has to be
          granted to one who computes or receives.
"""

from dataclasses import replace

from conclave.ir.nodes import Aggregate, AggregateFunction, AggregateOutput, Concat, Node
from conclave.ir.walk import bottom_up, owner_of

# Partial counts are added, not counted again; the others combine with themselves. An average has no such partner.
COMBINE_WITH: dict[AggregateFunction, AggregateFunction] = {
    "count": "sum", "sum": "sum", "sum_squares": "sum", "min": "min", "max": "max",
}  # fmt: skip


def split_aggregate(root: Node) -> Node:
    """Return `root` with each aggregate over several owners' rows done twice. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> schema = (Field("ward", Integer()),)
    >>> visits = Concat(tuple(Scan("visits", f"{owner}/visits", owner, schema) for owner in ("alpha", "bravo")))
    >>> print(show(split_aggregate(Aggregate(visits, ("ward",), (AggregateOutput("n", "count", None),)))))
    aggregate by ward: n = total(n)
      concat
        aggregate by ward: n = count(*)
          scan visits @alpha
        aggregate by ward: n = count(*)
          scan visits @bravo
    """
    return bottom_up(root, _split)


def _split(node: Node) -> Node:
    match node:
        case Aggregate(Concat(parts) as concat) if _is_splittable(node, parts):
            partial = tuple(replace(node, source=part) for part in parts)
            combined = tuple(_combine(output) for output in node.outputs)
            return replace(node, source=replace(concat, parts=partial), outputs=combined)
    return node


def _is_splittable(node: Aggregate, parts: tuple[Node, ...]) -> bool:
    if any(output.function not in COMBINE_WITH or output.is_distinct for output in node.outputs):
        return False
    if not node.keys and not node.outputs:  # one row of no columns: the total of a ROLLUP that shows no aggregate
        return False
    if node.guards:  # somebody may be with several owners: subjects cannot be counted apart and added up
        return False
    # A part that several parties hold would be aggregated under MPC twice.
    if owner_of(node) is not None or any(owner_of(part) is None for part in parts):
        return False
    return not all(_has_one_row_per_group(part, node.keys) for part in parts)


def _has_one_row_per_group(part: Node, keys: tuple[str, ...]) -> bool:
    return isinstance(part, Aggregate) and set(part.keys) == set(keys)


def _combine(output: AggregateOutput) -> AggregateOutput:
    is_count = output.function == "count" or output.is_total_of_counts
    function = COMBINE_WITH[output.function]
    return replace(output, function=function, over=output.name, is_total_of_counts=is_count)
