"""How much one subject can move what is computed of protected rows: what noise has to hide, and where that is not bounded.

Two datasets are neighbours if one has, in place of all rows of one subject, as many rows of one other (or of the same,
changed): how many rows there are is public. Of each protected dataset a relation says how many of its rows one subject
can be behind at most; an aggregate says by how much its column changes then, over all groups together. Joins multiply, a
UNION ALL adds up, and where somebody is in several datasets that is the sum of what each allows, by the triangle
inequality. All numbers are exact. Decimals and integers only: a sum of doubles depends on the order in which they are
added, and can move by more than any of them (Casacuberta, Shoate, Vadhan and Wagaman, CCS 2022).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod
from typing import NoReturn, assert_never

from conclave.ir.errors import Position, UnsupportedQuery
from conclave.ir.expressions import Column, Literal
from conclave.ir.guard import Protection
from conclave.ir.nodes import (
    SPREADS,
    Aggregate,
    AggregateOutput,
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
    field_of,
)
from conclave.ir.noise import Noise
from conclave.ir.show import show_node
from conclave.ir.types import Decimal, Double
from conclave.ir.walk import children, owner_of
from conclave.ir.window import Window
from conclave.plan.bounded import bounded_side
from conclave.plan.ranges import Range, hull, range_of, scanned
from conclave.plan.unique import Uniqueness, unique_side, uniqueness

MOST_GROUPS = 10_000  # each is there whatever the data, in every table on the way
Changes = Mapping[str, Fraction]  # by dataset: by how much one subject of it moves a column, over all groups, in words


class Unbounded(UnsupportedQuery):
    """One subject may move what is told by any amount, or by one that is not known."""


@dataclass(frozen=True)
class Shape:
    """What is known of a column's values."""

    ranges: Mapping[str | None, Range | None]  # in rows behind which a subject of a dataset is; None: in all rows
    listed: tuple[Literal, ...] | None = None  # all values that there can be, and everybody may know them


@dataclass(frozen=True)
class Held:
    """What a relation holds of protected datasets: rows, or totals without noise; neither, if all of it may be told."""

    columns: Mapping[str, Shape]
    rows: Mapping[str, int]  # by dataset: of how many rows a subject is behind
    often: Mapping[str, int]  # by column: in how many rows one value stands at most; NULL aside
    totals: Mapping[str, Changes] | None = None

    @property
    def is_protected(self) -> bool:
        """Whether it tells of protected rows."""
        return bool(self.rows) or self.totals is not None

    def n_groups(self, keys: Iterable[str]) -> int | None:
        """Return how many combinations of the keys' values there can be; None if that is not public."""
        lists = [self.columns[key].listed for key in keys]
        return None if any(each is None for each in lists) else prod(len(each) for each in lists if each is not None)


