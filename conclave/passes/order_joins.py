"""Join small tables first, and what one owner holds before all: (a join b) join c => (a join c) join b.

After:    push_filter_down, so that conditions stand below joins and not between them.
Reveals:  what one owner can join alone is joined before MPC; how many rows come of it is then the size of its input, in
          place of the sizes of both tables.
Safe:     inner joins on equalities are associative and commutative, and columns are put back into their order. What
          decides that size has to be granted to one who computes or receives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from conclave.ir.errors import Position
from conclave.ir.expressions import Column
from conclave.ir.nodes import Join, Node, Output, Project
from conclave.ir.walk import children, owner_of, with_children
from conclave.plan.bounded import bounded_side
from conclave.plan.rows import most_rows, rows_of_join
from conclave.plan.unique import unique_side


@dataclass(frozen=True)
class _Part:
    """Tables that are joined already."""

    node: Node
    names: frozenset[str]
    n_rows: int
    cost: int  # of the joins in it


@dataclass(frozen=True)
class _On:
    """A pair of columns that a join has to find equal, and where the query says so."""

    left: str
    right: str
    at: Position | None


def order_joins(root: Node) -> Node:
    """Return `root` with inner joins in an order that costs less, where one is found. Idempotent; `root` stays.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> stays, labs, wards = (
    ...     Scan(name, f"{owner}/{name}", owner, (Field(name[0], Integer()),), frozenset(name[0]))
    ...     for name, owner in (("stays", "alpha"), ("labs", "bravo"), ("wards", "alpha"))
    ... )
    >>> print(show(order_joins(Join(Join(stays, labs, (("s", "l"),)), wards, (("s", "w"),)))))
    project s, l, w
      join on s = l
        join on s = w
          scan stays @alpha
          scan wards @alpha
        scan labs @bravo
    """
    done: dict[int, Node] = {}

    def visit(node: Node) -> Node:
        if id(node) not in done:
            if _is_inner(node):
                done[id(node)] = _reordered(over(node))
            else:
                done[id(node)] = with_children(node, tuple(visit(source) for source in children(node)))
        return done[id(node)]

    def over(node: Node) -> Node:
        """Return a tree of inner joins over what comes of its leaves."""
        return with_children(
            node, tuple(over(source) if _is_inner(source) else visit(source) for source in children(node))
        )

    return visit(root)


def _is_inner(node: Node) -> bool:
    return isinstance(node, Join) and node.how == "inner"


def _reordered(join: Node) -> Node:
    """Return the inner joins below a node in the order in which joining two parts at a time costs least."""
    leaves, pairs = list(_leaves(join)), list(_pairs(join))
    if len(leaves) < 3:
        return join
    parts = [_Part(leaf, frozenset(f.name for f in leaf.schema), most_rows(leaf), 0) for leaf in leaves]
    as_written = _cost(join)
    while len(parts) > 1:
        joined = [(each, a, b) for a, b in combinations(parts, 2) if (each := _joined(a, b, pairs)) is not None]
        best, left, right = min(
            joined, key=lambda found: (found[0].cost - found[1].cost - found[2].cost, found[0].n_rows)
        )
        parts = [best if part is left else part for part in parts if part is not right]
    (whole,) = parts
    if whole.cost >= as_written.cost:
        return join
    return Project(whole.node, tuple(Output(f.name, Column(f.name, f.type, f.nullable)) for f in join.schema))


def _joined(a: _Part, b: _Part, pairs: Sequence[_On]) -> _Part | None:
    """Return two parts joined by all pairs that are between them; None if there is none."""
    own = [pair for pair in pairs if pair.left in a.names and pair.right in b.names]
    turned = [_On(p.right, p.left, p.at) for p in pairs if p.right in a.names and p.left in b.names]
    between = [*own, *turned]
    if not between:
        return None
    on = tuple(dict.fromkeys((pair.left, pair.right) for pair in between))
    return _part(Join(a.node, b.node, on, at=between[0].at), a, b)


def _part(join: Join, a: _Part, b: _Part) -> _Part:
    own = 0 if owner_of(join) is not None else _cost_alone(join, a.n_rows, b.n_rows)
    return _Part(join, a.names | b.names, rows_of_join(join, a.n_rows, b.n_rows), a.cost + b.cost + own)


def _cost_alone(join: Join, left: int, right: int) -> int:
    """Return what a join costs under MPC, in rows that are sorted or moved."""
    if unique_side(join)[0] is not None:
        return left + right
    bounded = bounded_side(join)
    return left * right if bounded is None else (left + right) * bounded.most


def _cost(node: Node) -> _Part:
    if isinstance(node, Join) and node.how == "inner":
        return _part(node, _cost(node.left), _cost(node.right))
    return _Part(node, frozenset(), most_rows(node), 0)


def _leaves(node: Node) -> Iterator[Node]:
    if isinstance(node, Join) and node.how == "inner":
        yield from _leaves(node.left)
        yield from _leaves(node.right)
    else:
        yield node


def _pairs(node: Node) -> Iterator[_On]:
    if isinstance(node, Join) and node.how == "inner":
        yield from _pairs(node.left)
        yield from _pairs(node.right)
        yield from (_On(left, right, node.at) for left, right in node.on)
