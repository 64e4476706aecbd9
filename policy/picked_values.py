"""Whether a query keeps a value by what it is, or by whose: then a sum of many can be one of them and the others' zeros.

`SUM(cost) … WHERE cost = 0 OR patient = 7` has enough patients, and is what one of them costs. Each of the two conditions
alone is for the data to say: it holds for all rows alike. So under a minimum no condition of several columns decides about
an aggregate's rows if one of them is what is aggregated, or says whom rows are about. AND of conditions is several; a comparison
of a column with a column is none of these, nor is their distance. A UNION ALL of parts of a table is an OR, and so can be
what is grouped or joined by. What a recipient has brought itself says of each row what it likes: compared with such a column, or
joined with such rows by two keys, rows are picked by two columns whatever the condition's form.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from conclave.ir.expressions import Case, Cast, Column, Compare, Expression, names_in, operands
from conclave.ir.nodes import Aggregate, Collect, Concat, Filter, Join, Node, Project, Scan
from conclave.ir.show import show_expression
from conclave.ir.walk import children, conjuncts, nodes_in, scans_in
from conclave.ir.window import Window
from policy.document import Policy
from policy.minimum import groupings, least_of
from policy.multiples import Multiples, Source, can_meet, shifts, tests_in
from policy.shaping import Shaping
from policy.verdict import Reason

Columns = frozenset[tuple[str, str]]  # tables' columns


@dataclass(frozen=True)
class Made:
    """What a column is made of."""

    of: Columns = frozenset()
    is_mixed: bool = False  # of several columns of one row


def check_picked_values(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset with a minimum of which a query could keep one value among zeros."""
    tracing, marked = _Tracing(Multiples(Shaping(policies)), frozenset(root.recipients)), _subjects(root, policies)
    for dataset, nodes in sorted(groupings(root, policies).items()):
        found = ((node, tracing.picking(node, marked)) for node in nodes)
        node, condition = next(((node, each) for node, each in found if each), (None, ""))
        if node is None:
            continue
        policy = policies[dataset]
        yield Reason(
            code="minimum-not-countable",
            dataset=dataset,
            version=policy.metadata.version,
            clause="spec.minimum.subjects",
            says=f"asks for at least {least_of(policy)} subjects behind all that is released",
            what=f"{condition} decides by several columns which values are aggregated: of {dataset} one, and others' zeros",
            where=node.at,
            fix="let each condition read one column, and not what is aggregated; or ask for COUNT",
        )


def _subjects(root: Collect, policies: Mapping[str, Policy]) -> Columns:
    """Return the columns that say whom rows are about."""
    asked = [(scan, policies[scan.dataset]) for scan in scans_in(root) if scan.dataset in policies]
    columns = ((scan.table, name, column) for scan, policy in asked for name, column in policy.spec.columns.items())
    return frozenset((table, name) for table, name, column in columns if column.subject)


