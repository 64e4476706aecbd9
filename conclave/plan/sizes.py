"""What decides how many rows an owner puts into MPC, and how many there would be if nothing did."""

from dataclasses import replace

from conclave.ir.nodes import Aggregate, AggregateOutput, Filter, Join, Limit, Node, Scan
from conclave.ir.walk import bottom_up, is_one_row, nodes_in

N_ROWS = "n_rows"


def has_conditions(node: Node) -> bool:
    """Whether the number of rows tells anything but how many rows the datasets have.

    >>> from conclave.ir.expressions import Literal
    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.types import Boolean, Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()),))
    >>> has_conditions(visits), has_conditions(Filter(visits, Literal(True, Boolean())))
    (False, True)
    """
    return any(isinstance(each, Filter | Join | Limit | Aggregate) or _is_kept_short(each) for each in nodes_in(node))


def rows_shared(query: Node, n_rows: int) -> int:
    """Return how many rows an owner's query has if its tables have so many and no condition drops any."""
    if is_one_row(query):
        return 1
    return min(n_rows, query.count) if isinstance(query, Limit) else n_rows


def without_conditions(node: Node) -> Node:
    """Return a query for the number of rows that `node` would have if no condition dropped any. It has one row.

    What stands in a group or meets in a join still counts: leaving that away would change which columns there are.
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

    return Aggregate(bottom_up(node, drop), (), (AggregateOutput(N_ROWS, "count", None),))


def _is_kept_short(node: Node) -> bool:
    return isinstance(node, Scan) and node.kept is not None
