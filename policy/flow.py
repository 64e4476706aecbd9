"""Information flow over an optimised query: from the scans' columns to the answer's, through every operator.

Theory. A relation is a set of values and of influences. A *value* lists, for each source column in it, the
form in which it is there; an *influence* is a column that decided which rows there are, and so is in everything
downstream. An aggregate turns what it is over into its own form. What is computed from aggregates and labels
alone keeps their forms: a recipient who may see them could compute it. What is computed from single rows is
`derived`, which only `open` releases. Groups by a *personal* column (unique, or the subject) hold one row or
person each, so an aggregate in them is still of single rows. What a join or a condition holds against one another
tells of one another from then on, and so does every copy that was made before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Never, NoReturn

from conclave.ir.errors import Position
from conclave.ir.expressions import (
    Arithmetic,
    Call,
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
    Spread,
    names_in,
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
from conclave.ir.noise import Noise
from conclave.ir.show import show_expression
from conclave.ir.walk import conjuncts
from conclave.ir.window import Window
from policy.aggregates import COMBINES, KIND_OF_FUNCTION, tells_rows_of
from policy.comparisons import column_in
from policy.distinct import counted_once
from policy.mean import mean_of, variance_of, without_casts
from policy.personal import Personal, Source, is_among, single_columns, standing_for_rows
from policy.regrouped import regrouped
from policy.rules import Rules, held_to_rules, noting_parts
from policy.uses import Relation, Use, Value, influences_of, left_out, merged, sources_of, together
from policy.weights import rounds
from policy.windows import windowed


class UnknownOperator(Exception):
    """A node, function or expression that the verifier has no rule for, so nothing runs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no policy rule covers {name}")
        self.name = name


def trace(root: Node, personal: Personal = frozenset(), rules: Rules | None = None) -> Relation:
    """Return what `root` holds of its scans. `personal`: the columns, or keys of several, of one row or person each.

    `rules`: all that owners ask of conditions on a column, whoever it is granted to.
    Raises:  UnknownOperator.
    """
    return _Tracing(personal, rules or {}).relation(regrouped(root))


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
        return f"{KIND_OF_FUNCTION[output.function]}({name}){self.by}{alone}"


