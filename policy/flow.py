"""Information flow over an optimised query: from the scans' columns to the answer's, through every operator.

Theory. A relation is a set of values and of influences. A *value* lists, for each source column in it, the
form in which it is there; an *influence* is a column that decided which rows there are, and so is in everything
downstream. An aggregate turns what it is over into its own form. What is computed from aggregates and labels
alone keeps their forms: a recipient who may see them could compute it. What is computed from single rows is
`derived`, which only `open` releases. Groups by a *personal* column (unique, or the subject) hold one row or
person each, so an aggregate in them is still of single rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Never, NoReturn

from conclave.ir.errors import Position
from conclave.ir.expressions import (
    Arithmetic,
    Case,
    Cast,
    Column,
    Compare,
    Expression,
    IsNull,
    Literal,
    Logic,
    Negate,
    Not,
    operands,
)
from conclave.ir.nodes import (
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
from conclave.ir.show import show_expression
from conclave.ir.walk import conjuncts
from policy.uses import Kind, Relation, Use, Value, influences_of, merged, together

_KIND_OF_FUNCTION: dict[str, Kind] = {
    "sum": "sum",
    "count": "count",
    "min": "min",
    "max": "max",
    "avg": "mean",
}
# Which function over partial results gives the same result over everything.
_COMBINES = {("sum", "sum"), ("count", "sum"), ("min", "min"), ("max", "max")}


class UnknownOperator(Exception):
    """A node, function or expression that the verifier has no rule for, so nothing runs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no policy rule covers {name}")
        self.name = name


def trace(root: Node, personal: frozenset[tuple[str, str]] = frozenset()) -> Relation:
    """Return what `root` holds of its scans. `personal`: the (dataset, column) of one row or person each.

    Raises:  UnknownOperator.
    """
    return _Tracing(personal).relation(root)


@dataclass(frozen=True)
class _Group:
    """What all aggregates of one node share."""

    number: int
    by: str  # printed
    single: dict[str, Use]  # datasets of which a group holds one row or person, and the column that makes it so

    def step(self, use: Use, output: AggregateOutput) -> str:
        """Return the aggregate as it is printed in a flow."""
        name = use.column if use.kind == "plain" else output.over
        alone = ", one row or person each" if use.dataset in self.single else ""
        return f"{_KIND_OF_FUNCTION[output.function]}({name}){self.by}{alone}"


@dataclass
class _Tracing:
    personal: frozenset[tuple[str, str]]
    done: dict[int, Relation] = field(default_factory=dict)  # by id: subtrees are shared
    numbers: Iterator[int] = field(default_factory=count)

    def relation(self, node: Node) -> Relation:
        if id(node) not in self.done:
            self.done[id(node)] = self._relation(node)
        return self.done[id(node)]

    def _relation(self, node: Node) -> Relation:
        match node:
            case Scan():
                return _scan(node)
            case Concat(parts):
                return _concat(tuple(self._apart(part) for part in parts), node)
            case Project(source):
                return _project(self.relation(source), node)
            case Filter(source):
                return _filter(self.relation(source), node)
            case Aggregate(source):
                return self._aggregate(self.relation(source), node)
            case Join(left, right):
                return self._join(self._apart(left), self._apart(right), node)
            case CrossOne(left, right):
                return _side_by_side(self._apart(left), self._apart(right))
            case Sort(source):
                return _sort(self.relation(source), node)
            case Limit(source) | Collect(source):
                # Which rows a limit keeps is decided by the order, and that is an influence already.
                return self.relation(source)
            case Input(name):
                raise UnknownOperator(f"the input {name}")
            case _ as never:
                _unknown(never)

    def _apart(self, node: Node) -> Relation:
        """Return a source of several with its totals marked: only totals of one row belong to one another."""
        relation, number = self.relation(node), next(self.numbers)
        values = {name: Value(_marked(v.uses, number), v.influences) for name, v in relation.values.items()}
        return replace(relation, values=values)

    def _aggregate(self, source: Relation, node: Aggregate) -> Relation:
        by = f" by {', '.join(node.keys)}" if node.keys else ""
        keys = {key: source.values[key] for key in node.keys}
        deciding = (influences_of(value, "group_key", f"group{by}", node.at) for value in keys.values())
        # Rows of these datasets stay single rows: the column of theirs that keeps them apart.
        single = {u.dataset: u for v in keys.values() for u in v.uses if u.is_of_rows and self._is_personal(u)}
        values = {key: _labels(value, by, self.personal, node.at) for key, value in keys.items()}
        group = _Group(next(self.numbers), by, single)
        for output in node.outputs:
            values[output.name] = _aggregated(source, output, group, node, output.at or node.at)
        rows = tuple(use for use in source.rows if use.dataset in single)
        return Relation(values, merged(source.influences, *deciding), rows)

    def _join(self, left: Relation, right: Relation, node: Join) -> Relation:
        both = _side_by_side(left, right)
        step = "join on " + ", ".join(f"{a} = {b}" for a, b in node.on)
        values = {name: _carried(value, step, node.at) for name, value in both.values.items()}
        influences = [both.influences]
        for a, b in node.on:
            influences += [influences_of(both.values[key], "join_key", step, node.at) for key in (a, b)]
            # Matched keys are equal: who is shown one is shown the other.
            values[a] = values[b] = together(both.values[a], both.values[b])
        for side, key_of_other in ((left, 1), (right, 0)):
            # A personal column stands for its row, and so for the key that the row was matched with.
            matched = [both.values[pair[key_of_other]] for pair in node.on]
            for name, value in side.values.items():
                if any(use.is_of_rows and self._is_personal(use) for use in value.uses):
                    values[name] = together(values[name], *matched)
        return Relation(values, merged(*influences), both.rows)

    def _is_personal(self, use: Use) -> bool:
        return (use.dataset, use.column) in self.personal


