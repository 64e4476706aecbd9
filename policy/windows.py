"""What window functions tell: a row's number, rank or running total is computed from single rows, of its partition all.

A running sum less the one before it is a value, a rank is a comparison with every other row, and a partition's total
stands beside each of its rows. So what a window function reads is in its result as `derived`, which only `open`
releases, and a condition on the result decides by all of it; besides, the partition groups and the order ranks. Of
labels and aggregates it is what any computation with them is.
"""

from dataclasses import replace

from conclave.ir.show import show_node
from conclave.ir.window import Window, WindowOutput
from policy.uses import Relation, Use, Value, influences_of, merged, together


def windowed(source: Relation, node: Window) -> Relation:
    """Return the rows of `source` with what each window function tells beside them."""
    partition = [source.values[name] for name in node.partition]
    order = [source.values[key.column] for key in node.order]
    deciding = [*(influences_of(value, "group_key", _by(node), node.at) for value in partition)]
    for key, value in zip(node.order, order, strict=True):
        of_rows = Value(tuple(use for use in value.uses if use.is_of_rows), value.influences)
        deciding.append(influences_of(of_rows, "rank", f"ordered by {key.column}", node.at))
    made = {output.name: _told(output, [*partition, *order], deciding, source, node) for output in node.outputs}
    return replace(source, values={**source.values, **made})


def _told(
    output: WindowOutput, read: list[Value], deciding: list[tuple[Use, ...]], source: Relation, node: Window
) -> Value:
    over = [source.values[output.over]] if output.over is not None else []
    parts, at = together(*over, *read), output.at or node.at
    step = show_node(replace(node, outputs=(output,)))
    uses = (replace(use, kind="derived") if use.is_of_rows else use for use in parts.uses)
    # Whatever it is of, it can tell how many rows there are: 1 added up is their number.
    told = (replace(use, total=None).via(step, at) for use in merged(uses, source.rows))
    return Value(merged(told), merged(parts.influences, *deciding))


def _by(node: Window) -> str:
    return f"window by {', '.join(node.partition)}"
