"""What an author's choices make of rows and columns: which can count for more than others, without the data saying so.

Theory. An aggregate of many hides one of them as long as all count alike, or as their own data say. An author can break
that by a column that decides between values (`weighed`), and by letting some rows stand more often than others
(`repeated`). A NULL is no value, and counts for nobody, but where it is chosen (`chosen`), or may be, COUNT of one
person's rows makes it a number that everybody has; constants that differ from one part of a UNION ALL to the next decide by the part. A join repeats rows as
often as they meet: that is for the data to say (whose: `policy.multiples`), as long as the keys are data and no rows were picked
beside which others stay, and no condition after it picks pairs, but by comparing a column of the one side with one of the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import combinations
from typing import assert_never

from conclave.ir.expressions import Case, Column, Compare, Expression, Literal, names_in, operands
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
)
from conclave.ir.noise import Noise
from conclave.ir.show import show_expression, show_node
from conclave.ir.walk import children, conjuncts, nodes_in, scans_in
from conclave.ir.window import Window
from conclave.plan.unique import Uniqueness, uniqueness
from policy.document import Policy
from policy.domain import passed
from policy.made import Making
from policy.mean import without_casts
from policy.present import Present, needed
from policy.weights import may_be_null, weighs

Names = frozenset[str]
_NULL = "null"
# Whatever rows stand more often than others, these are the same.
REPEATABLE = ("min", "max")


@dataclass(frozen=True)
class Shape:
    """What is in a relation by choice and what by data."""

    own: Names = frozenset()  # values of datasets' columns as they are
    subjects: Names = frozenset()  # of those, whom rows are about
    weighed: Names = frozenset()  # of some rows they may say more than of others
    chosen: Names = frozenset()  # NULL where the author says so
    numbers: Names = frozenset()  # 0 of a person who has no value
    constants: Mapping[str, str] = field(default_factory=dict)
    repeated: str = ""  # why some rows may stand more often than others
    pairs: tuple[tuple[Names, Names], ...] = ()  # columns of the sides of each join that repeats rows

    def lets_count_more(self, output: AggregateOutput, keys: tuple[str, ...]) -> str:
        """Return why some rows may count for more than others in an aggregate of such rows; "" if they may not."""
        call = f"{output.function}({output.over or '*'})"
        if output.over in self.subjects and output.function != "count":
            return f"{call} tells whom rows are about"
        is_of_values = output.function != "count" and not output.is_total_of_counts  # that is still their number
        if output.over in self.numbers and is_of_values:
            return f"{output.over} is 0, and counted, where somebody has no value in {call}"
        if output.over in self.weighed:
            return f"{output.over} lets some count for more than others in {call}"
        if output.is_distinct or output.function in REPEATABLE:
            return ""
        if self.repeated:
            return f"some may count more often than others in {call}: {self.repeated}"
        mixed = next((key for key in keys if self.is_of_both({key})), None)
        return f"groups by {mixed} pick pairs of rows that {call} is of" if mixed is not None else ""

    def is_of_both(self, names: set[str] | Names) -> bool:
        """Whether the columns are of both sides of a join that repeats rows."""
        return any(names & left and names & right for left, right in self.pairs)

    def picks_pairs(self, condition: Expression) -> bool:
        """Whether a condition is on both sides of such a join, and more than a comparison of the one with the other."""
        read = names_in(condition)
        if not self.is_of_both(read):
            return False
        sides = [without_casts(each) for each in operands(condition)] if isinstance(condition, Compare) else []
        are_plain = len(sides) == 2 and all(isinstance(each, Column) for each in sides)
        return not are_plain or bool(read & self.weighed) or any(self.is_of_both({name}) for name in read)


@dataclass
class Shaping:
    """Traces a query's relations."""

    policies: Mapping[str, Policy]
    making: Making = field(default_factory=Making)
    _done: dict[int, Shape] = field(default_factory=dict)  # by id: subtrees are shared

    def shape(self, node: Node) -> Shape:
        """Return what `node` has by choice."""
        if id(node) not in self._done:
            self._done[id(node)] = self._shape(node)
        return self._done[id(node)]

    def _shape(self, node: Node) -> Shape:
        sources = [self.shape(source) for source in children(node)]
        match node:
            case Scan():
                policy, names = self.policies.get(node.dataset), frozenset(f.name for f in node.schema)
                marked = policy.spec.columns.items() if policy is not None else ()
                return Shape(own=names, subjects=frozenset(name for name, column in marked if column.subject) & names)
            case Concat():
                return replace(_concat(sources, node), repeated=self._in_several_parts(sources, node))
            case Project():
                return _project(sources[0], node)
            case Filter():
                return _filter(sources[0], node)
            case Noise() | Sort() | Limit() | Collect():
                return sources[0]
            case Window():
                return _window(sources[0], node)
            case Aggregate():
                return _aggregate(sources[0], node, self._lacking(node))
            case Join():
                return self._join(sources[0], sources[1], node)
            case CrossOne():
                return _beside(sources)
            case Input():
                return Shape()
            case _ as never:
                assert_never(never)

    def _lacking(self, node: Aggregate) -> Names:
        """Return the numbers of values that may be 0 where data are NULL: as a value it is there, and nobody's row is."""
        if not node.keys:
            return frozenset()
        there, lacking = Present(self.making).known(node.source), set()
        for output in node.outputs:
            if output.function == "count" and output.over is not None:
                made = self.making.made(node.source, output.over)
                known = there if len(there) == len(made) else (frozenset[str](),) * len(made)
                if any(needed(each) - certain for each, certain in zip(made, known, strict=True)):
                    lacking.add(output.name)
        return frozenset(lacking)

    def _in_several_parts(self, parts: list[Shape], node: Concat) -> str:
        """Return why rows may stand in several parts. Of rows under a minimum `policy.selections` says it."""
        for one, other in combinations(node.parts, 2):
            both = {scan.dataset for scan in scans_in(one)} & {scan.dataset for scan in scans_in(other)}
            asking = {name for name in both if (policy := self.policies.get(name)) and policy.spec.minimum}
            if both - asking and not passed(self.making.asked(one)).is_disjoint_from(passed(self.making.asked(other))):
                return f"rows of {min(both - asking)} may stand in several parts of a UNION ALL"
        return next((part.repeated for part in parts if part.repeated), "")

    def _join(self, left: Shape, right: Shape, node: Join) -> Shape:
        lefts, rights = ({pair[side] for pair in node.on} for side in (0, 1))
        repeated = left.repeated
        if left.is_of_both(lefts) and not _is_plain(node.right, self):
            repeated = repeated or f"{show_node(node)} picks pairs of rows"
        if node.how in ("semi", "anti"):
            met = {a for a, b in node.on if node.how == "semi" and b in right.subjects}
            return replace(left, repeated=repeated, subjects=left.subjects | met)
        both = _beside([left, right])
        if node.how == "left":
            found = {b for a, b in node.on if a in left.subjects}
            chosen = both.chosen | {f.name for f in node.right.schema}
            both = replace(both, chosen=chosen, own=left.own, subjects=both.subjects | found)
        else:
            equal = {(a, b) for a, b in node.on if a in left.subjects or b in right.subjects}
            both = replace(both, subjects=both.subjects | {name for pair in equal for name in pair})
        is_unique = [
            uniqueness(side, frozenset(keys | shape.constants.keys())) > Uniqueness.NONE
            for side, keys, shape in ((node.left, lefts, left), (node.right, rights, right))
        ]
        sides = ((left, node.left, lefts, is_unique[0]), (right, node.right, rights, is_unique[1]))
        for shape, side, keys, alone in sides:
            if not alone and (not keys <= shape.own or keys & shape.weighed):
                repeated = repeated or f"{show_node(node)} is by what the query computes"
            elif not alone and node.how == "left" and shape is right and not _is_plain(side, self):
                repeated = repeated or f"{show_node(node)} repeats rows beside those that it finds no match for"
        if not all(is_unique) and not any(a in left.subjects and b in right.subjects for a, b in node.on):
            names = tuple(frozenset(f.name for f in side.schema) for side in (node.left, node.right))
            both = replace(both, pairs=(*both.pairs, (names[0], names[1])))
        return replace(both, repeated=repeated or right.repeated)