def _unknown(node: Never) -> NoReturn:
    # The type checker knows all nodes; a tree from elsewhere may hold others.
    raise UnknownOperator(type(node).__name__)


def _marked(uses: tuple[Use, ...], number: int) -> tuple[Use, ...]:
    return merged(use if use.total is None else replace(use, total=(number, use.total)) for use in uses)


def _scan(node: Scan) -> Relation:
    names = (f.name for f in node.schema)
    values = {n: Value((Use(node.dataset, n, "plain", steps=(f"{node.dataset}.{n}",)),)) for n in names}
    return Relation(values, rows=(Use(node.dataset, None, "count", steps=(f"rows of {node.dataset}",)),))


def _concat(parts: tuple[Relation, ...], node: Concat) -> Relation:
    values = {f.name: together(*(part.values[f.name] for part in parts)) for f in node.schema}
    influences = merged(*(part.influences for part in parts))
    return Relation(values, influences, merged(*(part.rows for part in parts)))


def _project(source: Relation, node: Project) -> Relation:
    values = {}
    for output in node.outputs:
        expression, at = output.expression, output.expression.at or node.at
        value = _value_of(expression, source)
        is_bare = isinstance(_without_casts(expression), Column) or _mean_of(expression, source) is not None
        if not is_bare:
            step = f"{output.name} = {show_expression(expression)}"
            value = Value(tuple(use.via(step, at) for use in value.uses), value.influences)
        values[output.name] = value
    return replace(source, values=values)


def _filter(source: Relation, node: Filter) -> Relation:
    influences = []
    for condition in conjuncts(node.predicate):
        step, at = f"where {show_expression(condition)}", condition.at or node.at
        influences.append(influences_of(_value_of(condition, source), "filter", step, at))
    return replace(source, influences=merged(source.influences, *influences))


def _carried(value: Value, step: str, at: Position | None) -> Value:
    uses = (replace(use, joined=True).via(step, at) if use.is_of_rows else use for use in value.uses)
    return Value(merged(uses), value.influences)


def _side_by_side(left: Relation, right: Relation) -> Relation:
    values = {**left.values, **right.values}
    return Relation(values, merged(left.influences, right.influences), merged(left.rows, right.rows))


def _sort(source: Relation, node: Sort) -> Relation:
    influences = []
    for key in node.keys:
        value = source.values[key.column]
        # Labels and aggregates are seen in the answer, or decide as what they are: only rows need `rank`.
        of_rows = Value(tuple(use for use in value.uses if use.is_of_rows), value.influences)
        others = tuple(replace(use, total=None) for use in value.uses if not use.is_of_rows)
        influences += [influences_of(of_rows, "rank", f"order by {key.column}", node.at), others]
    return replace(source, influences=merged(source.influences, *influences))


def _labels(value: Value, by: str, personal: frozenset[tuple[str, str]], at: Position | None) -> Value:
    """Return a key after grouping: its distinct values. Those of a personal column are the column itself."""
    uses = []
    for use in value.uses:
        if use.is_of_rows and (use.dataset, use.column) not in personal:
            use = replace(use, kind="group_key").via(f"group{by}", at)
        uses.append(use)
    return Value(merged(uses), value.influences)


