"""The aggregates that an answer is made of, each with the rows that it is of: what one answer can be held against another by.

Columns are called as their datasets call them, whatever a query calls them, and conditions are over those. Partial
results of each owner's rows are not told to anybody; only what they add up to is an aggregate here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import assert_never

from conclave.ir.expressions import Arithmetic, Call, Case, Column, Compare, Expression, Literal, names_in, operands
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
from conclave.ir.show import show_expression
from conclave.ir.walk import conjuncts, rebuild, substitute
from conclave.ir.window import Window
from policy.domain import positive
from policy.mean import without_casts
from policy.rows import Conditions, Rows, all_inputs, short, text_of, union_of_rows, weaker
from policy.weights import weighs

Source = tuple[str, str]  # dataset, column
MOST_PARTS = 200  # of an expression that is followed through further ones
_TOTALS = {("sum", "sum"), ("count", "sum"), ("sum_squares", "sum"), ("min", "min"), ("max", "max")}
# Where one owner has all rows, means and variances stay what they are; elsewhere they are sums and counts.
_FAMILY: dict[str, str] = {
    "quantile_cont": "quantile",
    "quantile_disc": "quantile",
    "avg": "sum",
    "sum_squares": "sum",
    **dict.fromkeys(SPREADS, "sum"),
}


@dataclass(frozen=True, eq=False)  # each is itself: what it is made of may be shared many times over
class Release:
    """An aggregate that an answer is made of."""

    name: str  # as people read it
    function: str
    family: str  # equal for what can be subtracted from one another
    sources: frozenset[Source]  # the columns that it is over
    is_plain: bool  # over a column itself
    is_weighed: bool  # some rows may count for more than others
    keys: frozenset[str]  # by which columns it is told
    rows: Rows
    read: Rows  # the same, without a condition that stands within the aggregate
    made_of: tuple["Release", ...] = ()  # aggregates of rows, of which this is one of groups
    shown: Conditions = frozenset()  # what decides which of the groups are told
    shape: frozenset[str] = frozenset()  # and how


Made = Mapping[str, tuple[Release, ...]]  # by the name that they have in values; several are called alike


@dataclass(frozen=True)
class _Relation:
    values: Mapping[str, Expression]  # by column; its names are those of `origins` or of `made`
    origins: Mapping[str, frozenset[Source]]
    rows: Rows
    made: Made = field(default_factory=dict)
    level: int = 0  # how often rows were grouped


def releases_of(root: Collect) -> tuple[Release, ...]:
    """Return every aggregate that the answer of a query tells of, in a fixed order.

    Rows that are told one by one are one of them only if other rows decide which these are.
    """
    relation = _Reading().relation(root.source)
    told = [*relation.values.values(), *relation.rows.shared]
    found = list(dict.fromkeys(each for expression in told for each in _within(relation, expression)))
    is_decided_elsewhere = len(relation.rows.tables) > 1 or relation.rows.beside or relation.rows.shape
    if not found if relation.level else is_decided_elsewhere:
        found.append(_listing(relation))
    shown, shape = relation.rows.shared, relation.rows.shape
    seen = (replace(each, shown=shown - each.rows.shared, shape=shape - each.rows.shape) for each in found)
    return tuple(sorted(seen, key=lambda each: (each.name, sorted(each.rows.inputs))))


def _within(relation: _Relation, expression: Expression) -> Iterator[Release]:
    """Yield the aggregates that an expression reads, and those that these are made of."""
    pending = [each for name in sorted(names_in(expression)) for each in relation.made.get(name, ())]
    seen: set[Release] = set()
    while pending:
        release = pending.pop()
        if release not in seen:
            seen.add(release)
            yield release
            pending += release.made_of


def _listing(relation: _Relation) -> Release:
    names = sorted({name for value in relation.values.values() for name in names_in(value)} & relation.origins.keys())
    sources = reduce(frozenset.union, (relation.origins[name] for name in names), frozenset[Source]())
    family = "groups" if relation.level else "rows"
    name, rows = f"{family} by {', '.join(names)}", relation.rows
    return Release(short(name), family, family, sources, True, False, frozenset(names), rows, rows)


@dataclass
class _Reading:
    done: dict[int, _Relation] = field(default_factory=dict)  # by id: subtrees are shared

    def relation(self, node: Node) -> _Relation:
        if id(node) not in self.done:
            self.done[id(node)] = self._relation(node)
        return self.done[id(node)]

    def _relation(self, node: Node) -> _Relation:
        match node:
            case Scan():
                return _scan(node)
            case Input(name):
                raise ValueError(f"a query as written holds no input {name}")
            case Concat(parts):
                return reduce(_union, map(self.relation, parts))
            case Project(source):
                return _project(self.relation(source), node)
            case Filter(source, predicate):
                return _filter(self.relation(source), predicate)
            case Noise(source) | Sort(source) | Collect(source):
                return self.relation(source)
            case Limit(source, count):
                return _limited(self.relation(source), source, count)
            case Window(source):
                return _windowed(self.relation(source), node)
            case Aggregate(source):
                return _aggregate(self.relation(source), node)
            case Join(left, right):
                return _join(_named(self.relation(left)), _named(self.relation(right)), node)
            case CrossOne(left, right):
                one, other = _named(self.relation(left)), _named(self.relation(right))
                rows = replace(one.rows, beside=weaker(one.rows.beside, all_inputs(other.rows)))
                return _put_beside(one, other, rows)
            case _ as never:
                assert_never(never)


def _scan(node: Scan) -> _Relation:
    values: dict[str, Expression] = {f.name: Column(f.name, f.type, f.nullable) for f in node.schema}
    origins = {f.name: frozenset({(node.dataset, f.name)}) for f in node.schema}
    return _Relation(values, origins, Rows({node.dataset: frozenset()}, tables=frozenset({frozenset({node.dataset})})))


def _project(source: _Relation, node: Project) -> _Relation:
    values, origins, made = dict[str, Expression](), dict(source.origins), dict(source.made)
    for output in node.outputs:
        value = substitute(output.expression, source.values)
        if not isinstance(output.expression, Column | Literal) and _is_large(value):
            # What is computed again and again would double with every step.
            name = short(show_expression(value), most=0)
            origins[name], made[name] = _sources(source, value), tuple(_within(source, value))
            value = Column(name, value.type, value.nullable)
        values[output.name] = value
    return replace(source, values=values, origins=origins, made=made)


def _filter(source: _Relation, predicate: Expression) -> _Relation:
    conditions = tuple(substitute(each, source.values) for each in conjuncts(predicate))
    return replace(source, rows=_passing(source, conditions))


def _passing(source: _Relation, conditions: tuple[Expression, ...]) -> Rows:
    """Return the rows that pass. Conditions on one table's own columns are noted beside each of its datasets."""
    rows = source.rows
    if source.level == 0 and len(rows.tables) == 1 and not rows.beside and not rows.shape:
        asked = frozenset(map(positive, conditions))
        return replace(rows, inputs={dataset: before | asked for dataset, before in rows.inputs.items()})
    return rows.asks(*conditions)


