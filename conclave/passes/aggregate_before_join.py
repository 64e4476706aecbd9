"""Aggregate one side of a join before it: agg(a join b) => agg(a join agg(b)), where keys repeat on both sides.

A row of one side meets all rows of the other that have its key, so that a group of these does as well as each of them:
by their number (`times`), their sum, their least or largest value. The join then has a side with unique keys, and is
work linear in the rows, where comparing all pairs is not.

A side may be aggregated if nothing reads its columns but aggregates, its keys aside. Aggregates that count distinct
subjects (`guards`) stay whole: somebody may stand in many groups.

After:    all other passes, whose query is the one that policies judge; `conclave.plan.lower` runs what is made here, and
          has MPC do all of it that is not in that query.
Reveals:  nothing: under MPC no table's size hangs on data, and the join needs no look at whether its keys repeat.
Safe:     a row of a side meets all of the other side that have its key, so counting its group so many times is the
          same sum; `policy.faithful` does the rewrite once more and compares.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from conclave.ir.errors import Position
from conclave.ir.expressions import Arithmetic, Case, Column, Expression, IsNull, Literal, names_in
from conclave.ir.nodes import Aggregate, AggregateFunction, AggregateOutput, Filter, Join, Node, Output, Project
from conclave.ir.types import Integer
from conclave.ir.walk import children, is_short, nodes_in, owner_of, substitute, with_children
from conclave.plan.rows import most_rows
from conclave.plan.unique import unique_side

# So many are compared in fewer rounds than it takes to sort by a key, and with no more bytes.
FEW_PAIRS = 1 << 12

# What the aggregates of groups are aggregated by once more; counts become `times`.
_AGAIN: dict[AggregateFunction, AggregateFunction] = {"sum": "sum", "sum_squares": "sum", "min": "min", "max": "max"}


def aggregate_before_join(root: Node, is_open: Callable[[Aggregate], bool] = lambda _: True) -> Node:
    """Return `root` with aggregates before joins, of those that `is_open` lets through. Idempotent; `root` stays.

    >>> from conclave.ir.nodes import Scan
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()), Field("cost", Integer())))
    >>> shifts = Scan("shifts", "bravo/shifts", "bravo", (Field("w", Integer()), Field("hours", Integer())))
    >>> outputs = AggregateOutput("cost", "sum", "cost"), AggregateOutput("hours", "sum", "hours")
    >>> print(show(aggregate_before_join(Aggregate(Join(visits, shifts, (("ward", "w"),)), ("ward",), outputs))))
    aggregate by ward: cost = sum(cost) times rows, hours = sum(hours_sum)
      join on ward = w
        scan visits @alpha
        aggregate by w: rows = count(*), hours_sum = sum(hours)
          scan shifts @bravo
    """
    if not any(isinstance(node, Join) for node in nodes_in(root)):
        return root
    done: dict[int, Node] = {}

    def visit(node: Node) -> Node:
        if id(node) not in done:
            made = rewritten(node) if isinstance(node, Aggregate) and is_open(node) else None
            own = node if made is None else made
            done[id(node)] = with_children(own, tuple(visit(source) for source in children(own)))
        return done[id(node)]

    return visit(root)


def rewritten(node: Aggregate) -> Aggregate | None:
    """Return one aggregate with sides of the joins right below it aggregated before; None if there is nothing to do."""
    made, found = node, _best(node)
    while found is not None:
        made = found.rewritten(made)
        found = _best(made)
    return None if made is node or made.schema != node.schema else made


@dataclass(frozen=True)
class _Place:
    """A side of a join below an aggregate, seen from above: what is aggregated, as it is said there."""

    path: "_Path"
    side: Node
    keys: tuple[str, ...]
    wanted: Mapping[str, Expression]  # by output: what it is over, in columns of the side

    @property
    def cost(self) -> tuple[int, int, int]:
        """Which of several is best: with more joins of this kind below it, little to carry, then few rows to sort."""
        n_below = sum(isinstance(node, Join) and _is_open(node) for node in nodes_in(self.side))
        return -n_below, len(self.wanted), most_rows(self.side)

    def rewritten(self, node: Aggregate) -> Aggregate:
        """Return the aggregate over the join with this side aggregated by its keys."""
        making = _Making({f.name.lower() for below in nodes_in(node.source) for f in below.schema})
        for output in node.outputs:
            making.add(output, self.wanted.get(output.name))
        source = _with(self.side, making.computed) if making.computed else self.side
        below: Node = Aggregate(source, self.keys, tuple(making.partial), node.at)
        for above, at in reversed(self.path):
            below = making.over(above, at, below)
        below = _with(below, making.products) if making.products else below
        return replace(node, source=below, outputs=tuple(making.outputs))


_Path = tuple[tuple[Node, int], ...]  # the nodes from an aggregate's source down to a join, and on which way from each


def _with(node: Node, new: Mapping[Expression, str]) -> Project:
    """Return the rows of a node with columns computed beside its own."""
    own = (Output(c.name, c) for c in _columns(node))
    return Project(node, (*own, *(Output(name, expression) for expression, name in new.items())))


def _columns(node: Node) -> Iterator[Column]:
    return (Column(f.name, f.type, f.nullable) for f in node.schema)


@dataclass
class _Making:
    """The columns that a side's groups get, and the outputs that are made of them."""

    taken: set[str]
    partial: list[AggregateOutput] = field(default_factory=list)
    outputs: list[AggregateOutput] = field(default_factory=list)
    computed: dict[Expression, str] = field(default_factory=dict)  # of the side's rows
    products: dict[Expression, str] = field(default_factory=dict)  # of numbers of rows, above the joins
    unmatched: dict[str, int] = field(default_factory=dict)  # columns that count rows: what they are of no match

    def add(self, output: AggregateOutput, value: Expression | None) -> None:
        """Say an output by groups of the side: by its values there, or by how often it counts what is elsewhere."""
        if value is None:
            is_counting = output.function in ("sum", "count")
            self.outputs.append(self._times(output, self._rows()) if is_counting else output)
            return
        over = self._column(value)
        if output.function == "count":
            self.outputs.append(self._times(replace(output, over=None), self._rows(over)))
            return
        made = self._aggregated(f"{over}_{output.function}", output.function, over, output.at)
        self.outputs.append(replace(output, function=_AGAIN[output.function], over=made))

    def over(self, above: Node, at: int, below: Node) -> Node:
        """Return a node of the path over what it now stands on, with the new columns handed on."""
        if isinstance(above, Project):
            there, new = {f.name for f in below.schema}, {output.name for output in self.partial}
            kept = [o for o in above.outputs if names_in(o.expression) <= there]
            handed = (Output(c.name, c) for c in _columns(below) if c.name in new)
            return replace(above, source=below, outputs=(*kept, *handed))
        joined = with_children(above, tuple(below if n == at else side for n, side in enumerate(children(above))))
        if not (isinstance(above, Join) and above.how == "left" and at == 1 and self.unmatched):
            return joined
        return Project(joined, tuple(Output(c.name, self._or_unmatched(c)) for c in _columns(joined)))

    def _or_unmatched(self, column: Column) -> Expression:
        if column.name not in self.unmatched:
            return column
        return Case(((IsNull(column), Literal(self.unmatched[column.name], Integer(64))),), column)

    def _times(self, output: AggregateOutput, rows: str) -> AggregateOutput:
        if output.times is None:
            return replace(output, times=rows)
        product = Arithmetic("*", Column(output.times, Integer(64)), Column(rows, Integer(64)))
        if product not in self.products:
            self.products[product] = self._fresh("rows")
        return replace(output, times=self.products[product])

    def _column(self, value: Expression) -> str:
        if isinstance(value, Column):
            return value.name
        if value not in self.computed:
            self.computed[value] = self._fresh("computed")
        return self.computed[value]

    def _rows(self, over: str | None = None) -> str:
        name = self._aggregated("rows" if over is None else f"{over}_rows", "count", over)
        self.unmatched[name] = 1 if over is None else 0
        return name

    def _aggregated(self, wish: str, function: AggregateFunction, over: str | None, at: Position | None = None) -> str:
        for known in self.partial:
            if (known.function, known.over) == (function, over):
                return known.name
        self.partial.append(AggregateOutput(self._fresh(wish), function, over, at=at))
        return self.partial[-1].name

    def _fresh(self, wish: str) -> str:
        name, n = wish, 1
        while name.lower() in self.taken:
            n += 1
            name = f"{wish}_{n}"
        self.taken.add(name.lower())
        return name


