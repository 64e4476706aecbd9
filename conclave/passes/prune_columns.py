"""Never read what nobody needs: a projection directly above each scan, and nothing superfluous into a join or concat.

What several parties hold together and is used twice keeps what either use needs: so it is still computed once.

After:    all others: they decide which columns are needed where.
Reveals:  nothing; columns that are not needed are no longer shared.
Safe:     what is left out, nothing above reads; rows stay as many as they are.
"""

from dataclasses import replace
from typing import assert_never

from conclave.ir.expressions import Column, Literal, names_in
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
    Output,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.types import Boolean
from conclave.ir.walk import children, nodes_in, owner_of, shared, with_children
from conclave.ir.window import Window, WindowOutput

Names = frozenset[str]


def prune_columns(root: Node) -> Node:
    """Return `root` reading no more than its own columns need. Idempotent; `root` is not changed.

    >>> from conclave.ir.nodes import AggregateOutput
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()), Field("days", Integer())))
    >>> print(show(prune_columns(Aggregate(visits, ("ward",), (AggregateOutput("n", "count", None),)))))
    aggregate by ward: n = count(*)
      project ward
        scan visits @alpha
    """
    root = shared(root)
    needs: dict[int, Names] = {id(root): frozenset(f.name for f in root.schema)}
    for node in nodes_in(root):  # users before what they use
        if id(node) in needs:
            for source, names in zip(children(node), _needs_of_sources(node, needs[id(node)]), strict=True):
                if names is not None:
                    needs[id(source)] = needs.get(id(source), frozenset()) | names
    return _Pruning(needs).visit(root, needs[id(root)])


def _needs_of_sources(node: Node, needed: Names) -> tuple[Names | None, ...]:
    """Return what `node` needs of each of its sources to give the columns `needed`; None if not even its rows."""
    match node:
        case Scan() | Input():
            return ()
        case Collect(source):
            return (frozenset(f.name for f in source.schema),)
        case Concat(parts):
            return (_at_least_one(needed, node),) * len(parts)
        case Project():
            return (frozenset(name for o in _kept(node, needed) for name in names_in(o.expression)),)
        case Filter(_, predicate):
            return (needed | names_in(predicate),)
        case Aggregate(_, keys):
            outputs = _kept_aggregate(node, needed).outputs
            overs = (o.over for o in outputs if o.over is not None)
            return (frozenset((*keys, *overs, *(guard.subject for guard in node.guards))),)
        case Noise(_, keys):
            return (frozenset((*keys, *(each.column for each in _kept_noise(node, needed).columns))),)
        case Window(source, partition, order):
            kept = _kept_window(node, needed)
            if not kept:
                return (_at_least_one(needed, source),)
            reads = {*partition, *(key.column for key in order), *(o.over for o in kept if o.over is not None)}
            return (frozenset(reads) | (needed & {f.name for f in source.schema}),)
        case Join(left, right, on):
            lefts, rights = (frozenset(f.name for f in side.schema) for side in (left, right))
            needed |= {name for pair in on for name in pair}
            return (needed & lefts, needed & rights)
        case CrossOne(left, right):
            lefts, rights = (frozenset(f.name for f in side.schema) for side in (left, right))
            return (_at_least_one(needed & lefts, left), needed & rights or None)
        case Sort(_, sort_keys):
            return (needed | {key.column for key in sort_keys},)
        case Limit():
            return (needed,)
        case _ as never:
            assert_never(never)


def is_narrowed_scan(node: Node) -> bool:
    """Whether it reads some columns of a scan, in their order, and does no more: what is left here above each scan."""
    if not (isinstance(node, Project) and isinstance(node.source, Scan)):
        return False
    read = [o.name for o in node.outputs if isinstance(o.expression, Column) and o.expression.name == o.name]
    return len(read) == len(node.outputs) and read == [f.name for f in node.source.schema if f.name in read]


