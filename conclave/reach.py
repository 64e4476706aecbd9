"""How far the numbers that an owner shares can reach, whichever of its rows a query picks.

How a run ends is seen by all. If it hung on the numbers of the rows that an author has picked, or on a limit that the
author's constants make, that would be a question about single rows. So under a minimum or noise sizes follow from types,
bounds and constants; and where a dataset's own column has to be looked at, then the whole of it as it was loaded, against
one of a few limits that no query chooses (`Whole`). What neither covers is `open`: for policies to refuse.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from conclave.ir.expressions import Column
from conclave.ir.magnitude import MOST_DAYS, Sizes, largest, picked_from, size_of, sized_by, unit_of
from conclave.ir.nodes import (
    Aggregate,
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
    field_of,
)
from conclave.ir.noise import Noise
from conclave.ir.ranges import COUNT_MOST, LIFT_MOST, WORD_MOST, most_of
from conclave.ir.types import Date, Decimal, Double, Field, Integer, Type, Varchar, is_numeric
from conclave.ir.walk import children, nodes_in
from conclave.ir.window import Window
from conclave.ir.words import FRACTION_BITS, word_of
from conclave.limits import Bound, bounds
from conclave.plan.steps import LocalStep, Plan, ShareStep

FEW_ROWS = 1 << 10  # with more, whether a total fits is a question of how many are shared, which is no secret
_MOST_REAL = 1 << (62 - FRACTION_BITS)  # a larger double, or a larger number made one, has no word
_SUMS = ("sum", "sum_squares", "avg")


@dataclass(frozen=True)
class Whole:
    """What all values of a dataset's column are held to, in words."""

    scan: Scan
    column: str
    most: int
    is_total: bool = False  # of the sizes of all words together, not of each
    is_squared: bool = False  # and of their squares


@dataclass
class Reach:
    """What has to be held before a table is shared, and which columns nothing holds but the picked rows themselves."""

    wholes: set[Whole] = field(default_factory=set)
    totals: set[tuple[str, Fraction, int]] = field(default_factory=set)  # columns: their largest number, their most
    open: set[str] = field(default_factory=set)


def is_held_whole(plan: Plan) -> bool:
    """Whether an owner asks for a minimum or noise in this plan."""
    return any(isinstance(n, Noise) or (isinstance(n, Aggregate) and n.guards) for n in nodes_in(plan.query))


def reach_of(plan: Plan, step: ShareStep) -> Reach:
    """Return how far the numbers of `step` reach."""
    queries = {each.name: each.query for each in plan.steps if isinstance(each, LocalStep)}
    query, reach = queries.get(step.source), Reach()
    if query is None or any(isinstance(node, Aggregate) and node.guards for node in nodes_in(query)):
        return reach  # nobody's rows, or numbers of groups that were held to a minimum
    wanted = [bound for bound in bounds(plan) if bound.share == step.name]
    tables = _Tables(queries)
    for f in step.schema:
        if not is_numeric(f.type):
            continue
        own = [bound for bound in wanted if bound.column == f.name]
        if isinstance(f.type, Double):
            own.append(Bound(step.name, f.name, LIFT_MOST))
        for bound in own:
            _hold(tables, query, f, bound, reach)
    return reach


def reach_of_sums(node: Node) -> Reach:
    """Return how far the sums reach that an owner's own engine makes of columns of its datasets, on the way to a table."""
    reach = Reach()
    for each in nodes_in(node):
        if not isinstance(each, Aggregate) or any(isinstance(n, Aggregate) and n.guards for n in nodes_in(each.source)):
            continue
        for output in each.outputs:
            if output.function not in _SUMS or output.over is None:
                continue
            scans = _Tables({}).copied(each.source, output.over)
            if scans is None or isinstance(field_of(each.source, output.over).type, Double):
                continue  # doubles never fail, and what is computed is not looked at
            _hold_sum(scans, output.function == "sum_squares", _repeats(each.source), output.name, reach)
    return reach


def _hold_sum(scans: Sequence[tuple[Scan, str]], is_squared: bool, is_repeated: bool, name: str, reach: Reach) -> None:
    power, most = 2 if is_squared else 1, (WORD_MOST >> 3) // len(scans)
    for scan, column in scans:
        of_type, limit = _of_scan(scan, column), fixed(field_of(scan, column).type)
        if of_type is not None and of_type**power * COUNT_MOST <= most:
            continue
        if not is_repeated:
            reach.wholes.add(Whole(scan, column, WORD_MOST >> 6, is_total=True, is_squared=is_squared))
        elif limit**power * COUNT_MOST <= WORD_MOST:
            reach.wholes.add(Whole(scan, column, limit))
        else:
            reach.open.add(name)


