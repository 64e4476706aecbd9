"""Group twice where equal values count once: count(distinct x) by k => count(x) by k over groups by k, x.

After:    expand_avg. All distinct aggregates of a node are over one column; what else it has is aggregated in two steps.
          What cannot be: MPC counts different values by itself, side by side.
Reveals:  nothing more: the inner groups stay inside the computation.
Safe:     groups by the keys and the value hold each value of a group once.
"""

from dataclasses import replace

from conclave.ir.errors import UnsupportedQuery
from conclave.ir.nodes import QUANTILES, Aggregate, AggregateOutput, Node
from conclave.ir.walk import bottom_up
from conclave.passes.split_aggregate import COMBINE_WITH


def expand_distinct(root: Node) -> Node:
    """Return `root` without distinct aggregates. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()), Field("id", Integer())))
    >>> outputs = (AggregateOutput("people", "count", "id", is_distinct=True), AggregateOutput("n", "count", None))
    >>> print(show(expand_distinct(Aggregate(visits, ("ward",), outputs))))
    aggregate by ward: people = count(id), n = total(n)
      aggregate by ward, id: n = count(*)
        scan visits @alpha
    """
    return bottom_up(root, _expand)


def _expand(node: Node) -> Node:
    # Under a guard subjects are told apart as well, which two steps of grouping cannot do.
    if not (isinstance(node, Aggregate) and any(output.is_distinct for output in node.outputs)) or node.guards:
        return node
    over, *others = {output.over for output in node.outputs if output.is_distinct}
    assert over is not None
    if others or any(output.function in QUANTILES for output in node.outputs):
        return node
    taken = {name.lower() for name in (*node.keys, over)}
    inner: list[AggregateOutput] = []
    outer: list[AggregateOutput] = []
    for output in node.outputs:
        if output.is_distinct:
            outer.append(replace(output, is_distinct=False))
            continue
        if output.function not in COMBINE_WITH:
            what = f"{output.function.upper()} beside values that count once is not supported"
            raise UnsupportedQuery(what, output.at, "take each in a subquery of its own, and join those")
        partial = replace(output, name=_fresh(output.name, taken))
        inner.append(partial)
        is_count = output.function == "count" or output.is_total_of_counts
        function = COMBINE_WITH[output.function]
        outer.append(replace(output, function=function, over=partial.name, is_total_of_counts=is_count))
    keys = tuple(dict.fromkeys((*node.keys, over)))
    return replace(node, source=Aggregate(node.source, keys, tuple(inner), node.at), outputs=tuple(outer))


def _fresh(wish: str, taken: set[str]) -> str:
    name, n = wish, 1
    while name.lower() in taken:
        n += 1
        name = f"{wish}_{n}"
    taken.add(name.lower())
    return name
