"""Whether a query keeps a value by what it is, or by whose: then a sum of many can be one of them and the others' zeros.

`SUM(cost) … WHERE cost = 0 OR patient = 7` has enough patients, and is what one of them costs. Each of the two conditions
alone is for the data to say: it holds for all rows alike. So under a minimum no condition of several columns decides about
an aggregate's rows if one of them is what is aggregated, or says whom rows are about. AND of conditions is several; a comparison
of a column with a column is none of these, nor is their distance. A UNION ALL of parts of a table is an OR, and so can be
what is grouped or joined by. What a recipient has brought itself says of each row what it likes: compared with such a column, or
joined with such rows by two keys, rows are picked by two columns whatever the condition's form. What numbers the rows of people
says whom they are about. A number of rows is as good as a sum where the person has a part in it: all that are known to be there, and one if
they cost as much.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from conclave.ir.expressions import Cast, Column, Compare, Expression, names_in, operands
from conclave.ir.nodes import Aggregate, Collect, Concat, Filter, Join, Node, Project
from conclave.ir.show import show_expression
from conclave.ir.walk import conjuncts, nodes_in, scans_in
from policy.composed import Columns, Composition, Made
from policy.document import Policy
from policy.minimum import groupings, refusal
from policy.multiples import Multiples, Source, can_meet, shifts, tests_in
from policy.shaping import Shaping
from policy.verdict import Reason


def check_picked_values(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset with a minimum of which a query could keep one value among zeros."""
    keys = numbering(root, policies)
    tracing = _Tracing(Multiples(Shaping(policies)), frozenset(root.recipients), keys)
    marked = subjects_of(root, policies).union(*(key for key in keys if len(key) == 1))
    for dataset, nodes in sorted(groupings(root, policies).items()):
        found = ((node, tracing.picking(node, marked)) for node in nodes)
        node, condition = next(((node, each) for node, each in found if each), (None, ""))
        if node is None:
            continue
        policy = policies[dataset]
        yield refusal(
            policy,
            "minimum-not-countable",
            f"{condition} decides by several columns which values are aggregated: of {dataset} one, and of others what is known",
            node.at,
            "let each condition read one column, and neither the person nor what is aggregated; or ask for COUNT without the person",
        )


def subjects_of(root: Collect, policies: Mapping[str, Policy]) -> Columns:
    """Return the columns that say whom rows are about."""
    asked = [(scan, policies[scan.dataset]) for scan in scans_in(root) if scan.dataset in policies]
    columns = ((scan.table, name, column) for scan, policy in asked for name, column in policy.spec.columns.items())
    return frozenset((table, name) for table, name, column in columns if column.subject)


def numbering(root: Collect, policies: Mapping[str, Policy]) -> tuple[Columns, ...]:
    """Return the columns, or keys of several, that number rows which are about somebody."""
    tables = {table for table, _ in subjects_of(root, policies)}
    scans = [scan for scan in scans_in(root) if scan.table in tables]
    keys = {
        frozenset((scan.table, name) for name in key)
        for scan in scans
        for key in (*scan.keys, *((n,) for n in scan.unique))
    }
    return tuple(sorted(keys, key=sorted))


@dataclass
class _Tracing:
    multiples: Multiples
    recipients: frozenset[str]
    keys: tuple[Columns, ...]  # which number rows that are about somebody
    composition: Composition = field(default_factory=Composition)

    def picking(self, node: Aggregate, subjects: Columns) -> str:
        """Return the condition that reads what an aggregate is of, or the subject, and something else; "" if none does."""
        values = [o.over for o in node.outputs if o.over is not None and (o.function != "count" or o.is_distinct)]
        subjects = self.composition.matched(node.source, subjects)
        watched = subjects.union(*(self.composition.values(node.source, name) for name in values))
        for each in (node, *nodes_in(node.source)):
            for text, read in self._deciding(each, subjects):
                if read & watched or any(key <= read for key in self.keys):
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
                    pairs = [
                        self.composition.made(side, pair[k]).of for pair in on for k, side in enumerate((left, right))
                    ]
                    shown = " and ".join(f"{a} = {b}" for a, b in on)
                    yield f"a join on {shown} with rows of who is told", frozenset[tuple[str, str]]().union(*pairs)
            case Concat(parts):
                yield from self._parts(parts)

    def _keys(self, source: Node, keys: Iterable[str]) -> Iterator[tuple[str, Columns]]:
        for key in keys:
            made = self.composition.made(source, key)
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
                        found |= self.composition.made(side, name).of
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
            made = self.composition.computed(source, condition)
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
        read = [self.composition.made(source, name) for name in names_in(condition)]
        if any(each.is_mixed or (each.of & subjects and not each.is_plain) for each in read):
            return False  # a limit that is computed of the person is another one for each
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
            read.update(
                column for each in filters for column in self.composition.computed(each.source, each.predicate).of
            )
        if len(read) > 1:
            yield "a UNION ALL of rows by different conditions", frozenset(read)


def _is_column(expression: Expression) -> bool:
    return isinstance(expression, Column) or (isinstance(expression, Cast) and _is_column(expression.operand))
