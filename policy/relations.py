"""Relations as answers are held against each other by: of each column, what it is in terms of the datasets' own columns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from conclave.ir.expressions import Column, Compare, Expression, names_in, operands
from conclave.ir.nodes import Join, Scan
from conclave.ir.show import show_expression
from conclave.ir.walk import rebuild
from policy.domain import positive
from policy.personal import Source
from policy.rows import Rows, all_inputs, short, text_of, union_of_rows, weaker
from policy.told import Release

MOST_PARTS = 200  # of an expression that is followed through further ones

Made = Mapping[str, tuple[Release, ...]]  # by the name that they have in values; several are called alike


@dataclass(frozen=True)
class Relation:
    """A relation. `made` has what is no column of a dataset: aggregates, and names for what would be too long."""

    values: Mapping[str, Expression]  # by column; its names are those of `origins` or of `made`
    origins: Mapping[str, frozenset[Source]]
    rows: Rows
    made: Made = field(default_factory=dict)
    level: int = 0  # how often rows were grouped
    groups: tuple[Rows, frozenset[Expression]] | None = None  # of what it is groups, and by what
    ordered: tuple[Expression, ...] = ()  # by what
    unique: frozenset[Source] = frozenset()

    @property
    def lists(self) -> bool:
        """Whether its rows are rows of datasets, and no groups."""
        return self.groups is None

    @property
    def plain(self) -> Mapping[str, frozenset[Source]]:
        """The names of datasets' own columns."""
        return {name: sources for name, sources in self.origins.items() if name not in self.made}

    def sources(self, expression: Expression) -> frozenset[Source]:
        """Return the datasets' columns that an expression is made of, by whatever way."""
        found = frozenset[Source]()
        for name in names_in(expression):
            found |= self.origins.get(name, frozenset[Source]())
            for each in self.made.get(name, ()):
                found |= each.sources
        return found

    def within(self, expression: Expression) -> Iterator[Release]:
        """Yield the aggregates that an expression reads, and those that these are made of."""
        pending = [each for name in sorted(names_in(expression)) for each in self.made.get(name, ())]
        seen: set[Release] = set()
        while pending:
            release = pending.pop()
            if release not in seen:
                seen.add(release)
                yield release
                pending += release.made_of

    def passing(self, *conditions: Expression) -> Rows:
        """Return the rows that pass. Conditions on one table's own columns are noted beside each of its datasets."""
        if self.level or len(self.rows.tables) != 1 or self.rows.beside or self.rows.shape:
            return self.asking(*conditions)
        # What a window function makes is named by all that it reads.
        asked = frozenset(map(positive, conditions))
        inputs = {dataset: before | asked for dataset, before in self.rows.inputs.items()}
        return replace(self.rows, inputs=inputs)

    def asking(self, *conditions: Expression) -> Rows:
        """Return the rows of which all together meet conditions, noting which groups these are on."""
        on = (each for condition in conditions for each in self.within(condition))
        shape = {short(f"groups with {each.formula} {_by(each)}of {text_of(each.rows)}") for each in on}
        return replace(self.rows, shape=self.rows.shape | shape).asks(*conditions)


def relation_of_scan(node: Scan) -> Relation:
    """Return a dataset's rows."""
    values: dict[str, Expression] = {f.name: Column(f.name, f.type, f.nullable) for f in node.schema}
    origins = {f.name: frozenset({(node.dataset, f.name)}) for f in node.schema}
    rows = Rows({node.dataset: frozenset()}, tables=frozenset({frozenset({node.dataset})}))
    return Relation(values, origins, rows, unique=frozenset((node.dataset, name) for name in node.unique))