def _aggregated(
    source: Relation, output: AggregateOutput, group: _Group, node: Aggregate, at: Position | None
) -> Value:
    if output.function not in _KIND_OF_FUNCTION:
        raise UnknownOperator(f"the function {output.function}")
    over = source.values[output.over] if output.over is not None else Value()
    never_null = output.over is not None and not field_of(node.source, output.over).nullable
    uses = []
    for use in over.uses:
        if use.is_of_rows:
            uses.append(_aggregated_rows(use, output, group, never_null).via(group.step(use, output), at))
        else:
            combines = use.total is not None and (use.kind, output.function) in _COMBINES
            uses.append(replace(use, total=(group.number, use.total) if combines else None))
    if not any(use.is_of_rows for use in over.uses):
        # Over no column of the rows, an aggregate still tells how many there are: COUNT(*), SUM(1).
        uses += [_counted_rows(use, output, group).via(f"count(*){group.by}", at) for use in source.rows]
    return Value(merged(uses), over.influences)


def _aggregated_rows(use: Use, output: AggregateOutput, group: _Group, never_null: bool) -> Use:
    if use.dataset in group.single:
        return replace(use, kind="derived")
    return replace(
        use,
        kind=_KIND_OF_FUNCTION[output.function],
        over_expression=use.kind == "derived",
        total=(group.number, None),
        over=output.over,
        of_all_rows=never_null,
    )


def _counted_rows(use: Use, output: AggregateOutput, group: _Group) -> Use:
    if use.dataset in group.single:
        return replace(group.single[use.dataset], kind="derived")
    is_count = output.over is None  # MIN(1) is none
    return replace(use, total=(group.number, None) if is_count else None)


def _value_of(expression: Expression, source: Relation) -> Value:
    match expression:
        case Column(name):
            return source.values[name]
        case Literal():
            return Value()
        case Cast(operand):
            # Only to wider numbers: it is the same value.
            return _value_of(operand, source)
        case Arithmetic() | Negate():
            mean = _mean_of(expression, source)
            if mean is not None:
                return mean
            return _computed(expression, source, deciding=())
        case Compare() | Logic() | Not() | IsNull():
            return _computed(expression, source, deciding=operands(expression))
        case Case(branches):
            return _computed(expression, source, deciding=tuple(condition for condition, _ in branches))
        case _ as never:
            _unknown(never)


def _computed(expression: Expression, source: Relation, deciding: tuple[Expression, ...]) -> Value:
    parts = together(*(_value_of(part, source) for part in operands(expression)))
    uses = (replace(u, kind="derived" if u.is_of_rows else u.kind, total=None) for u in parts.uses)
    influences = [parts.influences]
    for condition in deciding:
        value = _value_of(condition, source)
        # Labels and aggregates decide here as what they are, and are among the parts.
        of_rows = Value(tuple(use for use in value.uses if use.is_of_rows))
        said = condition if isinstance(expression, Case) else expression
        step = f"condition {show_expression(said)}"
        influences.append(influences_of(of_rows, "filter", step, expression.at))
    return Value(merged(uses), merged(*influences))


def _mean_of(expression: Expression, source: Relation) -> Value | None:
    """Return the mean that SUM(x) / COUNT(x) is, if both are totals of one aggregate over the same columns."""
    bare = _without_casts(expression)
    if not (isinstance(bare, Arithmetic) and bare.operator == "/"):
        return None
    above, below = _without_casts(bare.left), _without_casts(bare.right)
    if not (isinstance(above, Column) and isinstance(below, Column)):
        return None
    sums, counts = source.values[above.name], source.values[below.name]
    if not _is_count_of(counts, sums):
        return None
    uses = []
    for use in sums.uses:
        step = use.steps[-1].replace("sum(", "mean(", 1)
        uses.append(replace(use, kind="mean", total=None, steps=(*use.steps[:-1], step)))
    return Value(merged(uses), merged(sums.influences, counts.influences))


def _is_count_of(counts: Value, sums: Value) -> bool:
    """Whether one value counts exactly what the other adds up: totals made by the same aggregates, row by row."""
    totals = {use.total for use in sums.uses}
    if not totals or None in totals or {use.total for use in counts.uses} != totals:
        return False
    if any(use.kind != "sum" for use in sums.uses) or any(use.kind != "count" for use in counts.uses):
        return False
    if all(use.column is None for use in counts.uses):
        return all(use.of_all_rows for use in sums.uses)
    return _columns(sums) == _columns(counts)


def _columns(value: Value) -> set[tuple[object, ...]]:
    return {(use.dataset, use.column, use.over_expression, use.over, use.total) for use in value.uses}


def _without_casts(expression: Expression) -> Expression:
    while isinstance(expression, Cast):
        expression = expression.operand
    return expression
