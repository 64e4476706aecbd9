"""What is known of the rows that a step makes, and which sorts of later steps that spares.

In which order rows stand: as a grouping, a window or a sort has left them, and as joins to unique keys keep them. Which
columns tell others: those of a join's unique side follow from the keys that it is joined by, aggregates from theirs.
All of it follows from the steps alone, whatever the data, so that policies' owners can find it out again.

Reveals:  nothing: a sort that is left out is one whose outcome is the order there is.
Safe:     no fact is taken from data; rows that would be left in an order that somebody knows are still put into one that nobody
          does, see `apply`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from conclave.ir.expressions import Call, Column, Expression, names_in, operands
from conclave.ir.nodes import QUANTILES, Aggregate, CrossOne, Filter, Input, Join, Limit, Node, Project, Sort
from conclave.ir.types import Double, Schema, Varchar, is_packed, key_bits
from conclave.ir.walk import children
from conclave.ir.window import SortKey, Window, WindowOutput
from conclave.plan.steps import InOrder, MpcStep

Names = frozenset[str]


@dataclass(frozen=True)
class Facts:
    """Of rows that exist: `order` is how they stand; `tells`, which columns the columns before them say; `keys` tell rows apart."""

    order: tuple[SortKey, ...] = ()
    are_first: bool = False  # rows that do not exist stand behind all others
    tells: tuple[tuple[Names, Names], ...] = ()
    keys: frozenset[Names] = frozenset()

    def told_by(self, names: Iterable[str]) -> Names:
        """Return all columns in which rows agree that agree in these."""
        told, before = frozenset(names), None
        while told != before:
            before = told
            told = told.union(*(others for some, others in self.tells if some <= told))
        return told

    def are_apart(self, names: Iterable[str]) -> bool:
        """Whether no two rows agree in all of these columns."""
        told = self.told_by(names)
        return any(key <= told for key in self.keys)

    def as_sorted(self) -> InOrder:
        """Return which rows stand in the order."""
        return "all" if self.are_first else "existing"


NOTHING = Facts()


def facts_after(step: MpcStep, known: Mapping[str, Facts]) -> Facts:
    """Return what is known of the rows that a step makes, from what is known of the tables that it reads.

    >>> from conclave.ir.types import Field, Integer
    >>> rows = Input("m1", (Field("ward", Integer()), Field("day", Integer())))
    >>> facts_after(MpcStep("m2", Aggregate(rows, ("ward", "day"), ())), {}).order[0]
    SortKey(column='ward', descending=False, nulls_first=False)
    """
    made = _made(step, [_of(child, known) for child in children(step.operator)])
    # Dropping rows shuffles them, so that nobody knows which are left.
    return replace(made, order=(), are_first=True) if step.is_compacted else made


def spared(step: MpcStep, known: Mapping[str, Facts]) -> MpcStep:
    """Return the step with what it need not sort: rows that stand in order already, keys that other keys tell.

    >>> from conclave.ir.types import Field, Integer
    >>> rows = Input("m2", (Field("ward", Integer()), Field("day", Integer())))
    >>> sorted_by_both = {"m2": Facts((SortKey("ward"), SortKey("day")), are_first=True)}
    >>> step = MpcStep("m3", Aggregate(rows, ("ward",), ()))
    >>> spared(step, sorted_by_both).in_order, spared(step, {}).in_order
    ('all', 'no')
    """
    match step.operator:
        case Aggregate(source, keys, outputs) if keys and not _is_counted_apart(step.operator) and not step.seen_by:
            facts = _of(source, known)
            by = _least_keys(keys, source.schema, facts)
            # A quantile orders the rows of each group by their values first.
            has_quantile = any(output.function in QUANTILES for output in outputs)
            in_order = facts.as_sorted() if not has_quantile and _n_grouping(keys, facts) else "no"
            return replace(step, sorts_by=() if by == keys else by, in_order=in_order)
        case Sort(source, keys) if keys:
            facts = _of(source, known)
            stands = _stands_in(keys, (), source.schema, facts) and facts.are_apart(key.column for key in keys)
            return replace(step, in_order=facts.as_sorted() if stands else "no")
        case Window(source, partition, keys, outputs) if partition or keys:
            facts = _of(source, known)
            n_own = len(partition)
            begin, rest = facts.order[:n_own], facts.order[n_own:]
            stands = {key.column for key in begin} == set(partition) and len(begin) == n_own
            stands = stands and _stands_in(keys, partition, source.schema, replace(facts, order=rest))
            # A sort takes equal rows in an order that nobody knows; here they would stand in one that is known.
            no_matter = all(map(_is_of_peers, outputs)) or facts.are_apart((*partition, *(key.column for key in keys)))
            return replace(step, in_order=facts.as_sorted() if stands and no_matter else "no")
    return step


def _of(node: Node, known: Mapping[str, Facts]) -> Facts:
    return known.get(node.name, NOTHING) if isinstance(node, Input) else NOTHING


def _made(step: MpcStep, sources: list[Facts]) -> Facts:
    match step.operator:
        case Filter():
            return replace(sources[0], are_first=False)
        case Limit():
            return sources[0]
        case Sort(_, keys):
            return replace(sources[0], order=keys, are_first=True)
        case Project():
            return _projected(step.operator, sources[0])
        case Window(_, partition, keys):
            if step.in_order != "no":
                return replace(sources[0], are_first=True)
            order = (*(SortKey(name) for name in partition), *keys)
            return replace(sources[0], order=order, are_first=bool(order))
        case Aggregate():
            return _grouped(step, step.operator, sources[0])
        case Join():
            return _joined(step, step.operator, *sources)
        case CrossOne(_, right):
            told = (frozenset[str](), frozenset(f.name for f in right.schema))
            return replace(sources[0], are_first=False, tells=(*sources[0].tells, told))
    return NOTHING


def _grouped(step: MpcStep, node: Aggregate, source: Facts) -> Facts:
    own = frozenset(node.keys)
    tells = tuple((some, others & own) for some, others in source.tells if some <= own and others & own)
    facts = Facts((), False, (*tells, (own, frozenset(f.name for f in node.schema))), frozenset({own}))
    if not own or step.seen_by:
        return facts
    if step.in_order == "no":
        order = tuple(SortKey(key) for key in step.sorts_by or node.keys)
        return replace(facts, order=order, are_first=not _is_counted_apart(node))
    order = source.order[: _n_grouping(node.keys, source)]
    lost = next((k for k, key in enumerate(order) if key.column not in own), len(order))
    return replace(facts, order=order[:lost], are_first=True)


def _is_counted_apart(node: Aggregate) -> bool:
    """Whether values or subjects are told apart beside, group by group in the order of all keys."""
    return bool(node.guards) or any(output.is_distinct for output in node.outputs)


def _joined(step: MpcStep, node: Join, left: Facts, right: Facts) -> Facts:
    if node.how in ("semi", "anti"):
        return replace(left, are_first=False, order=() if step.seen_by else left.order)
    tells, is_unique = left.tells, not step.seen_by and step.unique_side is not None
    own, others = frozenset(name for name, _ in node.on), frozenset(name for _, name in node.on)
    if is_unique and step.unique_side == "right":
        tells = (*tells, (own, frozenset(f.name for f in node.right.schema)))
    if node.how == "left":
        if not is_unique or step.unique_side != "right":
            return Facts(tells=tells)
        return Facts(left.order, left.are_first, tells, left.keys)
    pairs = (pair for a, b in node.on for pair in ((a, b), (b, a)))
    tells = (*tells, *right.tells, *((frozenset({a}), frozenset({b})) for a, b in pairs))
    if not is_unique:
        return Facts(tells=tells)
    if step.unique_side == "right":
        return Facts(left.order, False, tells, left.keys)
    return Facts(right.order, False, (*tells, (others, frozenset(f.name for f in node.left.schema))), right.keys)


def _projected(node: Project, source: Facts) -> Facts:
    names: dict[str, str] = {}
    for output in node.outputs:
        if isinstance(output.expression, Column):
            names.setdefault(output.expression.name, output.name)
    read = {output.name: names_in(output.expression) for output in node.outputs if _is_exact(output.expression)}

    def renamed(some: Names) -> Names | None:
        return frozenset(names[name] for name in some) if some <= names.keys() else None

    tells: dict[Names, Names] = {}
    for some in dict.fromkeys((*(some for some, _ in source.tells), *read.values())):
        own, told = renamed(some), source.told_by(some)
        if own is not None:
            found = frozenset(name for name, needed in read.items() if needed <= told) - own
            tells |= {own: tells.get(own, frozenset()) | found} if found else {}
    lost = next((k for k, key in enumerate(source.order) if key.column not in names), len(source.order))
    order = tuple(replace(key, column=names[key.column]) for key in source.order[:lost])
    keys = frozenset(key for key in map(renamed, source.keys) if key is not None)
    return Facts(order, source.are_first, tuple(tells.items()), keys)


def _is_exact(expression: Expression) -> bool:
    """Whether it is the same wherever what it reads is: of computed doubles MPC cuts the last place off at random."""
    parts = operands(expression)
    if not parts:
        return True
    made = (expression, *parts) if isinstance(expression, Call) else (expression,)
    return not any(isinstance(each.type, Double) for each in made) and all(map(_is_exact, parts))


def _least_keys(keys: tuple[str, ...], schema: Schema, facts: Facts) -> tuple[str, ...]:
    """Return keys that tell the others, of those that do the narrowest."""
    widths = {f.name: key_bits(f.type) + f.nullable for f in schema}
    least = list(dict.fromkeys(keys))
    for key in sorted(least, key=lambda name: -widths[name]):
        others = [name for name in least if name != key]
        if others and key in facts.told_by(others):
            least = others
    return tuple(least)


def _n_grouping(keys: tuple[str, ...], facts: Facts) -> int:
    """Return by how many columns rows are ordered that stand together if they agree in the keys; 0 if they may not."""
    told = facts.told_by(keys)
    for n in range(1, len(facts.order) + 1):
        by = frozenset(key.column for key in facts.order[:n])
        if not by <= told:
            return 0
        if frozenset(keys) <= facts.told_by(by):
            return n
    return 0


def _stands_in(keys: tuple[SortKey, ...], before: tuple[str, ...], schema: Schema, facts: Facts) -> bool:
    """Whether rows stand in the order of the keys, within those that agree in the columns before."""
    fields, seen = {f.name: f for f in schema}, list(before)
    for k, key in enumerate(keys):
        if seen and facts.are_apart(seen):
            return True
        field = fields[key.column]
        stands = facts.order[k] if k < len(facts.order) else None
        if not field.nullable and stands is not None:
            stands = replace(stands, nulls_first=key.nulls_first)
        # Of a long string the order may be that of its code.
        if stands != key or (isinstance(field.type, Varchar) and not is_packed(field.type)):
            return False
        seen.append(key.column)
    return True


def _is_of_peers(output: WindowOutput) -> bool:
    """Whether a window function is the same for rows that are ordered alike, and whichever stands first."""
    match output.function:
        case "sum" | "count" | "min" | "max":
            return output.frame != "rows"
    return output.function in ("rank", "dense_rank")
