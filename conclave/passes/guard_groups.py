"""Suppress groups of too few subjects where rows first become groups: agg(x) => agg(x), not under k subject.

After:    nothing: it reads the query as it was bound, and marks in it what all later passes leave alone. Whom a row is
          about comes along from its scan up to the aggregate, as a column that nothing else reads.
Reveals:  less: which groups fall short is seen only by their not being there. The rows under such an aggregate all go
          into MPC, as somebody who is with two owners counts once.
Safe:     subjects are counted over all owners, under MPC; policies judge the query with the guards in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from conclave.ir.errors import UnsupportedQuery
from conclave.ir.expressions import Column, Expression, Literal
from conclave.ir.guard import Guard, Protection
from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Output,
    Project,
    Scan,
    Sort,
    field_of,
)
from conclave.ir.noise import Noise
from conclave.ir.walk import children, nodes_in, scans_in, with_children
from conclave.ir.window import Window


@dataclass(frozen=True)
class _Mark:
    """A column that says whom the rows of some datasets are about."""

    column: str
    tag: tuple[str, str, str | None]  # logical table, its column, and the recipient whose own rows count for nobody
    same: frozenset[str] = frozenset()  # columns that hold just the same, but for rows that count for nobody
    least: int = 0
    ends_run: bool = False

    @property
    def counts_all(self) -> bool:
        """Whether the rows of all owners count."""
        return self.tag[2] is None


Marks = tuple[_Mark, ...]


def guard_groups(root: Collect, protections: Mapping[str, Protection]) -> Collect:
    """Return `root` with guards on each aggregate over rows of the datasets that `protections` are for.

    A recipient that has rows of its own knows them, so its subjects hide nobody from it: they are not counted.

    >>> from conclave.ir.nodes import AggregateOutput
    >>> from conclave.ir.show import show
    >>> from conclave.ir.types import Field, Integer
    >>> visits = Scan("visits", "alpha/visits", "alpha", (Field("ward", Integer()), Field("id", Integer())))
    >>> query = Collect(Aggregate(visits, ("ward",), (AggregateOutput("n", "count", None),)), ("bravo",))
    >>> print(show(guard_groups(query, {"alpha/visits": Protection(("id",), 10)})))
    collect for bravo
      aggregate by ward: n = count(*), not under 10 subject
        project ward, id, subject = id
          scan visits @alpha
    """
    if not any(p.has_minimum for p in protections.values()):
        return root
    (source,), _ = _Guarding(root, protections).sources(root, is_marked=False)
    return replace(root, source=source)


class _Guarding:
    """Rebuilds the tree; each subtree once with the marks' columns and once without, as it is needed."""

    def __init__(self, root: Collect, protections: Mapping[str, Protection]) -> None:
        self._protections, self._uncounted = protections, _uncounted(root)
        self._taken = {f.name.lower() for node in nodes_in(root) for f in node.schema}
        self._done: dict[tuple[int, bool], tuple[Node, Marks]] = {}

    def visit(self, node: Node, is_marked: bool) -> tuple[Node, Marks]:
        """Return the guarded node and the marks of its rows; without `is_marked`, without their columns."""
        if (id(node), is_marked) not in self._done:
            self._done[id(node), is_marked] = self._visit(node, is_marked)
        return self._done[id(node), is_marked]

    def sources(self, node: Node, is_marked: bool) -> tuple[tuple[Node, ...], list[Marks]]:
        """Visit what is below a node."""
        visited = [self.visit(source, is_marked) for source in children(node)]
        return tuple(source for source, _ in visited), [marks for _, marks in visited]

    def _visit(self, node: Node, is_marked: bool) -> tuple[Node, Marks]:
        match node:
            case Scan():
                return self._scan(node, is_marked)
            case Aggregate():
                return self._aggregate(node)
            case Concat():
                return self._concat(node, is_marked)
            case Join() | CrossOne():
                return self._join(node, is_marked)
            case Project(_, outputs):
                (source,), (marks,) = self.sources(node, is_marked)
                carried = tuple(_column_output(source, m.column) for m in marks) if is_marked else ()
                shown = {o.expression.name: o.name for o in outputs if isinstance(o.expression, Column)}
                kept = tuple(replace(m, same=frozenset(shown[n] for n in m.same if n in shown)) for m in marks)
                return Project(source, (*outputs, *carried), node.at), kept
            case Filter() | Noise() | Window() | Sort() | Limit() | Collect():
                sources, (marks,) = self.sources(node, is_marked)
                return with_children(node, sources), marks
            case Input():
                return node, ()
            case _ as never:
                assert_never(never)

    def _scan(self, node: Scan, is_marked: bool) -> tuple[Node, Marks]:
        protection = self._protections.get(node.dataset, Protection())
        marks, outputs = [], [_column_output(node, f.name) for f in node.schema]
        for subject in protection.subjects:
            for recipient in self._uncounted:
                f, is_own = field_of(node, subject), recipient == node.owner
                name = self._fresh() if is_marked else ""
                least = 0 if is_own or not protection.has_minimum else protection.least
                tag = (node.table, subject, recipient)
                mark = _Mark(name, tag, frozenset({subject}), least, protection.ends_run and least > 0)
                marks.append(mark)
                value: Expression = Literal(None, f.type) if is_own else Column(f.name, f.type, f.nullable)
                outputs.append(Output(name, value))
        return (Project(node, tuple(outputs)) if marks and is_marked else node), tuple(marks)

    def _concat(self, node: Concat, is_marked: bool) -> tuple[Node, Marks]:
        parts, found = self.sources(node, is_marked)
        # By tag and place among the marks of that tag: a part may hold several rows of a table side by side.
        numbered = [_numbered(marks) for marks in found]
        keys = list(dict.fromkeys(key for part in numbered for key in part))
        marks, made = [], [[_column_output(p, f.name) for f in node.schema] for p in parts] if is_marked else []
        for key in keys:
            own = [part.get(key) for part in numbered]
            name, there = self._fresh() if is_marked else "", [mark for mark in own if mark is not None]
            same = frozenset.intersection(*(mark.same if mark else frozenset() for mark in own))
            marks.append(_Mark(name, key[0], same, max(m.least for m in there), any(m.ends_run for m in there)))
            if is_marked:
                first = next(n for n, mark in enumerate(own) if mark is not None)
                kind = field_of(parts[first], there[0].column).type
                for part, outputs, mark in zip(parts, made, own, strict=True):
                    value: Expression = Literal(None, kind)
                    if mark is not None:
                        value = _column_output(part, mark.column).expression
                    outputs.append(Output(name, value))
        if not marks or not is_marked:
            return with_children(node, parts), tuple(marks)
        projected = tuple(Project(p, tuple(outputs), node.at) for p, outputs in zip(parts, made, strict=True))
        return replace(node, parts=projected), tuple(marks)

    def _join(self, node: Join | CrossOne, is_marked: bool) -> tuple[Node, Marks]:
        how = node.how if isinstance(node, Join) else "left"
        right_too = is_marked and how in ("inner", "left")
        (left, lefts), (right, rights) = self.visit(node.left, is_marked), self.visit(node.right, right_too)
        on = node.on if isinstance(node, Join) else ()
        if right_too:
            right, rights = self._apart(left, right, rights)
        equal = {b: a for a, b in on}
        if how == "semi":
            # Whom the match of a row is about is seen only where that is what the rows are matched by.
            met = [(m, equal[n]) for m in rights if m.counts_all for n in sorted(m.same) if n in equal]
            rights = tuple(replace(m, column=a, same=frozenset({a})) for m, a in met)
        elif how == "anti":
            rights = ()
        elif how == "inner":
            lefts = tuple(replace(m, same=m.same | {b for a, b in on if a in m.same}) for m in lefts)
            rights = tuple(replace(m, same=m.same | {equal[n] for n in m.same if n in equal}) for m in rights)
        return with_children(node, (left, right)), (*lefts, *rights)

    def _apart(self, left: Node, right: Node, marks: Marks) -> tuple[Node, Marks]:
        """Rename marks that both sides have, being the same rows."""
        clashes = {f.name for f in left.schema} & {m.column for m in marks}
        if not clashes:
            return right, marks
        names = {name: self._fresh() for name in sorted(clashes)}
        outputs = tuple(replace(_column_output(right, f.name), name=names.get(f.name, f.name)) for f in right.schema)
        return Project(right, outputs), tuple(replace(m, column=names.get(m.column, m.column)) for m in marks)

    def _aggregate(self, node: Aggregate) -> tuple[Node, Marks]:
        _, marks = self.visit(node.source, False)
        # Groups of one person each are rows still; whoever aggregates them again has to have enough.
        kept = tuple(
            replace(m, column=min(m.same & set(node.keys)), same=m.same & set(node.keys))
            for m in marks
            if m.same & set(node.keys)
        )
        for mark in marks:
            if mark.least > 1 and mark.same & set(node.keys) and not mark.counts_all:
                what = f"groups of one {mark.tag[1]} each cannot be counted without the rows of {mark.tag[2]}"
                fix = f"name a recipient without rows of its own, or use COUNT(DISTINCT {mark.tag[1]})"
                raise UnsupportedQuery(what, node.at, fix)
        asks = {n for n, m in enumerate(marks) if m.least > 1 and not m.same & set(node.keys)}
        if not asks:
            return with_children(node, (self.visit(node.source, False)[0],)), kept
        _check_distinct(node)
        source, marks = self.visit(node.source, True)
        guards = _guards([marks[n] for n in sorted(asks)])
        return replace(node, source=source, guards=guards), kept

    def _fresh(self) -> str:
        name, n = "subject", 1
        while name in self._taken:
            n += 1
            name = f"subject_{n}"
        self._taken.add(name)
        return name


