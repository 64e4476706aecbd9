"""Aggregates of one grouping that are of different rows: their difference may be of fewer subjects than a policy asks for.

`SELECT SUM(days), SUM(CASE WHEN patient <> 7 THEN days END)` is two totals of many, and their difference is one person's.
So what can be subtracted from one another has to be of the same rows, or of rows that certainly have none in common. Rows
that the owner's own NULLs leave out are no author's choice, and count as there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from conclave.ir.expressions import (
    Arithmetic,
    Call,
    Case,
    Column,
    Expression,
    IsNull,
    Literal,
    Not,
    Spread,
    names_in,
    operands,
)
from conclave.ir.nodes import (
    SPREADS,
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    Filter,
    Limit,
    Node,
    Project,
    Sort,
    field_of,
)
from conclave.ir.noise import Noise
from conclave.ir.show import show_expression
from conclave.ir.types import Integer
from conclave.ir.walk import children, nodes_in, substitute
from policy.document import Policy
from policy.domain import passed, positive
from policy.mean import without_casts
from policy.minimum import groupings, least_of
from policy.verdict import Reason

_MOST_PARTS = 200  # of an expression that is followed further
_SPREAD = ("sum", "sum_squares", "avg", *SPREADS)
_EXTREMES = ("min", "max", "quantile_cont", "quantile_disc")
_ONE = Literal(1, Integer(8))


@dataclass(frozen=True)
class _Told:
    """An aggregate, for each part of a UNION ALL that its rows are from."""

    name: str
    kinds: frozenset[str]  # equal for what can be subtracted
    sources: frozenset[str]
    rows: tuple[frozenset[Expression], ...]  # the conditions that these pass


def check_selections(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the datasets that are to have a minimum of subjects, and of whose groups two aggregates are of other rows."""
    for dataset, nodes in sorted(groupings(root, policies).items()):
        policy = policies[dataset]
        for node in nodes:
            pair = next(_different(root, node), None)
            if pair is None:
                continue
            one, other = sorted(each.name for each in pair)
            yield Reason(
                code="differencing",
                dataset=dataset,
                version=policy.metadata.version,
                clause="spec.minimum.subjects",
                says=f"asks for at least {least_of(policy)} subjects behind all that is released",
                what=f"{one} and {other} are of different rows of {dataset}; their difference may be of fewer subjects",
                where=node.at,
                fix="group by what the rows differ in, so that small groups are suppressed, or ask two questions",
            )
            break


def _different(root: Node, node: Aggregate) -> Iterator[tuple[_Told, _Told]]:
    told = _used(root, node, {output.name: output for output in node.outputs})
    found = [_told(node, output) for output in node.outputs if output.name in told]
    for one, other in combinations(found, 2):
        shares = "count" in one.kinds & other.kinds or bool(one.kinds & other.kinds and one.sources & other.sources)
        if shares and not _are_apart(one.rows, other.rows):
            yield one, other


def _are_apart(one: tuple[frozenset[Expression], ...], other: tuple[frozenset[Expression], ...]) -> bool:
    """Whether the rows are certainly the same, or certainly others, in every part."""
    if len(one) != len(other):
        return False
    if all(map(_are_same, one, other)):
        return True
    return all(passed(mine).is_disjoint_from(passed(theirs)) for mine, theirs in zip(one, other, strict=True))


def _are_same(one: frozenset[Expression], other: frozenset[Expression]) -> bool:
    return {show_expression(each) for each in one} == {show_expression(each) for each in other}


def _told(node: Aggregate, output: AggregateOutput) -> _Told:
    values = (_ONE,) if output.over is None else _made(node.source, output.over)
    if output.over is None:
        values = values * max(_n_parts(node.source), 1)
    picked = [_picked(value) for value in values]
    sources = frozenset(name for value, _ in picked for name in names_in(value))
    is_plain = all(isinstance(without_casts(value), Column) for value, _ in picked)
    kinds = {"extreme"} if output.function in _EXTREMES else {"sum"} if output.function in _SPREAD else {"count"}
    if output.function == "sum" and not is_plain:
        kinds.add("count")  # SUM(1 + 0 * days) counts
    if output.is_distinct:
        kinds = {"distinct"}
    return _Told(output.name, frozenset(kinds), sources, tuple(conditions for _, conditions in picked))


