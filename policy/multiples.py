"""How often rows stand under a minimum, and by whose numbers they are weighed: both can be said in another owner's file.

Theory. What is told of ten hides one of them if each counts alike, or as their own data say. In a join by keys that repeat,
the other side's file says how often each row stands: if one stands there once and all others twice, a number of pairs
is odd if that one is among them. No bound on how often helps, so such rows may be repeated only by rows of their own owner, or
of one that asks for a minimum of them too, and as these are: a condition that reads several of their columns, or the person,
would pick how often. In groups in which a row meets one other at most (a key, together with what is grouped by) it stands once.

Values are the same. Whoever brings the file chooses the numbers in it, powers of two, say, whose sum tells whom it is of. So
a recipient's own numbers are not added up over rows under another's minimum. Those of a third owner are, who is taken not
to conspire with the recipient.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from conclave.ir.expressions import Arithmetic, Case, Cast, Column, Compare, Expression, Literal, names_in, operands
from conclave.ir.nodes import Aggregate, AggregateOutput, Concat, CrossOne, Filter, Join, Limit, Node, Project, Scan
from conclave.ir.show import show_expression, show_node
from conclave.ir.walk import children, conjuncts, nodes_in
from conclave.ir.window import Window
from conclave.plan.unique import Uniqueness, uniqueness
from policy.document import Policy
from policy.mean import without_casts
from policy.shaping import REPEATABLE, Shape, Shaping

Names = frozenset[str]
Choices = frozenset[tuple[object, int]]  # parts of a UNION ALL that a row is of: rows of two parts are never beside


@dataclass(frozen=True)
class Source:
    """Rows of a dataset, as far as they are in some part of a UNION ALL."""

    dataset: str
    owner: str
    choices: Choices = frozenset()


Sources = frozenset[Source]


@dataclass(frozen=True)
class Repeat:
    """Rows that stand as often as they meet others."""

    victims: Sources
    by: Sources
    side: Node  # the relation of those others
    on: Names  # its columns that they meet by
    names: Names  # columns that are made of its columns
    copies: Mapping[str, str]  # of these, which are its columns as they are
    picked: str = ""  # the condition by which an author picks how often
    compared: str = ""  # a condition on both


@dataclass(frozen=True)
class Rows:
    """What a relation's rows and columns are of."""

    sources: Sources = frozenset()
    columns: Mapping[str, Sources] = field(default_factory=dict)
    repeats: tuple[Repeat, ...] = ()
    picked: Mapping[str, str] = field(default_factory=dict)  # columns that are NULL by such a condition


