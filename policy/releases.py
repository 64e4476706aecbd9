"""The aggregates that an answer is made of, each with the rows that it is of: what one answer can be held against another by.

Columns are called as their datasets call them, whatever a query calls them, and conditions are over those. Partial
results of each owner's rows are not told to anybody; only what they add up to is an aggregate here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import assert_never

from conclave.ir.expressions import Arithmetic, Case, Column, Expression, IsNull, Literal, Not, names_in
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
from conclave.ir.walk import conjuncts, substitute
from conclave.ir.window import SortKey, Window, WindowOutput
from policy.mean import without_casts
from policy.personal import Source
from policy.relations import Relation, is_large, join_of, named, put_beside, relation_of_scan, union_of
from policy.rows import all_inputs, short, text_of, weaker
from policy.terms import ONES, Terms, leaves_rows_out, not_null, terms_of
from policy.told import GROUPS, ROWS, Release
from policy.weights import weighs

_TOTALS = {("sum", "sum"), ("count", "sum"), ("sum_squares", "sum"), ("min", "min"), ("max", "max")}
_SPREADS_AND_MEANS, _SQUARED = {"avg", *SPREADS}, {"sum_squares", *SPREADS}
# Where one owner has all rows, means and variances stay what they are; elsewhere they are sums and counts.
_FAMILY: dict[str, str] = {
    "quantile_cont": "quantile",
    "quantile_disc": "quantile",
    "sum_squares": "sum",
    **dict.fromkeys(_SPREADS_AND_MEANS, "sum"),
    **dict.fromkeys(("row_number", "rank", "dense_rank"), "count"),
    **dict.fromkeys(("lag", "lead"), ROWS),
}
_FRAMES = {"rows": " so far", "range": " so far and alike", "partition": ""}


def releases_of(root: Collect) -> tuple[Release, ...]:
    """Return every aggregate that the answer of a query tells of, and the rows that it lists, in a fixed order."""
    relation = _Reading().relation(root.source)
    told = [*relation.values.values(), *relation.rows.shared, *relation.ordered]
    found = list(dict.fromkeys(each for expression in told for each in relation.within(expression)))
    if relation.lists or not found:
        found.append(_listing(relation))
    shown, shape = relation.rows.shared, relation.rows.shape
    seen = (replace(each, shown=shown - each.rows.shared, shape=shape - each.rows.shape) for each in found)
    return tuple(sorted(seen, key=lambda each: (each.name, sorted(each.rows.inputs), sorted(each.keys))))


def _listing(relation: Relation) -> Release:
    told = [*relation.values.values(), *relation.ordered]
    names = sorted({name for value in told for name in names_in(value)} & relation.origins.keys())
    family = ROWS if relation.lists else GROUPS
    name, rows = short(f"{family} by {', '.join(names)}"), relation.rows
    plain = relation.plain
    given = [
        plain[value.name] for value in relation.values.values() if isinstance(value, Column) and value.name in plain
    ]
    return Release(
        name=name,
        formula=name,
        function=family,
        family=family,
        sources=reduce(frozenset.union, map(relation.sources, told), frozenset[Source]()),
        terms=frozenset({ONES}) if relation.lists else frozenset(),
        is_weighed=False,
        by=frozenset(relation.values.values()),
        rows=rows,
        read=rows,
        given=reduce(frozenset.union, given, frozenset[Source]()),
    )


@dataclass
class _Reading:
    done: dict[int, Relation] = field(default_factory=dict)  # by id: subtrees are shared

    def relation(self, node: Node) -> Relation:
        if id(node) not in self.done:
            self.done[id(node)] = self._relation(node)
        return self.done[id(node)]

    def _relation(self, node: Node) -> Relation:
        match node:
            case Scan():
                return relation_of_scan(node)
            case Input(name):
                raise ValueError(f"a query as written holds no input {name}")
            case Concat(parts):
                return reduce(union_of, map(self.relation, parts))
            case Project(source):
                return _project(self.relation(source), node)
            case Filter(source, predicate):
                relation = self.relation(source)
                conditions = (substitute(each, relation.values) for each in conjuncts(predicate))
                return replace(relation, rows=relation.passing(*conditions))
            case Noise(source) | Collect(source):
                return self.relation(source)
            case Sort(source, keys):
                relation = self.relation(source)
                return replace(relation, ordered=tuple(relation.values[key.column] for key in keys))
            case Limit(source, count):
                return _limited(self.relation(source), source, count)
            case Window(source):
                return _windowed(self.relation(source), node)
            case Aggregate(source):
                return _aggregate(self.relation(source), node)
            case Join(left, right):
                return join_of(named(self.relation(left)), named(self.relation(right)), node)
            case CrossOne(left, right):
                one, other = named(self.relation(left)), named(self.relation(right))
                rows = replace(one.rows, beside=weaker(one.rows.beside, all_inputs(other.rows)))
                return put_beside(one, other, rows)
            case _ as never:
                assert_never(never)


def _project(source: Relation, node: Project) -> Relation:
    values, origins, made = dict[str, Expression](), dict(source.origins), dict(source.made)
    for output in node.outputs:
        value = substitute(output.expression, source.values)
        if not isinstance(output.expression, Column | Literal) and is_large(value):
            # What is computed again and again would double with every step.
            name = short(show_expression(value), most=0)
            origins[name], made[name] = source.sources(value), tuple(source.within(value))
            value = Column(name, value.type, value.nullable)
        values[output.name] = value
    return replace(source, values=values, origins=origins, made=made)


def _limited(source: Relation, node: Node, count: int) -> Relation:
    order = _ordered(source, node.keys) if isinstance(node, Sort) else "any order"
    shape = source.rows.shape | {short(f"the first {count} by {order}")}
    return replace(source, rows=replace(source.rows, shape=shape))


def _windowed(source: Relation, node: Window) -> Relation:
    values, origins, made = dict(source.values), dict(source.origins), dict(source.made)
    for output in node.outputs:
        release = _of_window(source, node, output)
        grouped = f"groups by {_text(source.groups[1])} of " if source.groups is not None else ""
        # A row's number tells of all the others that were there.
        name = short(f"{release.name} of {grouped}{text_of(source.rows)}")
        kind = field_of(node, output.name)
        values[output.name] = Column(name, kind.type, kind.nullable)
        origins[name], made[name] = release.sources, (release,)
    return replace(source, values=values, origins=origins, made=made)


def _of_window(source: Relation, node: Window, output: WindowOutput) -> Release:
    """Return what a window function tells of all rows: a total by its partitions, or more."""
    by = [source.values[name] for name in node.partition]
    over = source.values[output.over] if output.over is not None else None
    is_total = output.frame == "partition" and output.function in ("sum", "count", "min", "max")
    ordered = [source.values[key.column] for key in node.order] if not is_total else []
    read = [*by, *ordered, *([over] if over is not None else [])]
    shown = show_expression(over) if over is not None else "*" if output.function == "count" else ""
    place = f"by {_text(by)} " if by else ""
    if not is_total:
        place += f"ordered by {_ordered(source, node.order)}{_FRAMES[output.frame]}"
    family = _FAMILY.get(output.function, output.function)
    terms = _terms(source, family, output.function, over)
    step = f", {output.offset}" if output.function in ("lag", "lead") and output.offset != 1 else ""
    name = short(f"{output.function}({shown}{step}) over ({place.strip()})")
    conditions = _with_values(source, over) if over is not None else ()
    return Release(
        name=name,
        formula=name,
        function=f"{output.function} over",
        family=family,
        sources=reduce(frozenset.union, map(source.sources, read), frozenset[Source]()),
        terms=terms,
        is_weighed=not is_total or (over is not None and _is_weighed(over)),
        by=frozenset(by),
        rows=source.passing(*conditions),
        read=source.rows,
        made_of=tuple(dict.fromkeys(each for expression in read for each in source.within(expression))),
    )


def _text(expressions: Iterable[Expression]) -> str:
    return ", ".join(sorted(map(show_expression, expressions))) or "nothing"


def _ordered(source: Relation, keys: Iterable[SortKey]) -> str:
    return ", ".join(f"{show_expression(source.values[key.column])}{' desc' if key.descending else ''}" for key in keys)


def _aggregate(source: Relation, node: Aggregate) -> Relation:
    keys = {key: source.values[key] for key in node.keys}
    by = frozenset(keys.values())
    values, made = dict(keys), dict[str, tuple[Release, ...]]()
    for output in node.outputs:
        total = _total(source, output, by)
        release = total or _made(source, output, by)
        values[output.name] = Column(release.name, field_of(node, output.name).type)
        # What partial results add up to takes their place; anything else is told of beside what was made before.
        made[release.name] = (release,) if total else (*source.made.get(release.name, ()), release)
    groups = source.rows, by
    return Relation(
        values, source.origins, source.rows, {**source.made, **made}, source.level + 1, groups, unique=source.unique
    )


def _total(source: Relation, output: AggregateOutput, by: frozenset[Expression]) -> Release | None:
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
    return replace(partial, by=by, rows=rows, read=source.rows, made_of=(*partial.made_of, *others))


def _made(source: Relation, output: AggregateOutput, by: frozenset[Expression]) -> Release:
    over, conditions = _bare(output, source.values[output.over] if output.over is not None else None)
    with_values = _with_values(source, over) if over is not None else ()
    of_one = ""
    if source.groups is not None and output.function == "count" and _tells_rows_apart(source):
        of_one = "*"  # each group is a row
    shown = "*" if over is None or of_one else show_expression(over)
    function: str = output.function
    family = _FAMILY.get(output.function, output.function)
    if (over is None or not names_in(over)) and family in ("sum", "count"):
        family, shown = "count", "*"
    if family == "count" and not of_one and (output.is_distinct or source.level):
        family = "count of groups"  # not of rows: how many different ones there are
    if family == "count" and shown == "*":
        function = "count"
    grouped = f" of groups by {_text(source.groups[1])}" if source.groups is not None and not of_one else ""
    distinct = "distinct " if output.is_distinct else ""
    fraction = f", {output.fraction}" if output.fraction is not None else ""
    formula = (
        f"count(*){grouped}"
        if function == "count" and shown == "*"
        else f"{function}({distinct}{shown}{fraction}){grouped}"
    )
    sources = source.sources(over) if over is not None else frozenset[Source]()
    if family == "count of groups" and source.groups is not None:  # it tells of what they are made by
        sources = reduce(frozenset.union, map(source.sources, source.groups[1]), sources)
    made_of = tuple(source.within(source.values[output.over])) if output.over is not None else ()
    return Release(
        name=short(f"{formula} where {show_expression(conditions[0])}" if conditions else formula),
        formula=short(formula),
        function=function,
        family=family,
        sources=sources,
        terms=_terms(source, family, output.function, over),
        is_weighed=over is not None and _is_weighed(over),
        by=by,
        rows=source.passing(*conditions, *with_values),
        read=source.rows,
        made_of=tuple(dict.fromkeys(made_of)),
    )


def _terms(source: Relation, family: str, function: str, over: Expression | None) -> Terms | None:
    """Return what a sum or count adds up."""
    if family == "count":
        return frozenset({ONES})
    if family != "sum" or over is None:
        return frozenset()
    terms = terms_of(over, source.plain)
    if terms is not None and function in _SQUARED:
        squares = terms_of(Arithmetic("*", over, over), source.plain)
        terms = squares if squares is None or function == "sum_squares" else squares | terms
    return terms | {ONES} if terms is not None and function in _SPREADS_AND_MEANS else terms


def _is_weighed(over: Expression) -> bool:
    return weighs(over, frozenset(), frozenset()) or leaves_rows_out(over)


def _with_values(source: Relation, over: Expression) -> tuple[Expression, ...]:
    """Return the conditions that an aggregate makes by leaving out rows without a value."""
    columns = not_null(over) or ()
    return tuple(Not(IsNull(column)) for column in columns if column.name in source.plain)


def _tells_rows_apart(source: Relation) -> bool:
    """Whether what rows were grouped by has no value twice."""
    plain, keys = source.plain, source.groups[1] if source.groups is not None else ()
    names = [key.name for key in keys if isinstance(key, Column) and key.name in plain]
    return any(plain[name] and plain[name] <= source.unique for name in names)


def _bare(output: AggregateOutput, over: Expression | None) -> tuple[Expression | None, tuple[Expression, ...]]:
    """Return what is aggregated, and the condition of a CASE around it that rows have to pass."""
    if over is not None and isinstance(bare := without_casts(over), Case) and len(bare.branches) == 1:
        (condition, value), default = bare.branches[0], without_casts(bare.default)
        counts_nothing = (None, 0) if output.function == "sum" else (None,)
        if isinstance(default, Literal) and default.value in counts_nothing and default.value is not False:
            return value, (condition,)
    return over, ()