def _guards(marks: list[_Mark]) -> tuple[Guard, ...]:
    """Return a guard for each mark, and one for those that hold the same, as after a join by the subject."""
    found: list[tuple[frozenset[str], Guard]] = []
    for mark in marks:
        guard = Guard(mark.column, mark.least, mark.ends_run)
        twins = (n for n, (same, _) in enumerate(found) if same & mark.same and mark.counts_all)
        twin = next(twins, None)
        if twin is None:
            found.append((mark.same if mark.counts_all else frozenset(), guard))
            continue
        same, other = found[twin]
        same &= mark.same
        both = Guard(min(same), max(other.least, guard.least), other.ends_run or guard.ends_run)
        found[twin] = same, both
    return tuple(guard for _, guard in found)


def _uncounted(root: Collect) -> tuple[str | None, ...]:
    """Return the recipients whose own rows are not counted, each in a count of its own; None for a count of all.

    A count without somebody's rows is never more than one with them, so where there are two, no count of all is needed.
    """
    owners = {scan.owner for scan in scans_in(root)}
    owning = sorted(set(root.recipients) & owners)
    if not owning or (len(owning) == 1 and set(root.recipients) - owners):
        return (None, *owning)
    return tuple(owning)


def _check_distinct(node: Aggregate) -> None:
    for output in node.outputs:
        if output.is_distinct and output.function != "count":
            what = f"{output.function.upper()}(DISTINCT …) of rows whose owner asks for a minimum of subjects"
            raise UnsupportedQuery(what, output.at or node.at, "aggregate a subquery with SELECT DISTINCT instead")


def _numbered(marks: Marks) -> dict[tuple[tuple[str, str, str | None], int], _Mark]:
    counts: dict[tuple[str, str, str | None], int] = {}
    numbered = {}
    for mark in marks:
        counts[mark.tag] = counts.get(mark.tag, 0) + 1
        numbered[mark.tag, counts[mark.tag]] = mark
    return numbered


def _column_output(node: Node, name: str) -> Output:
    f = field_of(node, name)
    return Output(name, Column(f.name, f.type, f.nullable))