@dataclass
class Multiples:
    """Traces a query's relations."""

    shaping: Shaping
    _done: dict[int, Rows] = field(default_factory=dict)  # by id: subtrees are shared

    @property
    def policies(self) -> Mapping[str, Policy]:
        """The owners' policies, by dataset."""
        return self.shaping.policies

    def lets_count_more(self, node: Aggregate, output: AggregateOutput, dataset: str, recipient: str) -> str:
        """Return why a dataset's rows may count for more than one another in an aggregate; "" if they may not."""
        rows, call = self.rows(node.source), f"{output.function}({output.over or '*'})"
        mine = frozenset(each for each in rows.sources if each.dataset == dataset)
        values = _beside(rows.columns.get(output.over, frozenset()), mine) if output.over is not None else frozenset()
        if any(each.owner == recipient for each in values) and (output.function != "count" or output.is_distinct):
            return f"{recipient} has brought numbers that {call} is made of, and can tell from it whose they are"
        if output.is_distinct or output.function in REPEATABLE:
            return ""
        if (
            output.over is not None
            and output.over in rows.picked
            and any(mine & repeat.victims for repeat in rows.repeats)
        ):
            return f"{rows.picked[output.over]} picks how often they count in {call}"
        for repeat in rows.repeats:
            victims = mine & repeat.victims
            is_of_others = output.function != "count" and bool(values) and _beside(values, victims) <= repeat.by - mine
            if not victims or is_of_others or self._stands_once(repeat, node.keys):
                continue
            if repeat.picked:
                return f"{repeat.picked} picks how often they count in {call}"
            owners = {each.owner for each in victims}
            others = sorted(each.dataset for each in repeat.by if not self._may_repeat(each, owners, recipient))
            if others:
                return f"they count as often in {call} as {others[0]} has rows of the same {_listed(repeat.on)}"
        return ""

    def may_overlap(self, node: Aggregate, dataset: str, recipient: str) -> str:
        """Return how an author, or a recipient, can have a dataset's rows be in several groups; "" if neither can.

        Two groups could have the same rows but for one, and whatever is told of both be subtracted.
        """
        for repeat in self.rows(node.source).repeats:
            key = next((k for k in node.keys if k in repeat.names and repeat.copies.get(k) not in repeat.on), None)
            if key is None or not any(each.dataset == dataset for each in repeat.victims):
                continue
            if any(each.owner == recipient for each in repeat.by):
                return f"{recipient} has brought {key}, by which rows can be in several groups"
            if why := repeat.compared or repeat.picked or _made_up(repeat.side, self.shaping):
                return f"rows can be in several groups by {key}: {why} says in which"
        return ""

    def _may_repeat(self, source: Source, owners: set[str], recipient: str) -> bool:
        policy = self.policies.get(source.dataset)
        is_under_minimum = policy is not None and policy.spec.minimum is not None and policy.spec.minimum.subjects > 1
        return {source.owner} == owners or (is_under_minimum and source.owner != recipient)

    def _stands_once(self, repeat: Repeat, keys: tuple[str, ...]) -> bool:
        known = repeat.on | {repeat.copies[key] for key in keys if key in repeat.copies}
        return uniqueness(repeat.side, known | self.shaping.shape(repeat.side).constants.keys()) > Uniqueness.NONE

    def rows(self, node: Node) -> Rows:
        """Return what a relation's rows are of."""
        if id(node) not in self._done:
            self._done[id(node)] = self._rows(node)
        return self._done[id(node)]

    def _rows(self, node: Node) -> Rows:
        sources = [self.rows(source) for source in children(node)]
        match node:
            case Scan():
                own = frozenset({Source(node.dataset, node.owner)})
                return Rows(own, {f.name: own for f in node.schema})
            case Concat():
                return _merged([_chosen(part, id(node), k) for k, part in enumerate(sources)])
            case Project(source):
                return _project(sources[0], node, self.shaping.shape(source))
            case Filter(source):
                return _filter(sources[0], node, self.shaping.shape(source))
            case Window():
                made = {output.name: sources[0].sources for output in node.outputs}
                return replace(sources[0], columns={**sources[0].columns, **made})
            case Aggregate():
                return _aggregate(sources[0], node)
            case Join():
                return self._join(sources[0], _apart(sources[1], sources[0]), node)
            case CrossOne(_, right):  # the same in every row, so it weighs none
                constants = {f.name: frozenset[Source]() for f in right.schema}
                return replace(sources[0], columns={**sources[0].columns, **constants})
        return sources[0] if sources else Rows()

    def _join(self, left: Rows, right: Rows, node: Join) -> Rows:
        lefts, rights = (frozenset(pair[side] for pair in node.on) for side in (0, 1))
        if node.how in ("semi", "anti"):
            return replace(left, repeats=tuple(_met(each, lefts, right) for each in left.repeats))
        repeats = [
            *(_met(each, lefts, right) for each in left.repeats),
            *(_met(each, rights, left) for each in right.repeats),
        ]
        for victims, by, side, on in ((left, right, node.right, rights), (right, left, node.left, lefts)):
            names = {f.name: f.name for f in side.schema}
            repeat = Repeat(victims.sources, by.sources, side, on, frozenset(names), names, _picks(side, self.shaping))
            if not self._stands_once(repeat, ()):
                repeats.append(repeat)
        both = _merged([left, right])
        return replace(both, repeats=tuple(repeats))


def _picks(side: Node, shaping: Shaping) -> str:
    """Return by which condition an author has picked how often keys come in a relation."""
    for node in nodes_in(side):
        if isinstance(node, Limit | Window) or (isinstance(node, Join) and node.how in ("semi", "anti")):
            return show_node(node)
        if isinstance(node, Filter):
            shape = shaping.shape(node.source)
            found = next((each for each in conjuncts(node.predicate) if not _is_of_one(each, shape)), None)
            if found is not None:
                return show_expression(found)
        if isinstance(node, Concat) and len({_conditions(part) for part in node.parts}) > 1:
            return "a UNION ALL of rows by different conditions"
    return ""