def _is_plain(node: Node, shaping: Shaping) -> bool:
    """Whether no rows were picked, and those that are one group are so by datasets' own columns."""
    for each in nodes_in(node):
        if isinstance(each, Aggregate) and not set(each.keys) <= shaping.shape(each.source).own:
            return False
        if not isinstance(each, Scan | Project | Concat | Aggregate):
            return False
    return True


def _concat(parts: list[Shape], node: Concat) -> Shape:
    weighed, chosen, constants = set(), set(), {}
    for name in (f.name for f in node.schema):
        texts = {part.constants.get(name) for part in parts}
        if len(texts - {_NULL}) > 1 and texts - {_NULL, None}:
            weighed.add(name)
        if _NULL in texts and len(texts) > 1:
            chosen.add(name)
        if len(texts) == 1 and None not in texts:
            constants[name] = str(texts.pop())
    one = reduce(lambda a, b: replace(a, own=a.own & b.own), parts)
    both = _beside(parts)
    weighed_too, chosen_too = both.weighed | weighed, both.chosen | chosen
    return replace(both, own=one.own, weighed=weighed_too, chosen=chosen_too, constants=constants, pairs=())


def _project(source: Shape, node: Project) -> Shape:
    copies: dict[str, str] = {}
    weighed, chosen, constants = set(), set(), {}
    for output in node.outputs:
        bare = without_casts(output.expression)
        if isinstance(bare, Column):
            copies[output.name] = bare.name
        if isinstance(bare, Literal):
            constants[output.name] = _NULL if bare.value is None else show_expression(bare)
        elif isinstance(bare, Column) and bare.name in source.constants:
            constants[output.name] = source.constants[bare.name]
        if weighs(output.expression, source.subjects, source.weighed) or _picks_pairs(output.expression, source):
            weighed.add(output.name)
        if may_be_null(output.expression, source.chosen):
            chosen.add(output.name)
    computed = {output.name: output.expression for output in node.outputs}
    read = {name: names_in(expression) for name, expression in computed.items()}
    pairs = tuple(
        (frozenset(n for n in read if read[n] & left), frozenset(n for n in read if read[n] & right))
        for left, right in source.pairs
    )
    own, subjects = (frozenset(n for n, of in copies.items() if of in names) for names in (source.own, source.subjects))
    counted = {name: expression for name, expression in computed.items() if read[name] & source.numbers}
    numbers = frozenset(name for name, each in counted.items() if weighs(each, frozenset(), source.numbers))
    return Shape(own, subjects, frozenset(weighed), frozenset(chosen), numbers, constants, source.repeated, pairs)


