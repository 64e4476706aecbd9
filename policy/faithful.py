"""Whether the plan's steps compute the very query that is judged, and keep to bounds and padding on the way.

Compiling is not trusted: the query is put together again from the steps, and has to be the one that the flow was traced
over; or what is opened follows from its answer, and recipients make the answer of it (`opened`). Only how they order it is
left out. The steps may aggregate a side of a
join before it, where no policy protects subjects: that is done here once more, to the query, and compared. Whatever is
told on the way, and by a step that a party runs in clear, has to be of a part of the query as it is judged.
"""

import contextlib
from collections.abc import Iterator, Mapping
from math import lcm

from conclave.ir.errors import QueryProblem
from conclave.ir.guard import Protection
from conclave.ir.nodes import Aggregate, Input, Limit, Node, Sort
from conclave.ir.walk import bottom_up, children, is_one_row, nodes_in, scans_in, with_children
from conclave.local.sqltext import to_sql
from conclave.passes.aggregate_before_join import rewritten
from conclave.plan.sizes import has_conditions
from conclave.plan.steps import LocalStep, MpcStep, Plan, RevealStep, SendStep, ShareStep
from policy.document import Policy
from policy.opened import is_answer_made, rows_compared
from policy.protections import padding_clause, protections_of
from policy.verdict import Reason

_FAULT = "this is a fault of the compiler: report it, with the query"


