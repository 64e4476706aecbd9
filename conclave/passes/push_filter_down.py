"""Drop rows as early as can be: filter(concat(a, b)) => concat(filter(a), filter(b)), and into a join's sides.

After:    expand_avg, merge_projects. Each condition of an AND goes its own way; one over a grouping goes below it only
          if it reads nothing but keys. A computed column is computed a second time only where its owner does it alone.
Reveals:  the size of a party's MPC input is now the number of its rows that pass, no longer of all its rows.
Safe:     a condition on columns of one part drops the same rows there as above; never past a grouping, window or outer join
          whose other rows it would change. What decides the size has to be granted to one who
          computes or receives.
"""

from dataclasses import replace
from typing import assert_never

from conclave.ir.expressions import Column, Expression, Literal, names_in
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
from conclave.ir.walk import all_of, bottom_up, conjuncts, is_short, owner_of, substitute
from conclave.ir.window import Window
from conclave.passes.prune_columns import is_narrowed_scan


def push_filter_down(root: Node) -> Node:
    """Return `root` with each condition as low as it can stand. Idempotent; `root` is not changed.

    >>> from conclave.ir.expressions import Compare
    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> schema = (Field("ward", Integer()),)
    >>> visits = Concat(tuple(Scan("visits", f"{owner}/visits", owner, schema) for owner in ("alpha", "bravo")))
    >>> is_first = Compare("=", Column("ward", Integer()), Literal(1, Integer()))
    >>> print(show(push_filter_down(Filter(visits, is_first))))
    concat
      filter ward = 1
        scan visits @alpha
      filter ward = 1
        scan visits @bravo
    """
    return bottom_up(root, _push)


def _push(node: Node) -> Node:
    if not isinstance(node, Filter):
        return node
    source, stuck = node.source, list[Expression]()
    if isinstance(source, Filter):
        stuck += conjuncts(source.predicate)
        source = source.source
    for condition in conjuncts(node.predicate):
        below = _below(source, condition)
        if below is None:
            stuck.append(condition)
        else:
            source = below
    if not stuck:
        return source
    left = all_of(tuple(dict.fromkeys(stuck)))
    return node if source is node.source and left == node.predicate else Filter(source, left, node.at)


def _filtered(node: Node, condition: Expression) -> Node:
    """Return the rows of `node` that meet the condition, tested as low as can be."""
    return _push(Filter(node, condition, condition.at))


def _below(node: Node, condition: Expression) -> Node | None:
    """Return `node` with the condition tested somewhere below it; None if it must stand on top."""
    names = names_in(condition)
    match node:
        case Concat(parts):
            return replace(node, parts=tuple(_filtered(part, condition) for part in parts))
        case Project() if is_narrowed_scan(node):
            return None  # below, `prune_columns` would only put another such under it
        case Project(source, outputs):
            by_name = {output.name: output.expression for output in outputs if output.name in names}
            if not is_short(condition, by_name):
                return None
            inner = substitute(condition, by_name)
            if all(isinstance(e, Column | Literal) for e in by_name.values()) or owner_of(source) is not None:
                return replace(node, source=_filtered(source, inner))
            below = _below(source, inner)
            return None if below is None else replace(node, source=below)
        case Join(left, right) | CrossOne(left, right):
            if names <= {f.name for f in left.schema}:
                return replace(node, left=_filtered(left, condition))
            # Never into the right side of a CrossOne: without its only row it would take all rows along. Nor into
            # that of a left join: rows that lose their match there stay, beside NULLs.
            if isinstance(node, Join) and node.how == "inner" and names <= {f.name for f in right.schema}:
                return replace(node, right=_filtered(right, condition))
            return None
        case Aggregate(source, keys):
            # Without keys there is always one row, whatever the condition says.
            return replace(node, source=_filtered(source, condition)) if keys and names <= set(keys) else None
        case Window(source, partition):
            # Partitions go as a whole or stay as a whole.
            return replace(node, source=_filtered(source, condition)) if names and names <= set(partition) else None
        case Sort(source):
            return replace(node, source=_filtered(source, condition))
        case Filter(source):
            below = _below(source, condition)
            return None if below is None else replace(node, source=below)
        case Scan() | Input() | Limit() | Noise() | Collect():
            return None  # a condition on noisy totals is none on the totals; nor may one go round what noise is on
        case _ as never:
            assert_never(never)