@dataclass
class _Tracing:
    """Goes back to what columns are made of."""

    multiples: Multiples
    recipients: frozenset[str]
    _done: dict[tuple[int, str], Made] = field(default_factory=dict)  # by the id of a node of one query
    _valued: dict[tuple[int, str], Columns] = field(default_factory=dict)

    def picking(self, node: Aggregate, subjects: Columns) -> str:
        """Return the condition that reads what an aggregate is of, or the subject, and something else; "" if none does."""
        values = [o.over for o in node.outputs if o.over is not None and (o.function != "count" or o.is_distinct)]
        if not values:
            return ""
        watched = subjects.union(*(self._values(node.source, name) for name in values))
        for each in (node, *nodes_in(node.source)):
            for text, read in self._deciding(each, subjects):
                if read & watched:
                    return text
        return ""

    def _deciding(self, node: Node, subjects: Columns) -> Iterator[tuple[str, Columns]]:
        """Yield what decides about rows by several columns at once, and by which."""
        match node:
            case Filter(source, predicate):
                yield from self._conditions(source, conjuncts(predicate), subjects)
            case Project(source, outputs):
                tests = (test for output in outputs for test in tests_in(output.expression))
                yield from self._conditions(source, (each for test in tests for each in conjuncts(test)), subjects)
            case Aggregate(source, keys):
                yield from self._keys(source, keys)
            case Join(left, right, on):
                yield from self._keys(left, (name for name, _ in on))
                yield from self._keys(right, (name for _, name in on))
                if len(on) > 1 and self._meet(node):
                    pairs = [self.made(side, pair[k]).of for pair in on for k, side in enumerate((left, right))]
                    shown = " and ".join(f"{a} = {b}" for a, b in on)
                    yield f"a join on {shown} with rows of who is told", frozenset[tuple[str, str]]().union(*pairs)
            case Concat(parts):
                yield from self._parts(parts)

    def _keys(self, source: Node, keys: Iterable[str]) -> Iterator[tuple[str, Columns]]:
        for key in keys:
            made = self.made(source, key)
            if made.is_mixed:
                matched = self._matched(source) if self._is_brought(source, frozenset({key}), made) else frozenset()
                yield f"the computed key {key}", made.of | matched

    def _is_brought(self, source: Node, names: frozenset[str], made: Made) -> bool:
        """Whether columns hold something of a recipient's own against other owners' in the same row."""
        if len(names) < 2 and len(made.of) < 2 and not made.is_mixed:
            return False
        columns = self.multiples.rows(source).columns
        sources = [each for name in names for each in columns.get(name, ())]
        own = [each for each in sources if self._is_own(each)]
        if any(can_meet(one, other) for one in own for other in sources if not self._is_own(other)):
            return True
        # Two of its own that were matched with different columns say of these together what it likes.
        return bool(own) and len(self._matched(source)) > 1

    def _is_own(self, source: Source) -> bool:
        return source.owner in self.recipients

    def _matched(self, source: Node) -> Columns:
        """Return by which columns a recipient's own rows are put beside others: its columns can say what it likes of these."""
        found: set[tuple[str, str]] = set()
        for node in nodes_in(source):
            if isinstance(node, Join):
                sides = [
                    (side, pair[k], [*self.multiples.rows(other).columns.get(pair[1 - k], ())])
                    for pair in node.on
                    for k, (side, other) in enumerate(((node.left, node.right), (node.right, node.left)))
                ]
                for side, name, others in sides:
                    if any(map(self._is_own, others)):
                        found |= self.made(side, name).of
        return frozenset(found)

    def _meet(self, join: Join) -> bool:
        """Whether rows meet by something of a recipient's own on one side, and of others on the other."""
        for a, b in join.on:
            left, right = (
                self.multiples.rows(side).columns.get(name, frozenset())
                for side, name in ((join.left, a), (join.right, b))
            )
            for own, others in ((left, right), (right, left)):
                if any(map(self._is_own, own)) and not all(map(self._is_own, others)):
                    return True
        return False

    def _conditions(
        self, source: Node, conditions: Iterable[Expression], subjects: Columns
    ) -> Iterator[tuple[str, Columns]]:
        for condition in conditions:
            made = self._computed(source, condition)
            if self._is_brought(source, names_in(condition), made):
                yield (
                    f"{show_expression(condition)}, with values that who is told has brought,",
                    made.of | self._matched(source),
                )
            elif made.is_mixed and not self._compares(source, condition, made, subjects):
                yield show_expression(condition), made.of

    def _compares(self, source: Node, condition: Expression, made: Made, subjects: Columns) -> bool:
        """Whether a condition compares columns, or, of no person, their distance: no OR in another spelling."""
        if not isinstance(condition, Compare):
            return False
        if any(self.made(source, name).is_mixed for name in names_in(condition)):
            return False
        return all(map(_is_column, operands(condition))) or (
            not made.of & subjects and len(names_in(condition)) == 2 and all(map(shifts, operands(condition)))
        )

    def _parts(self, parts: tuple[Node, ...]) -> Iterator[tuple[str, Columns]]:
        """Yield what the parts of a UNION ALL read of which there are several of one dataset."""
        datasets = [{scan.dataset for scan in scans_in(part)} for part in parts]
        shared = {name for k, own in enumerate(datasets) for name in own if any(name in o for o in datasets[:k])}
        read: set[tuple[str, str]] = set()
        for part, own in zip(parts, datasets, strict=True):
            filters = [node for node in nodes_in(part) if isinstance(node, Filter)] if own & shared else []
            read.update(column for each in filters for column in self._computed(each.source, each.predicate).of)
        if len(read) > 1:
            yield "a UNION ALL of rows by different conditions", frozenset(read)

    def _values(self, node: Node, name: str) -> Columns:
        """Return what a column's values are made of, conditions aside."""
        if isinstance(node, Scan):
            return frozenset({(node.table, name)})
        if (id(node), name) not in self._valued:
            columns = (self._values(side, below) for side, below in _read(node, name))
            self._valued[id(node), name] = frozenset[tuple[str, str]]().union(*columns)
        return self._valued[id(node), name]

    def made(self, node: Node, name: str) -> Made:
        """Return what a relation's column is made of."""
        if (id(node), name) not in self._done:
            self._done[id(node), name] = self._made(node, name)
        return self._done[id(node), name]

    def _made(self, node: Node, name: str) -> Made:
        match node:
            case Scan(table=table):
                return Made(frozenset({(table, name)}))
            case Project(source, outputs):
                return self._computed(source, next(output.expression for output in outputs if output.name == name))
            case Aggregate(source, keys, outputs) if name not in keys:
                over = next(output.over for output in outputs if output.name == name)
                return self.made(source, over) if over is not None else Made()
            case Window(source) if name not in {f.name for f in source.schema}:
                return Made(_of_all(self.made(source, f.name) for f in source.schema), is_mixed=True)
        sides = [side for side in children(node) if name in {f.name for f in side.schema}]
        made = [self.made(side, name) for side in sides]  # of another in each part of a UNION ALL, which is no mixture
        return Made(_of_all(made), any(each.is_mixed for each in made))

    def _computed(self, source: Node, expression: Expression) -> Made:
        made = [self.made(source, name) for name in sorted(names_in(expression))]
        return Made(_of_all(made), len(made) > 1 or any(each.is_mixed for each in made))


def _read(node: Node, name: str) -> Iterator[tuple[Node, str]]:
    """Yield the columns below that a column's values are made of."""
    match node:
        case Project(source, outputs):
            read = _valued(next(output.expression for output in outputs if output.name == name))
            yield from ((source, below) for below in read)
        case Aggregate(source, keys, outputs) if name not in keys:
            yield from ((source, o.over) for o in outputs if o.name == name and o.over is not None)
        case Window(source) if name not in {f.name for f in source.schema}:
            yield from ((source, f.name) for f in source.schema)
        case _:
            yield from ((side, name) for side in children(node) if name in {f.name for f in side.schema})


def _valued(expression: Expression) -> frozenset[str]:
    """Return the columns in an expression, but for those in conditions of a CASE alone."""
    match expression:
        case Column(name):
            return frozenset({name})
        case Case(branches, default):
            return frozenset[str]().union(*(_valued(each) for each in (*(value for _, value in branches), default)))
    return frozenset[str]().union(*(_valued(part) for part in operands(expression)))


def _of_all(made: Iterable[Made]) -> Columns:
    return frozenset(column for each in made for column in each.of)


def _is_column(expression: Expression) -> bool:
    return isinstance(expression, Column) or (isinstance(expression, Cast) and _is_column(expression.operand))