def _limited(source: _Relation, node: Node, count: int) -> _Relation:
    order = "any order"
    if isinstance(node, Sort):
        order = ", ".join(
            f"{show_expression(source.values[key.column])}{' desc' if key.descending else ''}" for key in node.keys
        )
    shape = source.rows.shape | {short(f"the first {count} by {order}")}
    return replace(source, rows=replace(source.rows, shape=shape))


def _windowed(source: _Relation, node: Window) -> _Relation:
    values, origins = dict(source.values), dict(source.origins)
    for output in node.outputs:
        read = (*node.partition, *(key.column for key in node.order), *([output.over] if output.over else []))
        inner = [source.values[name] for name in read]
        name = short(f"{output.function} of {', '.join(map(show_expression, inner))}")
        kind = field_of(node, output.name)
        values[output.name] = Column(name, kind.type, kind.nullable)
        origins[name] = reduce(frozenset.union, (_sources(source, each) for each in inner), frozenset[Source]())
    # A row's number tells of all the others that were there.
    return replace(source, values=values, origins=origins)


def _aggregate(source: _Relation, node: Aggregate) -> _Relation:
    keys = {key: source.values[key] for key in node.keys}
    by = frozenset(map(show_expression, keys.values()))
    values, made = dict(keys), dict[str, tuple[Release, ...]]()
    for output in node.outputs:
        total = _total(source, output, by)
        release = total or _made(source, output, by)
        values[output.name] = Column(release.name, field_of(node, output.name).type)
        # What partial results add up to takes their place; anything else is told of beside what was made before.
        made[release.name] = (release,) if total else (*source.made.get(release.name, ()), release)
    return _Relation(values, source.origins, source.rows, {**source.made, **made}, source.level + 1)