def check_steps_compute(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a reason for each step whose SQL is not its query, and for what is opened being another query's answer."""
    try:
        yield from _unfaithful(plan, policies)
    except QueryProblem:
        yield Reason("unfaithful", "", "the steps do not fit together", _FAULT)


def _unfaithful(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    made: dict[str, Node] = {}
    opened: list[tuple[RevealStep | SendStep, Node]] = []
    for step in plan.steps:
        match step:
            case LocalStep(name, _, query, sql):
                made[name] = _put_together(query, made)
                if to_sql(query) != sql:
                    yield Reason("unfaithful", "", f"step {name} would run other SQL than its query", _FAULT)
            case ShareStep(name, _, source):
                made[name] = made.get(source, Input(source, step.schema))
            case MpcStep(name, operator):
                made[name] = _put_together(operator, made)
            case RevealStep(name, source) | SendStep(name, _, source):
                opened.append((step, made.get(source, Input(source, step.schema))))
                made[name] = Input(name, step.schema)
    may_rewrite = not any(each.least or each.noise for each in protections_of(policies).values())
    for ending, table in opened:
        rows = opened_rows(table, plan.query.source)
        if rows is None or not (rows[0] == rows[1] or (may_rewrite and _Comparing().is_same(*rows))):
            yield Reason("unfaithful", "", "the steps would open another table than the query's answer", _FAULT)
            continue
        if rows[0] != rows[1]:
            yield from _told_of_others(plan, made)
        if isinstance(ending, RevealStep) and not is_answer_made(plan, ending, table):
            what = f"recipients would make something else of what step {ending.name} opens than the query's answer"
            yield Reason("unfaithful", "", what, _FAULT)


def opened_rows(table: Node, query: Node) -> tuple[Node, Node] | None:
    """Return what has to be the same for an opened table to be of the query's rows; None if the answer hides some of it."""
    opened, asked = _unordered(table), _unordered(query)
    has_same_columns = [f.name for f in opened.schema] == [f.name for f in asked.schema]
    return (opened, asked) if has_same_columns else rows_compared(opened, asked)


def _told_of_others(plan: Plan, made: Mapping[str, Node]) -> Iterator[Reason]:
    """Yield the steps that tell of a table which is no part of the query: what came of an owner, or how large it is."""
    parts = set(nodes_in(_unordered(plan.query)))
    for step in plan.steps:
        is_told = isinstance(step, LocalStep) or (isinstance(step, MpcStep) and (step.is_compacted or step.seen_by))
        table = made.get(step.name)
        if is_told and table is not None and scans_in(table) and _unordered(table) not in parts:
            yield Reason("unfaithful", "", f"step {step.name} would tell of what is no part of the query", _FAULT)


class _Comparing:
    """What steps make, against a query; each two of their parts are compared but once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}
        self._rewritten: dict[int, Node | None] = {}

    def is_same(self, made: Node, query: Node) -> bool:
        """Whether the tables are one, but for aggregates that are made of a side of a join before it."""
        pair = id(made), id(query)
        if pair not in self._known:
            self._known[pair] = made == query or self._is_again(made, query) or self._is_alike(made, query)
        return self._known[pair]

    def _is_again(self, made: Node, query: Node) -> bool:
        if not isinstance(query, Aggregate):
            return False
        if id(query) not in self._rewritten:
            self._rewritten[id(query)] = rewritten(query)
        again = self._rewritten[id(query)]
        return again is not None and self.is_same(made, again)

    def _is_alike(self, made: Node, query: Node) -> bool:
        below, asked = children(made), children(query)
        with contextlib.suppress(QueryProblem):  # that it reads other columns
            if type(made) is type(query) and len(below) == len(asked) and with_children(made, asked) == query:
                return all(self.is_same(one, other) for one, other in zip(below, asked, strict=True))
        return False


def tables_made(plan: Plan) -> dict[str, Node]:
    """Return, for each step, the query whose table it makes, as far as the steps fit together."""
    made: dict[str, Node] = {}
    for step in plan.steps:
        with contextlib.suppress(QueryProblem):  # `check_steps_compute` says so
            match step:
                case LocalStep(name, _, query):
                    made[name] = _put_together(query, made)
                case ShareStep(name, _, source):
                    made[name] = made.get(source, Input(source, step.schema))
                case MpcStep(name, operator):
                    made[name] = _put_together(operator, made)
                case RevealStep(name) | SendStep(name):
                    made[name] = Input(name, step.schema)
    return made


def check_protections(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield the datasets that are read without their bounds, or shared without their padding."""
    protections = protections_of(policies)
    for scan in scans_in(plan.query):
        wanted = protections.get(scan.dataset, Protection())
        if scan.clamps != wanted.clamps:
            columns = ", ".join(clamp.column for clamp in wanted.clamps) or "no column"
            what = f"{scan.dataset} would be read without the bounds that its policy sets"
            yield _reason(policies, scan.dataset, "spec.columns", f"sets bounds on {columns}", what)
        if scan.kept != wanted.kept:
            what = f"{scan.dataset} would be read without the limits on its rows that its policy sets"
            yield _reason(policies, scan.dataset, "spec.noise", "says which rows are read", what)
    queries = {step.name: step.query for step in plan.steps if isinstance(step, LocalStep)}
    for step in plan.steps:
        if isinstance(step, ShareStep) and step.source in queries and not is_one_row(queries[step.source]):
            datasets = {scan.dataset for scan in scans_in(queries[step.source])}
            for dataset in sorted(datasets & set(protections)):
                multiple = protections[dataset].padding
                if lcm(step.padding, multiple) != step.padding:
                    says = f"asks that the number of rows put into MPC is a multiple of {multiple}"
                    what = f"step {step.name} would show how many rows of {dataset} there are, and not rounded up"
                    yield _reason(policies, dataset, padding_clause(policies[dataset]), says, what)
                if protections[dataset].has_minimum and has_conditions(queries[step.source]) and not step.hides_filters:
                    says = f"asks for at least {protections[dataset].least} subjects behind all that is released"
                    what = f"step {step.name} would show how many rows of {dataset} meet a condition"
                    yield _reason(policies, dataset, "spec.minimum.subjects", says, what)


def _reason(policies: Mapping[str, Policy], dataset: str, clause: str, says: str, what: str) -> Reason:
    version = policies[dataset].metadata.version if dataset in policies else None
    fix = "compile the plan with the policies of all datasets"
    return Reason("not-enforced", dataset, what, fix, version=version, clause=clause, says=says)


def _put_together(node: Node, made: Mapping[str, Node]) -> Node:
    return bottom_up(node, lambda part: made.get(part.name, part) if isinstance(part, Input) else part)


def _unordered(node: Node) -> Node:
    """Return the query without orders that no LIMIT cuts by: rows have none then."""
    if isinstance(node, Sort):
        return _unordered(node.source)
    if isinstance(node, Limit) and isinstance(node.source, Sort):
        below = _unordered(node.source.source)
        return with_children(node, (with_children(node.source, (below,)) if node.source.keys else below,))
    return with_children(node, tuple(_unordered(source) for source in children(node)))