def sizes_by_type(node: Node) -> Sizes:
    """Return how large the values of each column are at most, by types, owners' bounds and constants alone; None: any size."""
    return _Tables({}, is_held=False).sizes(node)


def fixed(kind: Type) -> int:
    """Return the size that words of a whole column are held to where it counts."""
    match kind:
        case Integer():
            return _MOST_REAL - 1
        case Decimal(_, scale):
            return (_MOST_REAL - 1) * int(10**scale)
        case Date():
            return MOST_DAYS
    return LIFT_MOST


def _hold(tables: "_Tables", query: Node, f: Field, bound: Bound, reach: Reach) -> None:
    at, name = tables.summed(query, f.name)
    is_sum = at is not query
    # A sum of some values, and all such sums together, are no larger than the sizes of all values; a mean than each.
    is_total = not bound.per and (bound.is_total or is_sum)
    n_rows = 1 if not is_total else COUNT_MOST if is_sum else FEW_ROWS
    scans = tables.copied(at, name)
    if scans is not None and not (is_total and _repeats(at)):
        _hold_copied(scans, bound, is_total, n_rows, reach)
        return
    most = tables.sizes(at)[name]
    most = None if most is None else most * unit_of(field_of(at, name).type)
    if most is None or most * n_rows > bound.most:
        reach.open.add(bound.column)
        return
    if is_total and not is_sum:
        reach.totals.add((bound.column, most, bound.most))
    for scan, column in tables.read_by(at, name):
        of_type, limit = _of_scan(scan, column), fixed(field_of(scan, column).type)
        if of_type is None or of_type > limit:
            reach.wholes.add(Whole(scan, column, limit))


def _hold_copied(scans: Sequence[tuple[Scan, str]], bound: Bound, is_total: bool, n_rows: int, reach: Reach) -> None:
    allowed = bound.most // len(scans) if is_total else bound.most
    for scan, column in scans:
        of_type, limit = _of_scan(scan, column), fixed(field_of(scan, column).type)
        if of_type is not None and of_type * (n_rows if n_rows == 1 else COUNT_MOST) <= allowed:
            continue
        ladder = (WORD_MOST >> 3, WORD_MOST >> 6, limit >> 3, limit >> 6) if is_total else (limit,)
        held = next((each for each in ladder if each <= allowed), None)
        if held is None:
            reach.open.add(bound.column)
        else:
            reach.wholes.add(Whole(scan, column, held, is_total))


def _repeats(node: Node) -> bool:
    """Whether one row of a dataset may stand in several."""
    return any(isinstance(each, Join | CrossOne) for each in nodes_in(node))


def _of_scan(scan: Scan, column: str) -> int | None:
    """Return how large a column's words are by its owner's bounds and its type; None if these say nothing."""
    kind = field_of(scan, column).type
    for clamp in scan.clamps:
        if clamp.column == column:
            return max(abs(word_of(end.value, end.type)) for end in (clamp.low, clamp.high))
    return None if isinstance(kind, Double) else most_of(kind)