@dataclass
class Sensitivity:
    """Traces a tree; `released` are the nodes that add noise, and how much a subject moves each of their columns."""

    asked: Mapping[str, Protection]
    released: dict[Noise, dict[str, Changes]] = field(default_factory=dict)
    _done: dict[int, tuple[Node, Held]] = field(default_factory=dict)  # by id of the node, which is kept for it

    def held(self, node: Node) -> Held:
        """Return what `node` holds.

        Raises:  Unbounded, where that cannot be said.
        """
        if id(node) not in self._done:
            self._done[id(node)] = node, self._held(node, [self.held(source) for source in children(node)])
        return self._done[id(node)][1]

    def _held(self, node: Node, sources: list[Held]) -> Held:
        match node:
            case Scan():
                return self._scan(node)
            case Input():
                return Held({f.name: Shape({None: None}) for f in node.schema}, {}, {})
            case Concat():
                return _concat(sources, node)
            case Project():
                return _project(sources[0], node)
            case Filter():
                _no_totals(sources[0], node)
                return sources[0]
            case Sort():
                return sources[0]
            case Aggregate():
                return _aggregate(sources[0], node)
            case Noise():
                return self._noise(sources[0], node)
            case Join() | CrossOne():
                return _join(sources[0], sources[1], node)
            case Window() | Limit():
                if sources[0].is_protected:
                    _refuse(f"{show_node(node)} lets one subject decide about the rows of others", node.at, _AFTER)
                return replace(sources[0], columns={f.name: Shape({None: None}) for f in node.schema}, often={})
            case Collect():
                if sources[0].is_protected:
                    _refuse("what is told of protected rows has no noise", None, "tell totals of them: SUM, COUNT, AVG")
                return sources[0]
            case _ as never:
                assert_never(never)

    def _scan(self, node: Scan) -> Held:
        asked = self.asked.get(node.dataset, Protection())
        if node.kept != asked.kept:
            _refuse(f"{node.dataset} is read without the limits on its rows", node.at, "compile it with its policy")
        noise, ranges = asked.noise, scanned(node)
        listed = {each.column: each.values for each in asked.listed}
        datasets = {None, node.dataset} if noise is not None else {None}
        columns = {f.name: Shape(dict.fromkeys(datasets, ranges[f.name]), listed.get(f.name)) for f in node.schema}
        if noise is None:
            return Held(columns, {}, dict.fromkeys(node.unique, 1))
        often = {noise.subject: noise.most_rows} if noise.subject is not None else {}
        return Held(columns, {node.dataset: noise.most_rows}, {**often, **dict.fromkeys(node.unique, 1)})

    def _noise(self, source: Held, node: Noise) -> Held:
        if source.totals is None:
            _refuse("noise is for totals of protected rows", node.at, "report it, with the query")
        for key in node.keys:
            if source.columns[key].listed is None:
                _refuse(f"a group is there only where {key} is as it is named, without noise", node.at, "report it")
        for each in node.columns:
            if each.column not in source.totals:
                _refuse(f"{each.column} is no total of protected rows", node.at, "report it, with the query")
        self.released[node] = {each.column: source.totals[each.column] for each in node.columns}
        listed = dict(zip(node.keys, node.domains, strict=True))
        columns = {f.name: Shape({None: None}, listed.get(f.name)) for f in node.schema}
        return Held(columns, {}, {node.keys[0]: 1} if len(node.keys) == 1 else {})


_AFTER = "do it with the totals: after GROUP BY, in a query around it"


def _refuse(what: str, at: Position | None, fix: str) -> NoReturn:
    raise Unbounded(what, at, fix)


def _no_totals(source: Held, node: Filter | Join | CrossOne | Project) -> None:
    if source.totals is not None:
        _refuse(f"{show_node(node)} reads totals that have no noise yet", node.at, "report it, with the query")


def _concat(parts: list[Held], node: Concat) -> Held:
    protected = [part for part in parts if part.is_protected]
    if any(part.rows for part in parts) and any(part.totals is not None for part in parts):
        _refuse("rows and totals of protected rows stand in one table", node.at, "total each part in the same way")
    datasets = {None, *(name for part in parts for column in part.columns.values() for name in column.ranges)}
    columns = {}
    for f in node.schema:
        shapes = [part.columns[f.name] for part in parts]
        # Parts of unprotected rows may hold what is not listed: their rows are left out where noise is added.
        listed = [part.columns[f.name].listed for part in protected]
        union = None
        if listed and all(each is not None for each in listed):
            union = tuple(dict.fromkeys(value for each in listed for value in each or ()))
        ranges = {name: hull(s.ranges[name] for s in shapes if name in s.ranges) for name in datasets}
        columns[f.name] = Shape({name: ranges[name] for name in ranges if any(name in s.ranges for s in shapes)}, union)
    rows: dict[str, int] = {}
    for part in parts:
        for name, count in part.rows.items():
            rows[name] = rows.get(name, 0) + count
    often = {
        f.name: sum(part.often[f.name] for part in parts)
        for f in node.schema
        if all(f.name in part.often for part in parts)
    }
    totals = None
    if any(part.totals is not None for part in parts):
        names = {name for part in parts for name in part.totals or ()}
        totals = {name: _added((part.totals or {}).get(name, {}) for part in parts) for name in names}
    return Held(columns, rows, often, totals)