@dataclass
class _Tracing:
    personal: Personal
    rules: Rules
    done: dict[int, Relation] = field(default_factory=dict)  # by id: subtrees are shared
    numbers: Iterator[int] = field(default_factory=count)

    def relation(self, node: Node) -> Relation:
        if id(node) not in self.done:
            self.done[id(node)] = self._relation(node)
        return self.done[id(node)]

    def _relation(self, node: Node) -> Relation:
        match node:
            case Scan():
                return _scan(node, self.rules)
            case Concat(parts):
                return _concat(tuple(self._apart(part) for part in parts), node)
            case Project(source):
                return _project(self.relation(source), node)
            case Filter(source):
                relation = self.relation(source)
                return _filter(relation, node, standing_for_rows(self.personal, relation.values.values()))
            case Aggregate(source):
                return self._aggregate(self.relation(source), node)
            case Noise(source):
                # Less is told than without it; what is asked of a column to be told at all stays the same.
                return self.relation(source)
            case Window(source):
                return windowed(self.relation(source), node)
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
        deciding = [influences_of(value, "group_key", f"group{by}", node.at) for value in keys.values()]
        # Rows of these datasets stay single rows: the column of theirs that keeps them apart.
        alone = standing_for_rows(self.personal, keys.values())
        single = {u.dataset: u for v in keys.values() for u in v.uses if u.is_of_rows and is_among(u, alone)}
        values = {key: _labels(value, by, alone, node.at) for key, value in keys.items()}
        group = _Group(next(self.numbers), by, single)
        for output in node.outputs:
            of = source
            if output.is_distinct and output.over is not None and output.function == "count":
                over = source.values[output.over]
                persons = standing_for_rows(self.personal, [*keys.values(), over])
                step, at = f"count(distinct {output.over}){by}", output.at or node.at
                values[output.name] = counted_once(over, single, persons, step, at)
                continue
            if output.is_distinct and output.over is not None:  # as if told apart by a grouping of their own first
                of = self._aggregate(source, replace(node, keys=(*node.keys, output.over), outputs=(), guards=()))
                deciding.append(of.influences)
            values[output.name] = _aggregated(of, output, group, node, output.at or node.at)
        rows = tuple(use for use in source.rows if use.dataset in single)
        return Relation(values, merged(source.influences, *deciding), rows)

    def _join(self, left: Relation, right: Relation, node: Join) -> Relation:
        # Every kind of join asks for what an inner join asks for: that a row has no match tells of both sides' keys
        # just as a match does, and so does a NULL in the place of a column. A semi or anti join only shows less.
        both = _side_by_side(left, right)
        kind = "" if node.how == "inner" else f"{node.how} "
        step = f"{kind}join on " + ", ".join(f"{a} = {b}" for a, b in node.on)
        values = {name: _carried(value, right, step, node.at) for name, value in left.values.items()}
        values |= {name: _carried(value, left, step, node.at) for name, value in right.values.items()}
        influences = [both.influences]
        for a, b in node.on:
            for key, other in ((a, b), (b, a)):
                influences.append(influences_of(both.values[key], "join_key", step, node.at))
                if _is_computed(both.values[other]):
                    # What the query makes up meets no rows of another table: it says which rows to keep.
                    influences.append(influences_of(both.values[key], "filter", step, node.at))
            # Matched keys are equal: who is shown one is shown the other.
            values[a] = values[b] = together(both.values[a], both.values[b])
        for side, own, others in ((left, 0, 1), (right, 1, 0)):
            alone = standing_for_rows(self.personal, side.values.values())
            of_rows = single_columns(self.personal, {use.dataset for use in side.rows})
            for pair in node.on:
                # And what was left out of the one is so of the other, be it before or after they meet.
                met, keys = both.values[pair[others]], sources_of(side.values[pair[own]]) | of_rows
                influences.append(left_out(side.influences, keys, met, step, node.at))
            for name, value in side.values.items():
                # A personal column stands for its row, and so for the keys that the row was matched with;
                # what a key was copied to, or computed from it, stands for that key.
                is_personal = any(use.is_of_rows and is_among(use, alone) for use in value.uses)
                for pair in node.on:
                    if is_personal or sources_of(value) & sources_of(both.values[pair[own]]):
                        values[name] = together(values[name], both.values[pair[others]])
        shown = {f.name: values[f.name] for f in node.schema}
        return Relation(shown, merged(*influences), both.rows)


def _unknown(node: Never) -> NoReturn:
    # The type checker knows all nodes; a tree from elsewhere may hold others.
    raise UnknownOperator(type(node).__name__)


def _marked(uses: tuple[Use, ...], number: int) -> tuple[Use, ...]:
    return merged(use if use.total is None else replace(use, total=(number, use.total)) for use in uses)


def _scan(node: Scan, rules: Rules) -> Relation:
    values = {}
    every = tuple(dict.fromkeys(rule for of_one in rules.values() for rule in of_one))
    for name in (f.name for f in node.schema):
        of_column = rules.get((node.dataset, name), ())
        way = (f"{node.dataset}.{name}",)
        values[name] = Value((Use(node.dataset, name, "plain", rules=of_column, all_rules=every, steps=way),))
    return Relation(values, rows=(Use(node.dataset, None, "count", steps=(f"rows of {node.dataset}",)),))


def _concat(parts: tuple[Relation, ...], node: Concat) -> Relation:
    values = {}
    for f in node.schema:
        value = together(*(part.values[f.name] for part in parts))
        if any(_is_padding(part, f.name, made) for part, made in zip(parts, node.parts, strict=True)):
            # A sum or mean that constants take part in is of more than the plain column.
            value = Value(merged(_derived(use) for use in value.uses), value.influences)
        values[f.name] = value
    influences = merged(*(part.influences for part in parts))
    return Relation(values, influences, merged(*(part.rows for part in parts)))