@dataclass(frozen=True)
class _Reads:
    """What is read of a table from above: what outputs are over, and the columns that have to stay."""

    values: Mapping[str, Expression]
    fixed: frozenset[str]

    def of(self, project: Project) -> "_Reads | None":
        """Return what is read below a projection; None where that would take too long to write out."""
        made = {o.name: o.expression for o in project.outputs}
        if not all(is_short(value, made) for value in self.values.values()):
            return None
        values = {name: substitute(value, made) for name, value in self.values.items()}
        return _Reads(values, frozenset(read for name in self.fixed for read in names_in(made[name])))

    def and_also(self, names: frozenset[str]) -> "_Reads":
        """Return it with more columns that have to stay."""
        return replace(self, fixed=self.fixed | names)

    def on(self, side: Node) -> "_Reads":
        """Return what is read of one side of a join. A value that both sides make is made above it."""
        own = {f.name for f in side.schema}
        values = {name: value for name, value in self.values.items() if (read := names_in(value)) and read <= own}
        above = (value for name, value in self.values.items() if name not in values)
        return _Reads(values, frozenset((self.fixed | {read for value in above for read in names_in(value)}) & own))


def _best(node: Aggregate) -> _Place | None:
    if node.guards or not all(_is_divisible(output) for output in node.outputs):
        return None
    of = {c.name: c for c in _columns(node.source)}
    reads = _Reads(
        {output.name: of[output.over] for output in node.outputs if output.over is not None},
        frozenset((*node.keys, *(output.times for output in node.outputs if output.times is not None))),
    )
    squares = frozenset(output.name for output in node.outputs if output.function == "sum_squares")
    places = (place for place in _places(node.source, (), reads) if squares <= place.wanted.keys())
    return min(places, key=lambda place: place.cost, default=None)


