"""How many rows tables have, as far as owners declare it: what orders of joins and estimates of cost go by."""

from typing import assert_never

from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.walk import is_one_row, owner_of
from conclave.ir.window import Window
from conclave.plan.bounded import bounded_side
from conclave.plan.unique import unique_side

# Of a dataset whose owner does not say how many rows it has at most.
UNDECLARED_ROWS = 1_000_000


def most_rows(node: Node) -> int:
    """Return how many rows a table has at most, or about how many where nobody has declared that."""
    if is_one_row(node):
        return 1
    match node:
        case Scan(most_rows=declared):
            return UNDECLARED_ROWS if declared is None else declared
        case Input():
            return UNDECLARED_ROWS
        case Concat(parts):
            return sum(map(most_rows, parts))
        case Project(source) | Filter(source) | Aggregate(source) | Window(source) | Sort(source) | Collect(source):
            return most_rows(source)
        case Noise():
            return node.n_groups
        case Limit(source, count):
            return min(count, most_rows(source))
        case CrossOne(left):
            return most_rows(left)
        case Join(left, right):
            return rows_of_join(node, most_rows(left), most_rows(right))
        case _ as never:
            assert_never(never)


def rows_of_join(join: Join, left: int, right: int) -> int:
    """Return how many rows a join makes of sides with so many."""
    side, _ = unique_side(join)
    if join.how in ("semi", "anti") or side == "right":
        return left
    if side == "left":
        return right + (left if join.how == "left" else 0)
    if owner_of(join) is not None:  # alone it has those that match
        return max(left, right)
    bounded = bounded_side(join)
    if bounded is None:  # under MPC there is a row for each pair
        return left * right
    if bounded.side == "right":
        return left * bounded.most
    return right * bounded.most + (left if join.how == "left" else 0)