def _picked(value: Expression) -> tuple[Expression, frozenset[Expression]]:
    """Return what is aggregated, and which conditions its rows pass because it is NULL in others."""
    bare = without_casts(value)
    if isinstance(bare, Case) and len(bare.branches) == 1 and _is_null(bare.default):
        ((condition, chosen),) = bare.branches
        inner, conditions = _picked(chosen)
        return inner, conditions | {positive(condition)}
    return (bare, frozenset({Not(IsNull(bare))})) if _leaves_out(bare) else (bare, frozenset())


def _is_null(expression: Expression) -> bool:
    bare = without_casts(expression)
    return isinstance(bare, Literal) and bare.value is None


def _leaves_out(expression: Expression) -> bool:
    """Whether it may be NULL where its columns are not: pay / (id - 7) is of those whose id is not 7."""
    match expression:
        case Case() | Call("sqrt"):
            return True
        case Arithmetic("/" | "//" | "%", _, right) if not (isinstance(right, Literal) and right.value):
            return True
    return any(map(_leaves_out, operands(expression)))


def _n_parts(node: Node) -> int:
    match node:
        case Concat(parts):
            return sum(map(_n_parts, parts))
        case Project(source) | Filter(source) | Sort(source) | Limit(source) | Aggregate(source):
            return _n_parts(source)
    return 1


def _made(node: Node, name: str) -> tuple[Expression, ...]:
    """Return what a column is computed by from datasets' columns, for each part of a UNION ALL below."""
    match node:
        case Concat(parts):
            return tuple(each for part in parts for each in _made(part, name))
        case Filter(source) | Sort(source) | Limit(source):
            return _made(source, name)
        case Project(source, outputs):
            return _computed(source, next(output.expression for output in outputs if output.name == name))
        case Aggregate(source, keys, outputs) if name not in keys:
            # What is made of one person's rows first is of just these rows.
            over = next(output.over for output in outputs if output.name == name)
            return (_ONE,) * _n_parts(source) if over is None else _made(source, over)
        case Aggregate(source):
            return _made(source, name)
    sides = [side for side in children(node) if name in {f.name for f in side.schema}]
    if len(sides) == 1 and _n_parts(sides[0]) == 1:
        return _made(sides[0], name)
    found = field_of(node, name)
    return (Column(name, found.type, found.nullable),)


def _computed(source: Node, expression: Expression) -> tuple[Expression, ...]:
    below = {name: _made(source, name) for name in sorted(names_in(expression))}
    n_parts = _n_parts(source) if not below else max(map(len, below.values()))
    made = []
    for part in range(n_parts):
        values = {name: each[part if len(each) == n_parts else 0] for name, each in below.items()}
        made.append(substitute(expression, values) if sum(map(_size, values.values())) < _MOST_PARTS else expression)
    return tuple(made)


def _size(expression: Expression) -> int:
    return 1 + sum(map(_size, operands(expression)))


def _used(root: Node, node: Node, outputs: Mapping[str, AggregateOutput]) -> frozenset[str]:
    """Return which outputs are told of, but for those that only divide a sum of the same rows: a mean tells no count."""
    found: set[str] = set()
    for parent in nodes_in(root):
        if not any(source is node for source in children(parent)):
            continue
        match parent:
            case Project(_, made):
                found.update(name for output in made for name in _read(output.expression, outputs))
            case Filter(_, predicate):
                found |= {*_read(predicate, outputs), *_used(root, parent, outputs)}
            case Sort(_, keys):
                found |= {*(key.column for key in keys), *_used(root, parent, outputs)}
            case Limit() | Noise():
                found |= _used(root, parent, outputs)
            case _:
                found |= outputs.keys()
    return frozenset(found)


def _read(expression: Expression, outputs: Mapping[str, AggregateOutput]) -> Iterator[str]:
    match expression:
        case Column(name):
            yield name
            return
        case Spread(total=total):
            yield from _read(total, outputs)
            return
        case Arithmetic("/", left, right):
            total, count = without_casts(left), without_casts(right)
            if isinstance(total, Column) and isinstance(count, Column) and _is_mean(total.name, count.name, outputs):
                yield total.name
                return
    for part in operands(expression):
        yield from _read(part, outputs)


def _is_mean(total: str, count: str, outputs: Mapping[str, AggregateOutput]) -> bool:
    summed, counted = outputs.get(total), outputs.get(count)
    if summed is None or counted is None:
        return False
    return (summed.function, counted.function) == ("sum", "count") and summed.over == counted.over