class _Pruning:
    """Rebuilds the tree. What several parties hold is rebuilt once, for the union of what its users need."""

    def __init__(self, needs: dict[int, Names]) -> None:
        self._needs = needs
        self._done: dict[int, Node] = {}

    def visit(self, node: Node, needed: Names) -> Node:
        """Return `node` with at least the columns that are needed of it."""
        if owner_of(node) is not None:  # one party's work is done anew for each use: it is not worth sharing more
            return self._prune(node, needed)
        if id(node) not in self._done:
            self._done[id(node)] = self._prune(node, self._needs[id(node)])
        return self._done[id(node)]

    def _prune(self, node: Node, needed: Names) -> Node:
        below = _needs_of_sources(node, needed)
        match node:
            case Scan() | Input():
                return node
            case Collect() | Concat() | Join():
                sides = zip(children(node), below, strict=True)
                return with_children(node, tuple(self._exactly(side, names or frozenset()) for side, names in sides))
            case CrossOne(left, right):
                only_left = self._exactly(left, below[0] or frozenset())
                if below[1] is None:  # its row is there whatever the data, and nobody reads it
                    return only_left
                return with_children(node, (only_left, self._exactly(right, below[1])))
            case Project(source):
                outputs = _kept(node, needed)
                pruned = self.visit(source, below[0] or frozenset())
                return node if pruned is source and outputs == node.outputs else Project(pruned, outputs, node.at)
            case Aggregate(source):
                return with_children(_kept_aggregate(node, needed), (self._above_scan(source, below[0]),))
            case Noise(source):
                return with_children(_kept_noise(node, needed), (self._exactly(source, below[0] or frozenset()),))
            case Window(source):
                outputs_of_window = _kept_window(node, needed)
                pruned = self._above_scan(source, below[0])
                if not outputs_of_window:
                    return pruned
                kept = node if outputs_of_window == node.outputs else replace(node, outputs=outputs_of_window)
                return with_children(kept, (pruned,))
            case Filter(source) | Sort(source) | Limit(source):
                return with_children(node, (self._above_scan(source, below[0]),))
            case _ as never:
                assert_never(never)

    def _above_scan(self, source: Node, needed: Names | None) -> Node:
        """Return the pruned source; of a scan only what is needed, and of its rows that meet a condition, too."""
        names = needed or frozenset()
        if not isinstance(source, Scan):
            pruned = self.visit(source, names)
            is_read_for_condition = isinstance(pruned, Filter) and is_narrowed_scan(pruned.source)
            return _select(pruned, _in_order(pruned, _at_least_one(names, pruned))) if is_read_for_condition else pruned
        if not names:  # rows are only counted; a column of no data says that they are there
            return Project(source, (Output("present", Literal(True, Boolean())),))
        return _select(source, _in_order(source, names))

    def _exactly(self, source: Node, names: Names) -> Node:
        """Return the pruned source with these columns and no other."""
        return _select(self.visit(source, names), _in_order(source, names))


def _select(node: Node, names: tuple[str, ...]) -> Node:
    if tuple(f.name for f in node.schema) == names:
        return node
    fields = {f.name: f for f in node.schema}
    return Project(node, tuple(Output(n, Column(n, fields[n].type, fields[n].nullable)) for n in names))


def _in_order(node: Node, names: Names) -> tuple[str, ...]:
    return tuple(f.name for f in node.schema if f.name in names)


def _at_least_one(names: Names, node: Node) -> Names:
    """Return the names; a table needs a column even where only its rows count."""
    return names or frozenset((node.schema[0].name,))


def _kept(node: Project, needed: Names) -> tuple[Output, ...]:
    return tuple(output for output in node.outputs if output.name in needed) or node.outputs[:1]


def _kept_window(node: Window, needed: Names) -> tuple[WindowOutput, ...]:
    return tuple(output for output in node.outputs if output.name in needed)


def _kept_noise(node: Noise, needed: Names) -> Noise:
    columns = tuple(each for each in node.columns if each.column in needed)
    if not columns and not node.keys:
        columns = node.columns[:1]
    return node if len(columns) == len(node.columns) else replace(node, columns=columns)


def _kept_aggregate(node: Aggregate, needed: Names) -> Aggregate:
    outputs = tuple(output for output in node.outputs if output.name in needed)
    if not outputs and not node.keys:
        outputs = node.outputs[:1]
    return node if len(outputs) == len(node.outputs) else replace(node, outputs=outputs)