def _is_divisible(output: AggregateOutput) -> bool:
    known = output.function == "count" or output.function in _AGAIN
    return known and not output.is_distinct and not output.is_total_of_counts


def _places(node: Node, path: _Path, reads: _Reads) -> Iterator[_Place]:
    """Yield the sides of joins that can be aggregated before these, from the top down."""
    match node:
        case Project(source):
            below = reads.of(node)
            if below is not None:
                yield from _places(source, (*path, (node, 0)), below)
        case Filter(source, predicate):
            yield from _places(source, (*path, (node, 0)), reads.and_also(names_in(predicate)))
        case Join(left, right, on, how) if owner_of(node) is None:
            for at, side in ((1, right), (0, left)):
                keys = tuple(dict.fromkeys(pair[at] for pair in on))
                read = reads.on(side).and_also(frozenset(keys))
                if _is_open(node) and read.fixed <= set(keys):
                    wanted = {name: value for name, value in read.values.items() if not names_in(value) <= set(keys)}
                    # What is computed of the NULLs beside rows without a match need not be NULL.
                    if at == 0 or how == "inner" or all(isinstance(value, Column) for value in wanted.values()):
                        yield _Place((*path, (node, at)), side, keys, wanted)
                if how == "inner" or at == 0:
                    yield from _places(side, (*path, (node, at)), read)


def _is_open(join: Join) -> bool:
    """Whether MPC would compare all pairs of rows, and more than a few."""
    if join.how not in ("inner", "left") or owner_of(join) is not None or unique_side(join)[0] is not None:
        return False
    return most_rows(join.left) * most_rows(join.right) > FEW_PAIRS