def _picks_pairs(expression: Expression, source: Shape) -> bool:
    """Whether a CASE in it has a condition that picks pairs of rows."""
    if not source.pairs:
        return False
    tests = [test for test, _ in expression.branches] if isinstance(expression, Case) else []
    if any(source.picks_pairs(each) for test in tests for each in conjuncts(test)):
        return True
    return any(_picks_pairs(part, source) for part in operands(expression))


def _filter(source: Shape, node: Filter) -> Shape:
    picking = next(filter(source.picks_pairs, conjuncts(node.predicate)), None)
    if picking is None or source.repeated:
        return source
    return replace(source, repeated=f"{show_expression(picking)} picks pairs of rows")


def _window(source: Shape, node: Window) -> Shape:
    made = {o.name for o in node.outputs if o.over in source.weighed or o.over in source.chosen}
    return replace(source, weighed=source.weighed | made)


def _aggregate(source: Shape, node: Aggregate, lacking: Names) -> Shape:
    keys = frozenset(node.keys)
    weighed = {o.name for o in node.outputs if source.lets_count_more(o, node.keys)}
    weighed |= {o.name for o in node.outputs if o.function == "count" and o.over in source.chosen}
    chosen = {o.name for o in node.outputs if o.function != "count" and o.over in source.chosen}
    numbers = lacking | {o.name for o in node.outputs if o.is_total_of_counts and o.over in source.numbers}
    constants = {name: text for name, text in source.constants.items() if name in keys}
    return Shape(
        source.own & keys,
        source.subjects & keys,
        source.weighed & keys | weighed,
        source.chosen & keys | chosen,
        source.numbers & keys | numbers,
        constants,
    )


def _beside(sources: list[Shape]) -> Shape:
    def union(names: Iterable[Names]) -> Names:
        return reduce(frozenset.union, names)

    return Shape(
        own=union(source.own for source in sources),
        subjects=union(source.subjects for source in sources),
        weighed=union(source.weighed for source in sources),
        chosen=union(source.chosen for source in sources),
        numbers=union(source.numbers for source in sources),
        constants={name: text for source in sources for name, text in source.constants.items()},
        repeated=next((source.repeated for source in sources if source.repeated), ""),
        pairs=tuple(pair for source in sources for pair in source.pairs),
    )
