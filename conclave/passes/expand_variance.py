"""Say variances by counts, sums and sums of squares, which parties can add up: var_samp(x) => spread of the three.

After:    expand_avg. Where one party holds all rows its own engine takes the variance, which needs no squares' sum.
Reveals:  nothing more: the three stay inside the computation.
Safe:     the three add up over parties to what they are of all rows.
"""

from dataclasses import replace

from conclave.ir.expressions import Column, Expression, Spread
from conclave.ir.nodes import SPREADS, Aggregate, AggregateOutput, Node, Output, Project
from conclave.ir.walk import bottom_up, owner_of
from conclave.passes.expand_avg import find_or_add


def expand_variance(root: Node) -> Node:
    """Return `root` without variances of several parties' rows. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Concat, Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> schema = (Field("days", Integer()),)
    >>> visits = Concat(tuple(Scan("visits", f"{owner}/visits", owner, schema) for owner in ("alpha", "bravo")))
    >>> print(show(expand_variance(Aggregate(visits, (), (AggregateOutput("v", "var_pop", "days"),)))))
    project v = var_pop(days_count, days_sum, days_squares)
      aggregate: days_count = count(days), days_sum = sum(days), days_squares = sum_squares(days)
        concat
          scan visits @alpha
          scan visits @bravo
    """
    return bottom_up(root, _expand)


def _expand(node: Node) -> Node:
    if not (isinstance(node, Aggregate) and any(output.function in SPREADS for output in node.outputs)):
        return node
    # Values that count once are grouped first, and what stands beside them has to be in parts then.
    if owner_of(node) is not None and not any(output.is_distinct for output in node.outputs):
        return node
    kept = [output for output in node.outputs if output.function not in SPREADS]
    spreads: dict[str, tuple[str, str, str]] = {}
    for output in node.outputs:
        if output.function in SPREADS and output.over is not None:
            over = output.over
            spreads[output.name] = (
                find_or_add(kept, node.keys, AggregateOutput(f"{over}_count", "count", over)),
                find_or_add(kept, node.keys, AggregateOutput(f"{over}_sum", "sum", over)),
                find_or_add(kept, node.keys, AggregateOutput(f"{over}_squares", "sum_squares", over, at=output.at)),
            )
    aggregate = replace(node, outputs=tuple(kept))
    columns: dict[str, Expression] = {f.name: Column(f.name, f.type, f.nullable) for f in aggregate.schema}
    functions = {output.name: output for output in node.outputs}
    outputs = []
    for field in node.schema:
        value = columns.get(field.name)
        if field.name in spreads:
            function = functions[field.name].function
            assert function in SPREADS
            count, total, squares = (columns[name] for name in spreads[field.name])
            value = Spread(SPREADS[function], count, total, squares, functions[field.name].at)
        assert value is not None
        outputs.append(Output(field.name, value))
    return Project(aggregate, tuple(outputs), node.at)