def union_of(one: Relation, other: Relation) -> Relation:
    """Return the rows of both. What is made alike in both goes on as what it is."""
    values: dict[str, Expression] = {}
    origins = {**one.origins, **other.origins}
    for name in one.origins.keys() & other.origins.keys():
        origins[name] = one.origins[name] | other.origins[name]
    made = _together(one.made, other.made)
    for name in one.made.keys() & other.made.keys():
        if len(one.made[name]) == len(other.made[name]) == 1:
            made[name] = (_union_of_releases(one.made[name][0], other.made[name][0]),)
    for (name, left), right in zip(one.values.items(), other.values.values(), strict=True):
        values[name] = left
        if show_expression(left) != show_expression(right):
            either = short(f"{show_expression(left)} or {show_expression(right)}")
            values[name] = Column(either, left.type)
            origins[either] = one.sources(left) | other.sources(right)
            made[either] = tuple(dict.fromkeys((*one.within(left), *other.within(right))))
    groups = one.groups
    if one.groups is not None and other.groups is not None:
        groups = union_of_rows(one.groups[0], other.groups[0]), one.groups[1] & other.groups[1]
    elif one.groups != other.groups:
        groups = None
    rows, level = union_of_rows(one.rows, other.rows), max(one.level, other.level)
    return Relation(values, origins, rows, made, level, groups, unique=one.unique | other.unique)


def join_of(left: Relation, right: Relation, node: Join) -> Relation:
    """Return the rows that meet."""
    matched = tuple(_match(left.values[a], right.values[b]) for a, b in node.on)
    both = put_beside(left, _perhaps(right) if node.how == "left" else right, left.rows)
    rows = both.asking(*matched)
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
    return replace(both, rows=rows, groups=left.groups if node.how in ("semi", "anti") else both.groups)


def named(source: Relation) -> Relation:
    """Return the relation with its columns called after their datasets, so that those of two tables differ."""
    if source.level or len(source.rows.tables) != 1 or source.rows.beside:
        return source
    (table,) = source.rows.tables
    whose = " of " + ", ".join(sorted(table))
    new = {name: f"{name}{whose}" for name in source.plain if not name.endswith(whose)}
    values = {name: _renamed(value, new) for name, value in source.values.items()}
    origins = {new.get(name, name): sources for name, sources in source.origins.items()}
    return replace(source, values=values, origins=origins)


def put_beside(left: Relation, right: Relation, rows: Rows) -> Relation:
    """Return both's columns."""
    values, origins = {**left.values, **right.values}, {**left.origins, **right.origins}
    made, level = _together(left.made, right.made), max(left.level, right.level)
    # Of groups beside rows, the rows are told; of two sorts of groups, both.
    groups = None if left.lists or right.lists else left.groups
    return Relation(values, origins, rows, made, level, groups, unique=left.unique | right.unique)


def is_large(expression: Expression) -> bool:
    """Whether an expression is too large to be followed through further ones."""
    pending, n_parts = [expression], 0
    while pending and n_parts <= MOST_PARTS:
        n_parts += 1
        pending += operands(pending.pop())
    return bool(pending)


def _perhaps(source: Relation) -> Relation:
    """Return the relation with columns that may be NULL, constants too: of rows that perhaps nothing matches."""
    values, origins, made = dict[str, Expression](), dict(source.origins), dict(source.made)
    for name, value in source.values.items():
        if isinstance(value, Column):
            values[name] = replace(value, nullable=True)
            continue
        matched = short(f"({show_expression(value)} if matched)")
        values[name] = Column(matched, value.type)
        origins[matched], made[matched] = source.sources(value), tuple(source.within(value))
    return replace(source, values=values, origins=origins, made=made)


def _union_of_releases(one: Release, other: Release) -> Release:
    rows, read = union_of_rows(one.rows, other.rows), union_of_rows(one.read, other.read)
    terms = None if one.terms is None or other.terms is None else one.terms | other.terms
    return replace(one, rows=rows, read=read, sources=one.sources | other.sources, by=one.by & other.by, terms=terms)


def _together(one: Made, other: Made) -> dict[str, tuple[Release, ...]]:
    both = {**one, **other}
    return {name: tuple(dict.fromkeys((*one.get(name, ()), *other.get(name, ())))) for name in both}


def _renamed(expression: Expression, new: Mapping[str, str]) -> Expression:
    if isinstance(expression, Column):
        return replace(expression, name=new.get(expression.name, expression.name))
    return rebuild(expression, lambda part: _renamed(part, new))


def _match(left: Expression, right: Expression) -> Expression:
    return positive(Compare("=", left, right))


def _by(release: Release) -> str:
    return f"by {', '.join(sorted(release.keys))} " if release.by else ""
