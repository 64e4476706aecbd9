"""Whether a query is plain, where an owner takes no others: one grouping of rows as they are stored.

`minimum` alone lets queries compute what they like of rows, and refuses the shapes that are known to single a person out of
many. `queries: plain` turns this round: it names the shapes that are let in, and the argument for them is short. Every
dataset is read once; a condition is of one column and constants, and never of the person or of what numbers a person's rows;
tables are joined by one column of each as it is, none of them a recipient's, so that a row finds one of the other table at
most; rows are grouped once, by columns or by what is computed of one, which is no more than conditions of one column are;
and aggregates are of columns as they are, of the table that looks others' rows up (or the largest and least of others), of
which conditions leave one value or a range (`policy.pieces`). So all numbers of a row of the answer are of the same rows:
those of so many persons at least, whom nobody has picked by who they are, each of which counts once, by its stored value.
What is computed of these numbers could be computed by whoever is shown them.

What is left are answers of several workflows (`policy.across`), and what is known of the others from elsewhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from conclave.ir.errors import Position
from conclave.ir.expressions import Column, Expression, names_in
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    Filter,
    Join,
    Limit,
    Node,
    Output,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.show import show_expression, show_node
from conclave.ir.walk import conjuncts, scans_in
from conclave.ir.window import Window
from conclave.plan.unique import unique_side
from policy.composed import Composition
from policy.document import Policy
from policy.mean import without_casts
from policy.shaping import REPEATABLE
from policy.verdict import Reason

_AS_IT_IS = "take the column as it is stored"
_ONE_COLUMN = "let each condition that AND joins read one column, and constants"


class NotPlain(Exception):
    """What makes a query other than plain, and what to write instead."""

    def __init__(self, what: str, at: Position | None, fix: str) -> None:
        super().__init__(what)
        self.what, self.at, self.fix = what, at, fix


@dataclass(frozen=True)
class Origin:
    """The stored column that a value is of, as it is or computed of it alone."""

    table: str
    column: str
    is_stored: bool = True
    is_looked_up: bool = False  # by a join, so that it may stand in several rows


def check_plain(root: Collect, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset whose owner takes plain queries alone, if this is none."""
    asking = sorted(
        {
            scan.dataset
            for scan in scans_in(root)
            if scan.dataset in policies and _is_asked(policies[scan.dataset], root)
        }
    )
    if not asking:
        return
    try:
        _Reading(root, policies).check()
    except NotPlain as found:
        for dataset in asking:
            yield Reason(
                code="minimum-not-plain",
                dataset=dataset,
                version=policies[dataset].metadata.version,
                clause="spec.minimum.queries",
                says="takes plain queries alone: one grouping of rows as they are stored",
                what=f"the query is not plain: {found.what}",
                where=found.at,
                fix=found.fix,
            )


def _is_asked(policy: Policy, root: Collect) -> bool:
    """Whether a policy takes plain queries alone, of those that anybody but its owner gets the answer to."""
    minimum, owner = policy.spec.minimum, policy.metadata.dataset.split("/")[0]
    return minimum is not None and minimum.queries == "plain" and set(root.recipients) != {owner}