def _project(source: Held, node: Project) -> Held:
    bare = {o.name: o.expression.name for o in node.outputs if isinstance(o.expression, Column)}
    columns, datasets = {}, {None, *source.rows}
    for output in node.outputs:
        if output.name in bare:
            columns[output.name] = source.columns[bare[output.name]]
            continue
        known = {name: {c: shape.ranges.get(name) for c, shape in source.columns.items()} for name in datasets}
        columns[output.name] = Shape({name: range_of(output.expression, known[name]) for name in datasets})
    often = {out: source.often[name] for out, name in bare.items() if name in source.often}
    totals = source.totals
    if totals is not None:
        totals = {out: totals[name] for out, name in bare.items() if name in totals}
    return Held(columns, source.rows, often, totals)


def _aggregate(source: Held, node: Aggregate) -> Held:
    columns = {f.name: source.columns[f.name] if f.name in node.keys else Shape({None: None}) for f in node.schema}
    often = {node.keys[0]: 1} if len(node.keys) == 1 else {}
    if not source.is_protected:
        return Held(columns, {}, often)
    if node.guards:
        what = "a minimum of subjects, counted exactly, tells of single subjects what the noise is to hide"
        _refuse(what, node.at, "ask owners for noise, or for a minimum, and not for both of the same rows")
    for key in node.keys:
        if source.columns[key].listed is None:
            what = f"which groups there are by {key} tells of single subjects"
            fix = f"ask the owners to list the values that {key} may have, or leave it out of GROUP BY"
            _refuse(what, node.at, fix)
    n_groups = source.n_groups(node.keys) or 0
    if n_groups > MOST_GROUPS:
        what = f"every one of {n_groups} groups would be told, whether or not it is there: at most {MOST_GROUPS} can be"
        _refuse(what, node.at, "group by fewer columns")
    totals = {}
    for output in node.outputs:
        changes = _changes(source, output, node)
        if changes is not None:
            totals[output.name] = changes
    return Held(columns, {}, often, totals)


def _changes(source: Held, output: AggregateOutput, node: Aggregate) -> Changes | None:
    """Return by how much one subject moves an aggregate, over all groups together."""
    at = output.at or node.at
    if source.totals is not None:
        # Totals are added up: what they change by together stays the same.
        return source.totals.get(output.over or "") if output.function == "sum" else None
    if output.is_distinct or output.function not in ("sum", "count", "avg"):
        distinct = "(DISTINCT …)" if output.is_distinct else ""
        name = "variances" if output.function in (*SPREADS, "sum_squares") else output.function.upper() + distinct
        _refuse(f"there is no noise for {name}", at, "use SUM, COUNT and AVG of bounded columns")
    changes = {}
    for dataset, count in source.rows.items():
        low, high = (
            (Fraction(0), Fraction(1)) if output.function == "count" else _bounded(source, output, node, dataset)
        )
        low, high = min(low, Fraction(0)), max(high, Fraction(0))
        # Without groups the new rows' share replaces the old ones'; with groups it may be in another group.
        changes[dataset] = count * (2 * max(-low, high) if node.keys else high - low)
    return changes


