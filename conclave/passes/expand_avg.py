"""Say averages by sums and counts, which parties can add up: avg(x) => sum(x) / count(x).

After:    nothing. The sum of integers stays exact; only the division is a double.
Reveals:  nothing more: sum and count stay inside the computation.
Safe:     an average is that quotient, of the very same rows; whoever may see it is shown it alone.
"""

from dataclasses import replace

from conclave.ir.expressions import Arithmetic, Column, Expression
from conclave.ir.nodes import Aggregate, AggregateOutput, Node, Output, Project, field_of
from conclave.ir.walk import bottom_up


def expand_avg(root: Node) -> Node:
    """Return `root` without averages. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()), Field("days", Integer())))
    >>> print(show(expand_avg(Aggregate(visits, ("ward",), (AggregateOutput("mean", "avg", "days"),)))))
    project ward, mean = days_sum / days_count
      aggregate by ward: days_sum = sum(days), days_count = count(days)
        scan visits @alpha
    """
    return bottom_up(root, _expand)


def _expand(node: Node) -> Node:
    if not (isinstance(node, Aggregate) and any(output.function == "avg" for output in node.outputs)):
        return node
    kept = [output for output in node.outputs if output.function != "avg"]
    quotients: dict[str, tuple[str, str]] = {}
    for output in node.outputs:
        if output.function == "avg" and output.over is not None:
            # Without NULLs the number of values is the number of rows, which is often asked for anyway.
            counted = output.over if field_of(node.source, output.over).nullable else None
            once = output.is_distinct
            total = find_or_add(
                kept, node.keys, AggregateOutput(f"{output.over}_sum", "sum", output.over, is_distinct=once)
            )
            counted = output.over if once else counted
            count = find_or_add(
                kept, node.keys, AggregateOutput(f"{output.over}_count", "count", counted, is_distinct=once)
            )
            quotients[output.name] = (total, count)
    aggregate = replace(node, outputs=tuple(kept))
    columns = {f.name: Column(f.name, f.type, f.nullable) for f in aggregate.schema}
    outputs: list[Output] = []
    for field in node.schema:
        value: Expression
        if field.name in quotients:
            total, count = quotients[field.name]
            value = Arithmetic("/", columns[total], columns[count])
        else:
            value = columns[field.name]
        outputs.append(Output(field.name, value))
    return Project(aggregate, tuple(outputs), node.at)


def find_or_add(kept: list[AggregateOutput], keys: tuple[str, ...], wanted: AggregateOutput) -> str:
    """Return the name of the aggregate that is wanted, which is there already or is added now."""
    for output in kept:
        if replace(output, name=wanted.name) == wanted:
            return output.name
    taken, name, n = {key.lower() for key in keys} | {output.name.lower() for output in kept}, wanted.name, 1
    while name.lower() in taken:
        n += 1
        name = f"{wanted.name}_{n}"
    kept.append(replace(wanted, name=name))
    return name