@dataclass
class _Reading:
    root: Collect
    policies: Mapping[str, Policy]
    read: set[str] = field(default_factory=set)
    composition: Composition = field(default_factory=Composition)

    def check(self) -> None:
        """Return if the query is plain.

        Raises:  NotPlain with the first thing that makes it another, from the answer down.
        """
        node: Node = self.root.source
        while isinstance(node, Project | Filter | Sort | Limit | Noise | Window):
            node = node.source
        if not isinstance(node, Aggregate):
            raise NotPlain(f"{show_node(node)} is no grouping", None, "ask for aggregates, of all rows or of groups")
        self._rows(node.source)
        for key in node.keys:
            self._key(node, key)
        for output in node.outputs:
            if output.is_distinct and output.function != "count":
                fix = "leave DISTINCT out"
                raise NotPlain(f"{output.function} is of the different values alone", output.at or node.at, fix)
            if output.over is not None:
                self._aggregated(node, output, output.over)

    def _aggregated(self, node: Aggregate, output: AggregateOutput, over: str) -> None:
        at = output.at or node.at
        origin = self._origin(node.source, over, at)
        if origin is None or (output.function == "count" and origin.is_stored):
            return
        if not origin.is_stored:
            raise NotPlain(f"what is aggregated is computed of {origin.column}", at, _AS_IT_IS)
        if self._is_subject(origin):
            raise NotPlain(
                f"{output.function} is of the person, {origin.column}", at, "ask for COUNT(DISTINCT ...) of it"
            )
        if origin.is_looked_up and output.function not in REPEATABLE:
            what = f"{output.function} is of {origin.column}, which the join may repeat"
            raise NotPlain(what, at, f"aggregate columns of the table that looks up {origin.table}")

    def _key(self, node: Aggregate, key: str) -> None:
        origin = self._origin(node.source, key, node.at)
        if origin is None:
            return
        if self._is_subject(origin):
            raise NotPlain(f"rows are grouped by the person, {origin.column}", node.at, "group by another column")

    def _rows(self, node: Node) -> None:
        """Return if rows are as stored, but for those that conditions and joins leave out."""
        match node:
            case Scan(dataset=dataset):
                if dataset in self.read:
                    raise NotPlain(f"{dataset} is read more than once", node.at, "read each table once")
                self.read.add(dataset)
            case Project(source):
                self._rows(source)
            case Filter(source, predicate):
                self._rows(source)
                for condition in conjuncts(predicate):
                    self._condition(source, condition, node.at)
            case Concat(parts):
                if len({scan.table for scan in scans_in(node)}) > 1:
                    raise NotPlain("rows of several tables are put together", node.at, "ask of one table, or join them")
                for part in parts:
                    self._rows(part)
            case Join(left, right):
                self._rows(left)
                self._rows(right)
                self._join(node)
            case Aggregate():
                raise NotPlain("groups are grouped again", node.at, "group the rows once")
            case _:
                raise NotPlain(
                    f"{show_node(node)} comes before the grouping", None, "group the rows as they are stored"
                )

    def _condition(self, source: Node, condition: Expression, at: Position | None) -> None:
        origins = [self._origin(source, name, condition.at or at) for name in sorted(names_in(condition))]
        columns = {(each.table, each.column): each for each in origins if each is not None}
        text = show_expression(condition)
        if len(columns) > 1:
            raise NotPlain(f"the condition {text} reads several columns", condition.at or at, _ONE_COLUMN)
        if any(self._is_subject(each) for each in columns.values()):
            fix = "let conditions read other columns"
            raise NotPlain(f"the condition {text} picks rows by the person", condition.at or at, fix)

    def _join(self, node: Join) -> None:
        own = sorted({scan.dataset for scan in scans_in(node) if scan.owner in self.root.recipients})
        if own:
            what = f"rows are joined with {own[0]}, which is a recipient's, who so picks them"
            raise NotPlain(what, node.at, "join tables of others than who gets the answer")
        if node.how not in ("semi", "anti") and unique_side(node)[0] is None:
            fix = "join by a column that tells one table's rows apart, declared unique in its party document"
            raise NotPlain("a row may meet several of the other table", node.at, fix)
        if len(node.on) > 1:
            raise NotPlain("tables are joined by several columns", node.at, "join by one column of each")
        for side, name in zip((node.left, node.right), node.on[0], strict=True):
            origin = self._origin(side, name, node.at)
            if origin is None or not origin.is_stored:
                raise NotPlain("tables are joined by what the query computes", node.at, _AS_IT_IS)

    def _is_subject(self, origin: Origin) -> bool:
        """Whether the column says whom rows are about, tells such rows apart, or is joined with one that does."""
        same = self.composition.matched(self.root, frozenset({(origin.table, origin.column)}))
        return any(self._marks(scan, column) for scan in scans_in(self.root) for t, column in same if t == scan.table)

    def _marks(self, scan: Scan, name: str) -> bool:
        policy = self.policies.get(scan.dataset)
        columns = policy.spec.columns if policy is not None else {}
        subjects = {each for each, column in columns.items() if column.subject}
        return name in subjects or (bool(subjects) and name in scan.unique)

    def _origin(self, node: Node, name: str, at: Position | None) -> Origin | None:
        """Return the stored column that a column is of; None if it is a constant.

        Raises:  NotPlain if it is of several.
        """
        match node:
            case Scan(table=table):
                return Origin(table, name)
            case Project(source, outputs):
                return self._made(source, next(output for output in outputs if output.name == name), at)
            case Filter(source):
                return self._origin(source, name, at)
            case Join(left, right):
                is_left = name in {f.name for f in left.schema}
                origin = self._origin(left if is_left else right, name, at)
                is_looked_up = unique_side(node)[0] == ("left" if is_left else "right")
                return replace(origin, is_looked_up=True) if is_looked_up and origin is not None else origin
            case Concat(parts):
                found = {self._origin(part, name, at) for part in parts}
                if len(found) == 1:
                    return found.pop()
                raise NotPlain("a column is something else in each part of a UNION ALL", at or node.at, _AS_IT_IS)
        raise NotPlain(f"{show_node(node)} comes before the grouping", at, "group the rows as they are stored")

    def _made(self, source: Node, output: Output, at: Position | None) -> Origin | None:
        made = without_casts(output.expression)
        origins = {self._origin(source, name, made.at or at) for name in names_in(made)} - {None}
        if len(origins) > 1:
            raise NotPlain(f"{show_expression(made)} is of several columns", made.at or at, _AS_IT_IS)
        if not origins:
            return None
        (origin,) = origins
        assert origin is not None
        if isinstance(made, Column):
            return origin
        return replace(origin, is_stored=False)