def _total(source: _Relation, output: AggregateOutput, by: frozenset[str]) -> Release | None:
    """Return the aggregate of rows that partial results add up to, whatever groups were left out in between."""
    over = without_casts(source.values[output.over]) if output.over is not None else None
    partials = source.made.get(over.name, ()) if isinstance(over, Column) else ()
    if not partials or (partials[0].function, output.function) not in _TOTALS:
        return None
    partial, *others = partials
    rows = partial.rows
    if partial.read != source.rows:
        inputs = {**source.rows.inputs, **partial.rows.inputs}
        rows = replace(source.rows, inputs=inputs, shared=source.rows.shared | partial.rows.shared)
    return replace(partial, keys=by, rows=rows, read=source.rows, made_of=(*partial.made_of, *others))


def _leaves_rows_out(expression: Expression) -> bool:
    """Whether it may be NULL where its columns are not, which is a condition of its own: of `pay / (id - 7)`, id <> 7."""
    match expression:
        case Case() | Arithmetic("/" | "//" | "%") | Call():
            return True
    return any(map(_leaves_rows_out, operands(expression)))


def _made(source: _Relation, output: AggregateOutput, by: frozenset[str]) -> Release:
    over, conditions = _bare(output, source.values[output.over] if output.over is not None else None)
    sources = _sources(source, over) if over is not None else frozenset[Source]()
    shown = "*" if over is None else show_expression(over)
    function = output.function
    family = _FAMILY.get(function, function)
    if (over is None or not names_in(over)) and family in ("sum", "count"):
        family, shown = "count", "*"
    if family == "count" and (output.is_distinct or (source.level and output.function == "count")):
        family = "count of groups"  # not of rows: how many different ones there are
    name = f"{'count' if shown == '*' else function}({'distinct ' if output.is_distinct else ''}{shown})"
    made_of = tuple(_within(source, source.values[output.over])) if output.over is not None else ()
    return Release(
        name=short(f"{name} where {show_expression(conditions[0])}" if conditions else name),
        function="count" if shown == "*" else function,
        family=family,
        sources=sources,
        is_plain=over is not None and isinstance(without_casts(over), Column) and not made_of,
        is_weighed=over is not None and (weighs(over, frozenset(), frozenset()) or _leaves_rows_out(over)),
        keys=by,
        rows=_passing(source, conditions),
        read=source.rows,
        made_of=tuple(dict.fromkeys(made_of)),
    )


def _bare(output: AggregateOutput, over: Expression | None) -> tuple[Expression | None, tuple[Expression, ...]]:
    """Return what is aggregated, and the condition of a CASE around it that rows have to pass."""
    if over is not None and isinstance(bare := without_casts(over), Case) and len(bare.branches) == 1:
        (condition, value), default = bare.branches[0], without_casts(bare.default)
        counts_nothing = (None, 0) if output.function == "sum" else (None,)
        if isinstance(default, Literal) and default.value in counts_nothing and default.value is not False:
            return value, (condition,)
    return over, ()


