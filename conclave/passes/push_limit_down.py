"""Let parties cut their own rows before MPC: first n of concat(a, b) => first n of concat(first n of a, first n of b).

So it is with what ORDER BY and LIMIT keep, and with conditions on ROW_NUMBER, RANK and DENSE_RANK, which keep the first rows
of each partition: numbers among one owner's rows are at most what they are among all.

Where an order leaves rows of one owner equal, its own engine picks among them, and it knows which it picked: an answer
that it is shown could tell it that a row is another's. So nothing is picked before MPC where a recipient holds some of the
rows, unless the order leaves equal only what is equal in every column. Ranks keep all that is equal. How many rows numbers
keep, their values decide: an owner that alone gets the answer has agreed with nobody's learning that. Under a minimum of
subjects an owner puts in as many rows as if nothing had been cut, so that it would spare nothing.

After:    push_filter_down and push_project_down, which clear the way to the concat; group_parts_by_owner, so that each
          owner cuts all of its rows at once.
Reveals:  the size of a party's MPC input is now what is left of its rows, no longer all of them. What decides that decides
          the answer's rows, too, and has to be granted to one who computes or receives.
Safe:     a row among the first of all is among the first of its owner, or alike one that is; and what numbers it there,
          the rows before it, are kept with it.
"""

from collections.abc import Iterator
from dataclasses import replace

from conclave.ir.expressions import Column, Compare, Expression, Literal
from conclave.ir.nodes import Aggregate, Collect, Concat, Filter, Limit, Node, Output, Project, Sort
from conclave.ir.noise import Noise
from conclave.ir.walk import bottom_up, conjuncts, joined, nodes_in, owner_of, with_children
from conclave.ir.window import SortKey, Window

_NUMBERS = ("row_number", "rank", "dense_rank")


def push_limit_down(root: Node) -> Node:
    """Return `root` with the first rows of an order picked by every owner first. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> schema = (Field("cost", Integer()),)
    >>> visits = Concat(tuple(Scan("visits", f"{owner}/visits", owner, schema) for owner in ("alpha", "bravo")))
    >>> print(show(push_limit_down(Collect(Limit(Sort(visits, (SortKey("cost"),)), 5), ("carol",)))))
    collect for carol
      limit 5
        sort by cost
          concat
            limit 5
              sort by cost
                scan visits @alpha
            limit 5
              sort by cost
                scan visits @bravo
    """
    if not isinstance(root, Collect) or any(_protects(node) for node in nodes_in(root)):
        return root
    recipients = frozenset(root.recipients)
    return bottom_up(root, lambda node: node if owner_of(node) is not None else _push(node, recipients))


def _protects(node: Node) -> bool:
    return isinstance(node, Noise) or (isinstance(node, Aggregate) and bool(node.guards))


def _push(node: Node, recipients: frozenset[str]) -> Node:
    match node:
        case Limit(Sort(Concat() as concat, keys) as order) if keys:
            if _may_pick(concat, keys, recipients):
                return with_children(node, (with_children(order, (_cut(concat, node),)),))
        case Filter(Window(Concat() as concat, partition, keys, outputs) as window, predicate) if keys:
            is_only_recipient = len(recipients) == 1 and recipients <= concat.owners
            if is_only_recipient or any(output.function not in _NUMBERS for output in outputs):
                return node
            may_pick = _may_pick(concat, (*keys, *map(SortKey, partition)), recipients)
            numbers = {o.name for o in outputs if may_pick or o.function != "row_number"}
            firsts = dict(_firsts(predicate, numbers))
            if firsts:
                numbered = replace(window, outputs=tuple(o for o in outputs if o.name in firsts))
                first = replace(node, source=numbered, predicate=joined("and", list(firsts.values())))
                return with_children(node, (with_children(window, (_cut(concat, first),)),))
    return node


def _may_pick(concat: Concat, keys: tuple[SortKey, ...], recipients: frozenset[str]) -> bool:
    """Whether owners may say which rows come first of those that an order leaves equal."""
    is_total = {key.column for key in keys} == {f.name for f in concat.schema}
    return is_total or concat.owners.isdisjoint(recipients)


def _firsts(predicate: Expression, numbers: set[str]) -> Iterator[tuple[str, Compare]]:
    """Yield, for each condition that keeps no number above a constant, which number it is of and that it does so."""
    for condition in conjuncts(predicate):
        match condition:
            case Compare("=" | "<=" | "<", Column(name), Literal(int())) if name in numbers:
                yield name, replace(condition, operator="<" if condition.operator == "<" else "<=")


def _cut(concat: Concat, first: Limit | Filter) -> Node:
    """Return the parts, of each that one party holds the rows that `first` keeps."""
    parts = (part if owner_of(part) is None else _first_of(part, first) for part in concat.parts)
    return with_children(concat, tuple(parts))


def _first_of(part: Node, first: Limit | Filter) -> Node:
    """Return what `first` keeps of a part; the part itself if it is that already, of other rows."""
    match part:
        case Limit(count=count) if isinstance(first, Limit) and count <= first.count:
            return part
        case Project(Filter(Window(inner))) if isinstance(first, Filter) and _over(first, inner) == part:
            return part
    return _over(first, part)


def _over(first: Limit | Filter, rows: Node) -> Node:
    """Return the first of other rows, with their columns alone."""
    kept = with_children(first, (with_children(first.source, (rows,)),))
    if isinstance(first, Limit):
        return kept
    return Project(kept, tuple(Output(f.name, Column(f.name, f.type, f.nullable)) for f in rows.schema), first.at)