def _project(source: Relation, node: Project) -> Relation:
    values = {}
    for output in node.outputs:
        expression, at = output.expression, output.expression.at or node.at
        value = _value_of(expression, source)
        is_bare = isinstance(without_casts(expression), Column) or mean_of(expression, source) is not None
        if not is_bare:
            step = f"{output.name} = {show_expression(expression)}"
            value = Value(tuple(use.via(step, at) for use in value.uses), value.influences)
        values[output.name] = value
    return replace(source, values=values)


def _is_padding(part: Relation, name: str, node: Node) -> bool:
    """Whether a part of a UNION ALL gives a column nothing but constants other than NULL, which counts for nothing."""
    while isinstance(node, Filter | Sort | Limit):
        node = node.source
    outputs = {o.name: without_casts(o.expression) for o in node.outputs} if isinstance(node, Project) else {}
    return not part.values[name].uses and outputs.get(name) != Literal(None, field_of(node, name).type)


def _filter(source: Relation, node: Filter, personal: frozenset[Source]) -> Relation:
    influences, values = [], source.values
    for condition in conjuncts(node.predicate):
        step, at = f"where {show_expression(condition)}", condition.at or node.at
        influences.append(influences_of(_value_of(condition, source), "filter", step, at))
        read = together(*(source.values[name] for name in sorted(names_in(condition))))
        # An aggregate has decided as what it is, and that is an influence already.
        read = replace(read, uses=tuple(u for u in read.uses if u.is_of_rows or u.kind == "group_key"))
        values = {name: _compared(value, read, personal) for name, value in values.items()}
    return replace(source, values=values, influences=merged(source.influences, *influences))


def _compared(value: Value, read: Value, personal: frozenset[Source]) -> Value:
    """Return a value after a condition on what was `read`: held against it, one tells of the other as in a join."""
    own, all_read = sources_of(value), sources_of(read)
    is_foreign = bool({dataset for dataset, _ in all_read} - {dataset for dataset, _ in own})
    if own & all_read and (is_foreign or (all_read & personal and all_read - own)):
        return together(value, read)
    return value


def _is_computed(value: Value) -> bool:
    """Whether nothing in a join's key is a column's own value: it is a constant, or computed."""
    return all(use.kind == "derived" or use.computed for use in value.uses)


def _carried(value: Value, beside: Relation, step: str, at: Position | None) -> Value:
    met = {use.dataset for use in beside.rows}  # datasets whose single rows the value is put beside
    uses = []
    for use in value.uses:
        if use.is_of_rows:
            use = replace(use, joined=True).via(step, at)
        elif use.column is not None and met - {use.dataset}:
            use = replace(use, joined=True)
        uses.append(use)
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


def _labels(value: Value, by: str, personal: frozenset[Source], at: Position | None) -> Value:
    """Return a key after grouping: its distinct values. Those of a personal column are the column itself."""
    uses = []
    for use in value.uses:
        if use.is_of_rows and not is_among(use, personal):
            use = replace(use, kind="group_key", computed=use.kind == "derived").via(f"group{by}", at)
        uses.append(use)
    return Value(merged(uses), value.influences)


def _aggregated(
    source: Relation, output: AggregateOutput, group: _Group, node: Aggregate, at: Position | None
) -> Value:
    if output.times is not None:
        raise UnknownOperator("rows that stand for several")  # of steps only: `policy.faithful` knows the query's own
    if output.function not in KIND_OF_FUNCTION:
        raise UnknownOperator(f"the function {output.function}")
    over = source.values[output.over] if output.over is not None else Value()
    never_null = output.over is not None and not field_of(node.source, output.over).nullable
    uses = []
    for use in over.uses:
        if use.is_of_rows:
            uses.append(_aggregated_rows(use, output, group, never_null).via(group.step(use, output), at))
        else:
            combines = use.total is not None and (use.kind, output.function) in COMBINES
            uses.append(replace(use, total=(group.number, use.total) if combines else None))
    for use in source.rows:
        is_told, known = tells_rows_of(use, output, over)
        if is_told:
            uses.append(replace(_counted_rows(use, output, group), to_knowing=known).via(f"count(*){group.by}", at))
    return Value(merged(uses), over.influences)


