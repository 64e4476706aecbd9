"""Where rows that do not exist are dropped under MPC, because a workflow has their number told.

Dropping costs a shuffle of the table and tells everybody how many rows are left; so it is done where it pays, below the
operators that sort: joins, groupings, window functions, limits. Of several operators in a row that leave rows out, the
last one does it, and so one number is told for all of them.

Reveals:  to all members, how many rows are left after the operators that are found here, and nothing of which.
Safe:     rows are shuffled before the bit of each is opened; the owners of all tables below have to grant the number to
          whoever may count (`compute.sizesTo`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from conclave.ir.walk import children, nodes_in, owner_of, scans_in
from conclave.ir.window import Window
from conclave.plan.steps import MpcStep
from conclave.plan.unique import unique_side


def compacted(root: Node, tables: frozenset[str], seers_of: Callable[[Node], tuple[str, ...]]) -> frozenset[Node]:
    """Return the operators after which rows that do not exist are dropped; `tables` are those of which rows may be counted.

    >>> from conclave.ir.expressions import Literal
    >>> from conclave.ir.types import Boolean, Field, Integer
    >>> fields = (Field("ward", Integer()),)
    >>> both = Concat((Scan("visits", "alpha/v", "alpha", fields), Scan("visits", "bravo/v", "bravo", fields)))
    >>> some = Filter(both, Literal(True, Boolean()))
    >>> groups = Aggregate(some, ("ward",), ())
    >>> compacted(groups, frozenset({"visits"}), lambda _: ()) == {some}, compacted(groups, frozenset(), lambda _: ())
    (True, frozenset())
    """
    finding = _Finding(tables, seers_of)
    return frozenset(found for node in nodes_in(root) for below in _sorted_by(node) for found in finding.under(below))


def may_compact(step: MpcStep) -> bool:
    """Whether a step is one that may drop rows: the rows that it makes are in no order."""
    return isinstance(step.operator, Filter | Join | Concat) or (
        isinstance(step.operator, Aggregate) and bool(step.operator.keys)
    )


def _sorted_by(node: Node) -> tuple[Node, ...]:
    """Return the sources that an operator under MPC sorts."""
    if owner_of(node) is not None:
        return ()
    match node:
        case Join() | Window() | Limit():
            return children(node)
        case Aggregate(source, keys) if keys:
            return (source,)
    return ()


@dataclass(frozen=True)
class _Finding:
    tables: frozenset[str]
    seers_of: Callable[[Node], tuple[str, ...]]

    def under(self, node: Node) -> Iterator[Node]:
        """Yield the last operator in or below `node` that leaves out rows which are still carried along."""
        if owner_of(node) is not None:
            return
        match node:
            case Filter():
                yield from self._if_countable(node)
            case Join():
                if self._leaves_blank(node):
                    yield from self._if_countable(node)
            case Aggregate(_, keys):
                if keys and len(self.seers_of(node)) < 2:  # all who see the keys keep no more rows than groups
                    yield from self._if_countable(node)
            case Concat(parts):
                if any(True for part in parts for _ in self.under(part)):
                    yield from self._if_countable(node)
            case Project(source) | Sort(source) | CrossOne(source):
                yield from self.under(source)
            case Scan() | Input() | Noise() | Window() | Limit() | Collect():
                return
            case _ as never:
                assert_never(never)

    def _if_countable(self, node: Node) -> Iterator[Node]:
        if {scan.table for scan in scans_in(node)} <= self.tables:
            yield node

    def _leaves_blank(self, join: Join) -> bool:
        """Whether a join carries rows that match nothing along."""
        side, seers = unique_side(join)[0], self.seers_of(join)
        match join.how:
            case "inner":
                return not seers or (len(seers) == 1 and side is not None)
            case "left":
                return not seers and side != "right"
            case "semi" | "anti":
                return True
            case _ as never:
                assert_never(never)