def _bounded(source: Held, output: AggregateOutput, node: Aggregate, dataset: str) -> Range:
    """Return the range of a column that is added up, in words."""
    assert output.over is not None
    kind = field_of(node.source, output.over).type
    if isinstance(kind, Double):
        what = f"{output.function}({output.over}) adds up doubles, whose sum one of them can move by more than itself"
        _refuse(what, output.at or node.at, f"declare {output.over} as a decimal")
    found = source.columns[output.over].ranges.get(dataset)
    if found is None:
        what = f"one row can move {output.function}({output.over}) by any amount: there are no bounds on {output.over}"
        _refuse(what, output.at or node.at, f"ask the owner of {dataset} for bounds, and aggregate the plain column")
    unit = 10**kind.scale if isinstance(kind, Decimal) else 1
    return found[0] * unit, found[1] * unit


def _join(left: Held, right: Held, node: Join | CrossOne) -> Held:
    for side in (left, right):
        _no_totals(side, node)
    if isinstance(node, CrossOne):
        if right.rows:
            _refuse("a row of protected rows stands beside all others", node.at, _AFTER)
        return Held({**left.columns, **_beside(right, left.rows)}, left.rows, left.often)
    if right.rows and node.how != "inner":
        what = f"a {node.how} join lets one subject of its right side decide about rows of others"
        _refuse(what, node.at, "use an inner join by a column that tells the other side's rows apart")
    _check_keys(left, right, node)
    meets, met = _often(right, node, "right"), _often(left, node, "left")
    if node.how in ("semi", "anti"):
        return left
    rows: dict[str, int] = {}
    for own, times, name in ((left, meets, "right"), (right, met, "left")):
        if own.rows and times is None:
            what = f"{show_node(node)} can repeat a protected row any number of times"
            fix = f"join by columns whose values the {name} side has once, or by its subject"
            _refuse(what, node.at, fix)
        for dataset, count in own.rows.items():
            rows[dataset] = rows.get(dataset, 0) + count * max(times or 0, 1)
    often = {n: c * max(meets, 1) for n, c in left.often.items()} if meets is not None else {}
    often |= {n: c * max(met, 1) for n, c in right.often.items()} if met is not None else {}
    if node.how == "left":  # rows without a match all have NULL there, which joins nothing
        often = {n: c for n, c in often.items() if n in left.columns}
    return Held({**_beside(left, right.rows), **_beside(right, left.rows)}, rows, often)


def _beside(side: Held, others: Mapping[str, int]) -> dict[str, Shape]:
    """Return a side's columns, in rows behind which subjects of the other side are, too: those may be any of its rows."""
    return {
        name: replace(shape, ranges={**dict.fromkeys(others, shape.ranges.get(None)), **shape.ranges})
        if not set(others) & set(shape.ranges)
        else replace(
            shape,
            ranges={**shape.ranges, **{o: hull([shape.ranges.get(None), shape.ranges.get(o)]) for o in others}},
        )
        for name, shape in side.columns.items()
    }


def _often(side: Held, node: Join, place: str) -> int | None:
    """Return how many rows of one side a row of the other meets at most."""
    names = {left if place == "left" else right for left, right in node.on}
    found = [side.often[name] for name in names if name in side.often]
    source = node.left if place == "left" else node.right
    if uniqueness(source, frozenset(names)) == Uniqueness.KNOWN:
        found.append(1)
    return min(found, default=None)


def _check_keys(left: Held, right: Held, node: Join) -> None:
    side, certain = unique_side(node)
    bounded = bounded_side(node) if owner_of(node) is None else None
    if bounded is not None and (right if bounded.side == "right" else left).rows:
        what = f"whether keys of {show_node(node)} come too often would be checked, and told without noise"
        _refuse(what, node.at, "take the table out of spec.mpc.mostMatches")
    if certain == Uniqueness.DECLARED and (right if side == "right" else left).rows:
        what = f"whether the keys of {show_node(node)} repeat would be checked, and told without noise"
        _refuse(what, node.at, "take `unique: table` out of the party documents, or join by another column")


def _added(changes: Iterable[Changes]) -> Changes:
    total: dict[str, Fraction] = {}
    for each in changes:
        for dataset, change in each.items():
            total[dataset] = total.get(dataset, Fraction(0)) + change
    return total