def _made_up(side: Node, shaping: Shaping) -> str:
    """Return what in a relation makes rows beside each other of which the data have one alone."""
    for node in nodes_in(side):
        if isinstance(node, Concat) and shaping.shape(node).repeated:
            return shaping.shape(node).repeated
        if isinstance(node, Join) and node.how in ("inner", "left"):
            sides = ((node.left, 0), (node.right, 1))
            unique = (uniqueness(each, frozenset(pair[k] for pair in node.on)) for each, k in sides)
            if all(each == Uniqueness.NONE for each in unique):
                return show_node(node)
    return ""


def _conditions(part: Node) -> tuple[str, ...]:
    return tuple(sorted(show_expression(node.predicate) for node in nodes_in(part) if isinstance(node, Filter)))


def _is_of_one(condition: Expression, shape: Shape) -> bool:
    """Whether a condition reads one column of the data, or compares two, and none with the person: OR picks by several."""
    read = names_in(condition)
    return (len(read) <= 1 or _is_plain(condition)) and read <= shape.own - shape.subjects


def _is_plain(condition: Expression) -> bool:
    """Whether it compares a column with a column."""
    sides = [without_casts(each) for each in operands(condition)] if isinstance(condition, Compare) else []
    return bool(sides) and all(isinstance(each, Column) for each in sides)


def _is_harmless(condition: Expression, repeat: Repeat, shape: Shape) -> bool:
    """Whether a condition after the join lets the data say how often rows stand."""
    read = names_in(condition)
    theirs = read & repeat.names
    if not theirs or (len(read) == 1 and all(repeat.copies.get(name) in repeat.on for name in theirs)):
        return True  # the others' keys are these rows' own
    if read == theirs:
        return _is_of_one(condition, shape)
    if not isinstance(condition, Compare) or len(read) != 2 or not read <= shape.own:
        return False
    return _is_plain(condition) or (not read & shape.subjects and all(map(shifts, operands(condition))))


def _compares(condition: Expression, repeat: Repeat) -> bool:
    """Whether a condition reads columns of both sides, the others' keys aside, which are these rows' own."""
    read = names_in(condition)
    return not read <= repeat.names and any(repeat.copies.get(name) not in repeat.on for name in read & repeat.names)


def shifts(expression: Expression) -> bool:
    """Whether it is of columns and constants by + and - alone: no product that is zero for either of two conditions."""
    match expression:
        case Column() | Literal():
            return True
        case Cast(operand):
            return shifts(operand)
        case Arithmetic("+" | "-", left, right):
            return shifts(left) and shifts(right)
    return False


def _filter(source: Rows, node: Filter, shape: Shape) -> Rows:
    conditions = conjuncts(node.predicate)
    return replace(source, repeats=tuple(_after(each, conditions, shape) for each in source.repeats))


def _after(repeat: Repeat, conditions: Iterable[Expression], shape: Shape) -> Repeat:
    conditions = list(conditions)
    compared = next((each for each in conditions if _compares(each, repeat)), None)
    if compared is not None and not repeat.compared:
        repeat = replace(repeat, compared=show_expression(compared))
    found = next((each for each in conditions if not _is_harmless(each, repeat, shape)), None)
    return repeat if found is None or repeat.picked else replace(repeat, picked=show_expression(found))


def _project(source: Rows, node: Project, shape: Shape) -> Rows:
    read = {output.name: names_in(output.expression) for output in node.outputs}
    bare = {output.name: without_casts(output.expression) for output in node.outputs}
    copies = {name: each.name for name, each in bare.items() if isinstance(each, Column)}
    columns = {name: _all(source.columns.get(each, frozenset()) for each in below) for name, below in read.items()}
    picked = {
        name: source.picked[each] for name, below in read.items() for each in sorted(below & source.picked.keys())
    }
    compared = [each.compared for each in source.repeats]
    for output in node.outputs if source.repeats else ():
        conditions = [each for test in tests_in(output.expression) for each in conjuncts(test)]
        after = [_after(each, conditions, shape) for each in source.repeats]
        compared = [had or each.compared for had, each in zip(compared, after, strict=True)]
        found = (each.picked for each in after)
        if why := next((why for why, each in zip(found, source.repeats, strict=True) if why and not each.picked), ""):
            picked[output.name] = why
    repeats = tuple(
        replace(
            each,
            names=frozenset(name for name, below in read.items() if below & each.names),
            copies={name: each.copies[of] for name, of in copies.items() if of in each.copies},
            compared=why,
        )
        for each, why in zip(source.repeats, compared, strict=True)
    )
    return Rows(source.sources, columns, repeats, picked)


