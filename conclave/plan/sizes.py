"""What decides how many rows an owner puts into MPC, and how many there would be if nothing did.

Numbers are rounded up, and each table's by itself: an author who adds rows whose number is known, or the same rows again, would
find by the sums' steps how many there are exactly. Nor is a table joined with one that repeats its rows, which makes one row
more or less any number of them: `repeats_rows`.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Concat,
    CrossOne,
    Filter,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
)
from conclave.ir.walk import bottom_up, children, is_one_row, nodes_in, with_children
from conclave.ir.window import Window
from conclave.plan.unique import unique_side

N_ROWS = "n_rows"


def has_conditions(node: Node) -> bool:
    """Whether the number of rows tells anything but how many rows a dataset has.

    >>> from conclave.ir.expressions import Literal
    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.types import Boolean, Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()),))
    >>> has_conditions(visits), has_conditions(Filter(visits, Literal(True, Boolean())))
    (False, True)
    """
    deciding = Filter | Join | Limit | Aggregate | Concat
    return any(isinstance(each, deciding) or _is_kept_short(each) for each in nodes_in(node))


def rows_shared(query: Node, n_rows: int) -> int:
    """Return how many rows an owner's query has if its tables have so many and no condition drops any."""
    if is_one_row(query):
        return 1
    return min(n_rows, query.count) if isinstance(query, Limit) else n_rows


def without_conditions(node: Node) -> tuple[Node, ...]:
    """Return queries for the number of rows that `node` would have at most if no condition dropped any. Each has one row.

    What stands in a group or meets in a join still counts: leaving that away would change which columns there are. There is
    a query for each part of a UNION ALL; together they have as many rows, or more where groups or joins would be of several.
    """

    def drop(each: Node) -> Node:
        match each:
            case Filter(source) | Limit(source):
                return source
            case Join(left, how="semi" | "anti"):
                return left
            case Scan():
                return replace(each, kept=None)
            case Aggregate(guards=guards) if guards:
                return replace(each, guards=())
        return each

    counted = (AggregateOutput(N_ROWS, "count", None),)
    return tuple(Aggregate(part, (), counted) for part in _parts(bottom_up(node, drop)))


def repeats_rows(node: Node) -> bool:
    """Whether rows stand as often as they meet others, which repeat as well: one of them is then any number of rows."""
    joins = (each for each in nodes_in(node) if isinstance(each, Join) and each.how in ("inner", "left"))
    return any(unique_side(each)[0] is None for each in joins)


def _parts(node: Node) -> Iterator[Node]:
    match node:
        case Concat(parts):
            for part in parts:
                yield from _parts(part)
        case Project() | Window() | Sort() | Join() | CrossOne():
            for sources in product(*map(_parts, children(node))):
                yield with_children(node, sources)
        case Aggregate(source, keys) if keys:
            yield from (with_children(node, (part,)) for part in _parts(source))
        case _:
            yield node


def _is_kept_short(node: Node) -> bool:
    return isinstance(node, Scan) and node.kept is not None