def _union(one: _Relation, other: _Relation) -> _Relation:
    """Return the rows of both. What is made alike in both goes on as what it is."""
    values: dict[str, Expression] = {}
    origins = {**one.origins, **other.origins}
    for name in one.origins.keys() & other.origins.keys():
        origins[name] = one.origins[name] | other.origins[name]
    for (name, left), right in zip(one.values.items(), other.values.values(), strict=True):
        values[name] = left
        if show_expression(left) != show_expression(right):
            either = short(f"{show_expression(left)} or {show_expression(right)}")
            values[name] = Column(either, left.type)
            origins[either] = _sources(one, left) | _sources(other, right)
    rows = union_of_rows(one.rows, other.rows)
    made = _together(one.made, other.made)
    for name in one.made.keys() & other.made.keys():
        if len(one.made[name]) == len(other.made[name]) == 1:
            made[name] = (_union_of_releases(one.made[name][0], other.made[name][0]),)
    return _Relation(values, origins, rows, made, max(one.level, other.level))


def _union_of_releases(one: Release, other: Release) -> Release:
    rows, read = union_of_rows(one.rows, other.rows), union_of_rows(one.read, other.read)
    return replace(one, rows=rows, read=read, sources=one.sources | other.sources, keys=one.keys & other.keys)


def _together(one: Made, other: Made) -> dict[str, tuple[Release, ...]]:
    both = {**one, **other}
    return {name: tuple(dict.fromkeys((*one.get(name, ()), *other.get(name, ())))) for name in both}


def _named(source: _Relation) -> _Relation:
    """Return the relation with its columns called after their datasets, so that those of two tables differ."""
    if source.level or len(source.rows.tables) != 1 or source.rows.beside:
        return source
    (table,) = source.rows.tables
    whose = " of " + ", ".join(sorted(table))
    new = {name: f"{name}{whose}" for name in source.origins if not name.endswith(whose)}
    values = {name: _renamed(value, new) for name, value in source.values.items()}
    origins = {new.get(name, name): sources for name, sources in source.origins.items()}
    return replace(source, values=values, origins=origins)


def _renamed(expression: Expression, new: Mapping[str, str]) -> Expression:
    if isinstance(expression, Column):
        return replace(expression, name=new.get(expression.name, expression.name))
    return rebuild(expression, lambda part: _renamed(part, new))


def _join(left: _Relation, right: _Relation, node: Join) -> _Relation:
    matched = tuple(_match(left.values[a], right.values[b]) for a, b in node.on)
    rows = left.rows.asks(*matched)
    if node.how != "inner":
        described = short(f"{node.how} join with {text_of(right.rows)}")
        beside = weaker(left.rows.beside, all_inputs(right.rows))
        rows = replace(rows, beside=beside, shape=rows.shape | {described})
    else:
        shape = rows.shape | right.rows.shape
        if set(left.rows.inputs) & set(right.rows.inputs):
            shape |= {short(f"{text_of(left.rows)} joined with {text_of(right.rows)}")}
        rows = Rows(
            weaker(rows.inputs, right.rows.inputs),
            weaker(rows.beside, right.rows.beside),
            rows.tables | right.rows.tables,
            rows.shared | right.rows.shared,
            shape,
        )
    return _put_beside(left, right, rows)


def _match(left: Expression, right: Expression) -> Expression:
    return positive(Compare("=", left, right))


def _put_beside(left: _Relation, right: _Relation, rows: Rows) -> _Relation:
    values, origins = {**left.values, **right.values}, {**left.origins, **right.origins}
    return _Relation(values, origins, rows, _together(left.made, right.made), max(left.level, right.level))


def _sources(relation: _Relation, expression: Expression) -> frozenset[Source]:
    found = frozenset[Source]()
    for name in names_in(expression):
        found |= relation.origins.get(name, frozenset[Source]())
        for each in relation.made.get(name, ()):
            found |= each.sources
    return found


def _is_large(expression: Expression) -> bool:
    pending, n_parts = [expression], 0
    while pending and n_parts <= MOST_PARTS:
        n_parts += 1
        pending += operands(pending.pop())
    return bool(pending)