def tests_in(expression: Expression) -> Iterator[Expression]:
    """Yield the conditions of each CASE in an expression."""
    if isinstance(expression, Case):
        yield from (test for test, _ in expression.branches)
    for part in operands(expression):
        yield from tests_in(part)


def _aggregate(source: Rows, node: Aggregate) -> Rows:
    """Return groups: of rows that stand several times there are several if they are grouped by the others' columns."""
    keys = frozenset(node.keys)
    made = {
        o.name: source.sources if o.over is None or o.function == "count" else source.columns.get(o.over, frozenset())
        for o in node.outputs
    }
    repeats = tuple(
        replace(each, names=each.names & keys, copies={name: of for name, of in each.copies.items() if name in keys})
        for each in source.repeats
        if any(each.copies.get(name) not in each.on for name in each.names & keys)
    )
    columns = {**{key: source.columns.get(key, frozenset()) for key in node.keys}, **made}
    return Rows(source.sources, columns, repeats, {key: why for key, why in source.picked.items() if key in keys})


def _met(repeat: Repeat, on: Names, other: Rows) -> Repeat:
    """Return it after a join with `other`, which picks among the repeating rows if it is by a column of theirs."""
    own = frozenset(name for name in on & repeat.names if repeat.copies.get(name) not in repeat.on)
    return replace(repeat, by=repeat.by | other.sources) if own else repeat


def _chosen(part: Rows, union: object, place: int) -> Rows:
    return _mapped(part, lambda each: replace(each, choices=each.choices | {(union, place)}))


def _apart(right: Rows, left: Rows) -> Rows:
    """Return the right side of a join, which chooses parts of a UNION ALL anew if it is one that the left side has."""
    unions = {union for each in left.sources for union, _ in each.choices}
    if not any(union in unions for each in right.sources for union, _ in each.choices):
        return right
    return _mapped(right, lambda each: replace(each, choices=frozenset((("right", u), k) for u, k in each.choices)))


def _mapped(rows: Rows, change: Callable[[Source], Source]) -> Rows:
    made = {each: change(each) for each in rows.sources}

    def of(sources: Sources) -> Sources:
        return frozenset(made.get(each, each) for each in sources)

    return replace(
        rows,
        sources=of(rows.sources),
        columns={name: of(each) for name, each in rows.columns.items()},
        repeats=tuple(replace(each, victims=of(each.victims), by=of(each.by)) for each in rows.repeats),
    )


def _merged(parts: list[Rows]) -> Rows:
    columns: dict[str, Sources] = {}
    for part in parts:
        for name, sources in part.columns.items():
            columns[name] = columns.get(name, frozenset()) | sources
    picked = {name: why for part in reversed(parts) for name, why in part.picked.items()}
    return Rows(_all(part.sources for part in parts), columns, tuple(r for part in parts for r in part.repeats), picked)


def _all(sources: Iterable[Sources]) -> Sources:
    return reduce(frozenset.union, sources, frozenset())


def _beside(sources: Sources, others: Sources) -> Sources:
    """Return those that can stand in one row with some of the others."""
    return frozenset(each for each in sources if any(_go_together(each.choices, other.choices) for other in others))


def can_meet(one: Source, other: Source) -> bool:
    """Whether rows of both can stand in one row: those of two parts of a UNION ALL cannot."""
    return _go_together(one.choices, other.choices)


def _go_together(one: Choices, other: Choices) -> bool:
    parts = dict(one)
    return all(parts.get(union, place) == place for union, place in other)


def _listed(names: Names) -> str:
    return ", ".join(sorted(names))