@dataclass(frozen=True)
class _Tables:
    """An owner's queries, by the names under which they read each other's tables."""

    queries: Mapping[str, Node]
    is_held: bool = True  # whether whole columns are held to `fixed`

    def below(self, node: Node) -> tuple[Node, ...]:
        if isinstance(node, Input) and node.name in self.queries:
            return (self.queries[node.name],)
        return tuple(children(node))

    def copied(self, node: Node, name: str) -> tuple[tuple[Scan, str], ...] | None:
        """Return the datasets' columns whose values a column has as they are; None if they are computed."""
        match node:
            case Scan():
                return ((node, name),)
            case Project(source, outputs):
                made = next(output.expression for output in outputs if output.name == name)
                picked = list(picked_from(made))
                if not all(isinstance(each, Column) for each in picked):
                    return None
                parts = [self.copied(source, each.name) for each in picked if isinstance(each, Column)]
                return None if None in parts else tuple(scan for part in parts for scan in part or ())
            case Aggregate(_, keys) if name not in keys:
                return None
        found: list[tuple[Scan, str]] = []
        sources = [each for each in self.below(node) if name in {f.name for f in each.schema}]
        for source in sources:
            part = self.copied(source, name)
            if part is None:
                return None
            found += part
        return tuple(found) if sources else None

    def read_by(self, node: Node, name: str) -> Iterator[tuple[Scan, str]]:
        """Yield the datasets' columns whose sizes decide how large a column's values are, each once."""
        pending, seen = [(node, name)], set[tuple[int, str]]()
        while pending:
            at, column = pending.pop()
            if (id(at), column) in seen:  # what is computed again and again has as many ways as powers of two
                continue
            seen.add((id(at), column))
            match at:
                case Scan():
                    yield at, column
                case Project(source, outputs):
                    made = next(output.expression for output in outputs if output.name == column)
                    pending += [(source, each) for each in sized_by(made)]
                case Aggregate(source, keys, outputs) if column not in keys:
                    over = next(output.over for output in outputs if output.name == column)
                    pending += [(source, over)] if over is not None else []
                case Window(source, _, _, made_by) if column not in {f.name for f in source.schema}:
                    over = next(output.over for output in made_by if output.name == column)
                    pending += [(source, over)] if over is not None else []
                case _:
                    pending += [
                        (source, column) for source in self.below(at) if column in {f.name for f in source.schema}
                    ]

    def summed(self, node: Node, name: str) -> tuple[Node, str]:
        """Return where the values lie that a column is sums of, each of them in one at most; or the column itself."""
        at, column = node, name
        while not isinstance(at, Aggregate):
            if isinstance(at, Project):
                made = next(output.expression for output in at.outputs if output.name == column)
                if not isinstance(made, Column):
                    return node, name
                column = made.name
            sources = self.below(at)
            if len(sources) != 1 or isinstance(at, Window):
                return node, name
            at = sources[0]
        output = next((each for each in at.outputs if each.name == column), None)
        if output is None or output.function != "sum" or output.over is None:
            return node, name
        return at.source, output.over

    def sizes(self, node: Node) -> Sizes:
        """Return how large each column's values are at most, whole columns being held to `fixed`; None: any size."""
        match node:
            case Scan():
                return {f.name: _held(node, f.name, self.is_held) for f in node.schema}
            case Project(source, outputs):
                below = self.sizes(source)
                return {output.name: size_of(output.expression, below) for output in outputs}
            case Aggregate(source, keys, outputs):
                below = self.sizes(source)
                return {
                    **{key: below[key] for key in keys},
                    **{o.name: _total(o.function, o.over, below) for o in outputs},
                }
            case Window(source, _, _, made):
                below = self.sizes(source)
                return {**below, **{o.name: _total(o.function, o.over, below) for o in made}}
            case Concat(parts):
                found = [self.sizes(part) for part in parts]
                return {f.name: largest([sizes[f.name] for sizes in found]) for f in node.schema}
        below = {name: most for source in self.below(node) for name, most in self.sizes(source).items()}
        if isinstance(node, Filter | Sort | Limit) or below:
            return {f.name: below.get(f.name) for f in node.schema}
        return dict.fromkeys((f.name for f in node.schema), None)


def _held(scan: Scan, column: str, is_held: bool) -> Fraction | None:
    kind = field_of(scan, column).type
    if not is_numeric(kind) and not isinstance(kind, Date):
        return Fraction(kind.max_bytes if isinstance(kind, Varchar) else 1)  # its length, or a condition's number
    of_type, limit = _of_scan(scan, column), fixed(kind)
    if isinstance(kind, Date):
        return Fraction(MOST_DAYS)  # a file's dates have years of four digits
    if not is_held:
        return None if of_type is None else Fraction(of_type) / unit_of(kind)
    return Fraction(limit if of_type is None else min(of_type, limit)) / unit_of(kind)


def _total(function: str, over: str | None, below: Sizes) -> Fraction | None:
    most = Fraction(1) if over is None else below[over]
    if function in ("count", "row_number", "rank", "dense_rank"):
        return Fraction(COUNT_MOST)
    if most is None or function in ("min", "max", "lag", "lead", "avg", "quantile_cont", "quantile_disc"):
        return most
    return most * COUNT_MOST if function == "sum" else most**2 * COUNT_MOST if function == "sum_squares" else None