def _aggregated_rows(use: Use, output: AggregateOutput, group: _Group, never_null: bool) -> Use:
    if use.dataset in group.single:
        return replace(use, kind="derived")
    return replace(
        use,
        kind=KIND_OF_FUNCTION[output.function],
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
        case Spread():
            return variance_of(expression, source) or _computed(expression, source, deciding=())
        case Arithmetic() | Negate():
            mean = mean_of(expression, source)
            if mean is not None:
                return mean
            return _computed(expression, source, deciding=(), telling_apart=_steps_of(expression))
        case Compare() | Logic() | Not() | IsNull() | Call("like" | "ilike"):
            return _computed(expression, source, deciding=operands(expression))
        case Call(arguments=arguments):
            return _computed(expression, source, deciding=(), telling_apart=arguments)
        case Case(branches):
            return _computed(expression, source, deciding=tuple(condition for condition, _ in branches))
        case _ as never:
            _unknown(never)


def _steps_of(expression: Arithmetic | Negate) -> tuple[Expression, ...]:
    """Return the operands of which the result tells values apart as a condition would: by steps, bits, or becoming NULL."""
    match expression:
        case Arithmetic("//" | "%" | "&", left, right):
            return (left, right)
        case Arithmetic(left=left, right=right) if rounds(expression):
            return (left, right)  # (days + 1e17) - 1e17 is a step
        case Arithmetic("/", _, divisor):
            return (divisor,)
    return ()


def _ruled(value: Value) -> frozenset[Source]:
    """Return the columns of rows in a value whose owners say how they may decide."""
    return frozenset((u.dataset, u.column) for u in value.uses if u.is_of_rows and u.rules and u.column is not None)


def _computed(
    expression: Expression,
    source: Relation,
    deciding: tuple[Expression, ...],
    telling_apart: tuple[Expression, ...] = (),
) -> Value:
    """Return the value that is computed of others.

    `deciding`: operands that are conditions. `telling_apart`: those that could stand for one, which matters for
    columns with rules on conditions alone: `SUM(pay * (age % 2))` is of whose age is odd.
    """
    values = {id(part): _value_of(part, source) for part in operands(expression)}
    column = column_in(expression)
    if column is not None:
        values = {part: held_to_rules(value, source.values[column.name], expression) for part, value in values.items()}
    match expression:
        case Arithmetic("*", left, right) if _ruled(values[id(left)]) & _ruled(values[id(right)]):
            telling_apart = (left, right)  # (days - 1) * (days - 2) is of those who stayed neither one day nor two
    parts = together(*values.values())
    uses = (replace(_derived(use), total=None) for use in parts.uses)
    influences = [parts.influences]
    for condition in deciding:
        value = values[id(condition)]  # once: of nested conditions, twice would double at each level
        # Labels and aggregates decide here as what they are, and are among the parts.
        of_rows = Value(tuple(use for use in value.uses if use.is_of_rows))
        said = condition if isinstance(expression, Case) else expression
        step = f"condition {show_expression(said)}"
        influences.append(influences_of(of_rows, "filter", step, expression.at))
    for part in telling_apart:
        ruled = Value(noting_parts(values[id(part)].uses, expression))
        influences.append(influences_of(ruled, "filter", f"computed {show_expression(expression)}", expression.at))
    return Value(merged(uses), merged(*influences))


def _derived(use: Use) -> Use:
    return replace(use, kind="derived") if use.is_of_rows else use
