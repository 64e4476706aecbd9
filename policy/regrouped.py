"""COUNT(DISTINCT x) as one grouping again, where the compiler has made two or more of it.

Theory. Different values are counted by groups by the keys and x, which hold each value once, and then by the keys alone
(`expand_distinct`); each owner makes the former of its own rows first (`split_aggregate`). What an answer tells hangs on the
answer, and not on how it is computed. So the flow is traced over the query that counts them in one grouping, which has the
same answer whatever the data (tests hold it to DuckDB). Whoever writes the two groupings by hand asks for the same.
Anything that is not certainly the same stays as it is: x decides then, as whatever rows are grouped by.

How many of the former groups there are is told all the same, where an owner puts them into MPC: `told_apart`.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from conclave.ir.errors import QueryProblem
from conclave.ir.nodes import Aggregate, AggregateOutput, Concat, Node, field_of
from conclave.ir.walk import bottom_up, nodes_in
from conclave.passes.split_aggregate import COMBINE_WITH

NUMBER = "\0number"  # no column is called so


@dataclass(frozen=True)
class _Once:
    """A grouping that counts different values, as one."""

    whole: Aggregate
    over: str  # whose different values
    below: tuple[Aggregate, ...]  # the groupings that tell them apart


def regrouped(root: Node) -> Node:
    """Return the query with each COUNT(DISTINCT x) in one grouping. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()), Field("id", Integer())))
    >>> apart = Aggregate(visits, ("ward", "id"), (AggregateOutput("n", "count", None),))
    >>> outputs = (AggregateOutput("people", "count", "id"), AggregateOutput("n", "sum", "n", is_total_of_counts=True))
    >>> print(show(regrouped(Aggregate(apart, ("ward",), outputs))))
    aggregate by ward: people = count(distinct id), n = count(*)
      scan visits @alpha
    """
    return bottom_up(root, lambda node: once.whole if (once := _once(node)) is not None else node)


def told_apart(root: Node) -> Mapping[Node, Aggregate]:
    """Return the groupings that are there so that a column's values count once: and how many values that are, by the others."""
    found: dict[Node, Aggregate] = {}
    for node in nodes_in(root):
        once = _once(node)
        if once is not None:
            number = AggregateOutput(NUMBER, "count", once.over, is_distinct=True)
            for each in once.below:
                keys = tuple(key for key in each.keys if key != once.over)
                found.setdefault(each, replace(each, keys=keys, outputs=(number,)))
    return found


def _once(node: Node) -> _Once | None:
    if not (isinstance(node, Aggregate) and isinstance(node.source, Aggregate)) or node.guards:
        return None
    apart = node.source
    if apart.guards or len(apart.keys) != len(node.keys) + 1 or not set(node.keys) < set(apart.keys):
        return None
    (over,) = set(apart.keys) - set(node.keys)
    counts = [output for output in node.outputs if _counts(output, over, apart)]
    first, owners = _before_owners(apart)
    others = _at_once(tuple(output for output in node.outputs if output not in counts), first.outputs)
    if not counts or others is None:
        return None
    made = {output.name: output for output in others}
    made |= {output.name: replace(output, over=over, is_distinct=True) for output in counts}
    outputs = tuple(made[output.name] for output in node.outputs)
    return _Once(replace(node, source=first.source, outputs=outputs), over, (apart, *owners))


def _counts(output: AggregateOutput, over: str, apart: Aggregate) -> bool:
    """Whether it is how many different values there are: NULL makes a group, too, and is no value."""
    if output.function != "count" or output.is_distinct or output.times is not None:
        return False
    return output.over == over or (output.over is None and not field_of(apart, over).nullable)


def _before_owners(apart: Aggregate) -> tuple[Aggregate, tuple[Aggregate, ...]]:
    """Return the grouping of all rows at once, and those that each owner has made of its own before, if they have."""
    parts = apart.source.parts if isinstance(apart.source, Concat) else ()
    own = [
        part for part in parts if isinstance(part, Aggregate) and not part.guards and set(part.keys) == set(apart.keys)
    ]
    if not own or len(own) != len(parts):
        return apart, ()
    first, *rest = own
    outputs = _at_once(apart.outputs, first.outputs)
    if outputs is None or any(part.outputs != first.outputs for part in rest):
        return apart, ()
    with contextlib.suppress(QueryProblem):  # their rows have other columns: somebody has written that by hand
        rows = Concat(tuple(part.source for part in own))
        return replace(apart, source=rows, outputs=outputs), tuple(own)
    return apart, ()


def _at_once(
    outputs: tuple[AggregateOutput, ...], partial: tuple[AggregateOutput, ...]
) -> tuple[AggregateOutput, ...] | None:
    """Return what aggregates of partial results are of all rows; None if one of them is not certainly that."""
    below = {output.name: output for output in partial}
    made = []
    for output in outputs:
        part = below.get(output.over or "")
        if part is None or any(o.is_distinct or o.times is not None for o in (output, part)):
            return None
        if COMBINE_WITH.get(part.function) != output.function:
            return None
        if output.is_total_of_counts != (part.function == "count" or part.is_total_of_counts):
            return None  # of no rows it is NULL, and a count is not
        function, of_counts = part.function, part.is_total_of_counts
        made.append(replace(output, function=function, over=part.over, is_total_of_counts=of_counts))
    return tuple(made)
