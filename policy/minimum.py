"""Whether every way from rows whose owner asks for a minimum of subjects to a recipient is held to it.

Theory. Of each scan that a minimum is asked for, the rows carry a *thread*: what they are about, and which columns
hold that, NULL at most in its place. Projections, filters and joins carry it on. An aggregate ends it if it has a guard
over one of those columns that is strict enough; grouping by the subject itself makes rows of one person each, and the
thread goes on. A thread that comes to the answer, or whose columns were lost before, is a refusal. What is computed of
groups that were held to a guard could be computed by whoever was shown them.

The rows of a recipient's own hide nobody from it, so there is a pass for each recipient, and in it those rows have no
thread, and may stand in no column that is counted. Nor do rows that it may list one by one: they may not
be counted together with rows that a minimum is asked for. Nothing here knows how the compiler places its guards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import assert_never

from conclave.ir.errors import Position
from conclave.ir.expressions import Column
from conclave.ir.guard import Guard
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
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.show import show_node
from conclave.ir.walk import children
from conclave.ir.window import Window
from policy.document import Policy
from policy.mean import without_casts
from policy.multiples import Multiples
from policy.present import is_null
from policy.release import held_by
from policy.shaping import Shaping
from policy.verdict import Code, Reason

Names = frozenset[str]
_NOT_MET: Code = "minimum-not-met"


@dataclass(frozen=True)
class Thread:
    """What some of a relation's rows are about."""

    tag: tuple[str, str]  # logical table, and its column with the subject
    demands: frozenset[tuple[str, int]]  # datasets, and how many subjects each asks for; none: it may be counted
    columns: Names = frozenset()  # hold the subject, or NULL, and nothing else
    steps: tuple[str, ...] = ()  # the way here, printed
    lost: str = ""  # what became of the columns, if there are none left
    at: Position | None = None
    seen: str = ""  # the dataset, if whoever is told may see such rows one by one


@dataclass(frozen=True)
class Rows:
    """A relation, as far as it is about somebody."""

    threads: tuple[Thread, ...] = ()
    nulls: Names = frozenset()  # columns that are NULL in every row


def check_minimum(root: Collect, policies: Mapping[str, Policy], purpose: str) -> Iterator[Reason]:
    """Yield what would be told of fewer subjects than a policy asks for."""
    multiples = Multiples(Shaping(policies))
    for recipient in root.recipients:
        tracing = _Tracing(recipient, policies, multiples, purpose)
        rows = tracing.rows(root)
        yield from tracing.reasons
        for thread in rows.threads:
            yield from tracing.refusals(thread, thread.lost or "every row of the answer is of a single one")


def refusals_of(node: Node, policies: Mapping[str, Policy], told: str, why: str, fix: str) -> Iterator[Reason]:
    """Yield a refusal for each policy whose minimum would not stand behind what `told` sees of a relation's rows."""
    tracing = _Tracing(told, policies)
    for thread in tracing.rows(node).threads:
        for reason in tracing.refusals(thread, why):
            yield replace(reason, fix=fix, flow=(*thread.steps, f"the end of the run, which {told} sees"))


def groupings(root: Collect, policies: Mapping[str, Policy]) -> dict[str, list[Aggregate]]:
    """Return, by dataset, the aggregates by which its rows become groups of enough subjects."""
    found: dict[str, list[Aggregate]] = {}
    for recipient in root.recipients:
        tracing = _Tracing(recipient, policies)
        tracing.rows(root)
        for dataset, nodes in tracing.ended.items():
            have = found.setdefault(dataset, [])
            have += [node for node in nodes if not any(node is other for other in have)]
    return found


def least_of(policy: Policy) -> int:
    """Return how many subjects a policy asks for; of one, every row has as many."""
    return policy.spec.minimum.subjects if policy.spec.minimum else 0


def refusal(
    policy: Policy, code: Code, what: str, where: Position | None, fix: str, flow: tuple[str, ...] = ()
) -> Reason:
    """Return that a policy's minimum of subjects refuses a query."""
    return Reason(
        code=code,
        dataset=policy.metadata.dataset,
        version=policy.metadata.version,
        clause="spec.minimum.subjects",
        says=f"asks for at least {least_of(policy)} subjects behind all that is released",
        flow=flow,
        what=what,
        where=where,
        fix=fix,
    )


@dataclass
class _Tracing:
    recipient: str
    policies: Mapping[str, Policy]
    multiples: Multiples | None = None  # None: what lets some count for more than others is said elsewhere
    purpose: str = ""  # for which rows could be open to the recipient
    reasons: list[Reason] = field(default_factory=list)
    done: dict[int, Rows] = field(default_factory=dict)  # by id: subtrees are shared
    ended: dict[str, list[Aggregate]] = field(default_factory=dict)  # by dataset, where its threads ended

    def rows(self, node: Node) -> Rows:
        if id(node) not in self.done:
            self.done[id(node)] = self._rows(node)
        return self.done[id(node)]

    def _rows(self, node: Node) -> Rows:
        sources = [self.rows(source) for source in children(node)]
        match node:
            case Scan():
                return self._scan(node)
            case Concat():
                return _concat(sources)
            case Project():
                return _project(sources[0], node)
            case Filter() | Noise() | Sort() | Limit() | Collect():
                return sources[0]
            case Window():
                return self._window(sources[0], node)
            case Aggregate():
                return self._aggregate(sources[0], node)
            case Join():
                return _join(sources[0], sources[1], node)
            case CrossOne():
                return _beside(sources[0], sources[1].threads, sources)
            case Input():
                return Rows()
            case _ as never:
                assert_never(never)

    def _scan(self, node: Scan) -> Rows:
        policy = self.policies.get(node.dataset)
        if policy is None or node.owner == self.recipient:
            return Rows()
        least = least_of(policy)
        demands = frozenset({(node.dataset, least)} if least > 1 else ())
        subjects = [name for name, column in policy.spec.columns.items() if column.subject]
        seen = node.dataset if not demands and self._sees(policy) else ""
        threads = [
            Thread((node.table, s), demands, frozenset({s}), (f"{node.dataset}.{s}",), at=node.at, seen=seen)
            for s in subjects
        ]
        if demands and not threads:
            lost = "no column of its policy says whom rows are about"
            threads = [Thread((node.table, ""), demands, steps=(node.dataset,), lost=lost, at=node.at)]
        return Rows(tuple(threads))

    def _sees(self, policy: Policy) -> bool:
        """Whether the recipient may list a dataset's rows, by a column of them."""
        held = (held_by(policy, name, self.recipient, self.purpose) for name in policy.spec.columns)
        return bool(self.purpose) and any("open" in each.capabilities for each in held)

    def _aggregate(self, source: Rows, node: Aggregate) -> Rows:
        keys, going_on = frozenset(node.keys), []
        step = show_node(replace(node, guards=()))
        asked = [thread for thread in source.threads if thread.demands]
        for thread in asked:
            for why in dict.fromkeys(self._lets_count_more(thread, node)):
                self.reasons += self.refusals(_via(thread, step, node), why, "minimum-not-countable")
        for thread in source.threads:
            if thread.columns & keys:
                going_on.append(_via(replace(thread, columns=thread.columns & keys), step, node))
            elif thread.demands and _ends(thread, node.guards):
                for dataset, _ in thread.demands:
                    self.ended.setdefault(dataset, []).append(node)
            elif thread.demands:
                why = thread.lost or f"they are not counted in {step}"
                going_on.append(_via(replace(thread, columns=frozenset(), lost=why), step, node))
        return Rows(tuple(going_on), source.nulls & keys)

    def _lets_count_more(self, thread: Thread, node: Aggregate) -> Iterator[str]:
        """Yield why some of what a thread is of may count for more than others in an aggregate."""
        if self.multiples is None:
            return
        shape = self.multiples.shaping.shape(node.source)
        for dataset, _ in sorted(thread.demands):
            if why := self.multiples.may_overlap(node, dataset, self.recipient):
                yield why
        for output in node.outputs:
            if why := shape.lets_count_more(output, node.keys):
                yield why
                continue
            for dataset, _ in sorted(thread.demands):
                if why := self.multiples.lets_count_more(node, output, dataset, self.recipient):
                    yield why

    def _window(self, source: Rows, node: Window) -> Rows:
        """A window puts what others have beside a row: a group of many then tells of one of them."""
        threads = []
        for thread in source.threads:
            lost = thread.lost or (f"{show_node(node)} puts other rows' values beside a row" if thread.demands else "")
            thread = replace(thread, columns=frozenset() if lost else thread.columns, lost=lost)
            threads.append(_via(thread, show_node(node), node))
        return replace(source, threads=tuple(threads))

    def refusals(self, thread: Thread, why: str, code: Code = _NOT_MET) -> Iterator[Reason]:
        """Yield a refusal for each policy whose demand the thread still carries."""
        for dataset, least in sorted(thread.demands):
            policy, subject = self.policies[dataset], thread.tag[1] or "subjects"
            fix = "group the rows, join instead of asking for a match, or leave the dataset out"
            if code == "minimum-not-countable":
                fix = "aggregate plain columns: use WHERE, or a CASE with one WHEN and no ELSE"
            yield Reason(
                code=code,
                dataset=dataset,
                version=policy.metadata.version,
                clause="spec.minimum.subjects",
                says=f"asks for at least {least} different {subject} behind all that is released",
                column=thread.tag[1] or None,
                recipient=self.recipient,
                flow=(*thread.steps, f"answer to {self.recipient}"),
                where=thread.at,
                what=f"{self.recipient} would learn of fewer than {least} subjects of {dataset}: {why}",
                fix=fix,
            )


def _ends(thread: Thread, guards: tuple[Guard, ...]) -> bool:
    most = max(least for _, least in thread.demands)
    return any(guard.subject in thread.columns and guard.least >= most for guard in guards)


def _via(thread: Thread, step: str, node: Node) -> Thread:
    at = None if isinstance(node, Input) else getattr(node, "at", None)
    return replace(thread, steps=(*thread.steps, step), at=at or thread.at)


def _concat(parts: list[Rows]) -> Rows:
    """Threads of one column of one table are of the same people: those of all parts are counted together."""
    numbered = [_numbered(part.threads) for part in parts]
    threads = []
    for key in sorted({key for part in numbered for key in part}):
        own = [part.get(key) for part in numbered]
        there = [thread for thread in own if thread is not None]
        holds = [(t.columns if t else frozenset()) | part.nulls for t, part in zip(own, parts, strict=True)]
        columns = reduce(frozenset.intersection, holds)
        lost = next((thread.lost for thread in there if thread.lost), "")
        if not columns:
            lost = lost or "the parts of a UNION ALL hold them in different columns"
        seen = next((thread.seen for thread in there if thread.seen), "")
        if seen and any(thread.demands for thread in there):
            lost = lost or f"rows of {seen} are open to who is told, and are counted with them"
        first = min(there, key=lambda thread: (not thread.demands, thread.steps))
        demands = reduce(frozenset.union, (thread.demands for thread in there))
        columns = frozenset() if lost else columns
        threads.append(replace(first, demands=demands, columns=columns, lost=lost, seen=seen))
    nulls = reduce(frozenset.intersection, (part.nulls for part in parts))
    return Rows(tuple(threads), nulls)


def _numbered(threads: tuple[Thread, ...]) -> dict[tuple[tuple[str, str], int], Thread]:
    found: dict[tuple[tuple[str, str], int], Thread] = {}
    for thread in threads:
        found[thread.tag, sum(tag == thread.tag for tag, _ in found)] = thread
    return found


def _project(source: Rows, node: Project) -> Rows:
    copies: dict[str, set[str]] = {}
    nulls = set()
    for output in node.outputs:
        bare = without_casts(output.expression)
        if isinstance(bare, Column):
            copies.setdefault(bare.name, set()).add(output.name)
        if is_null(bare) or (isinstance(bare, Column) and bare.name in source.nulls):
            nulls.add(output.name)
    threads = []
    for thread in source.threads:
        columns = frozenset(name for column in thread.columns for name in copies.get(column, ()))
        lost = thread.lost or ("" if columns else f"nothing says whom rows are about after {show_node(node)}")
        threads.append(replace(thread, columns=columns, lost=lost))
    return Rows(tuple(threads), frozenset(nulls))


def _join(left: Rows, right: Rows, node: Join) -> Rows:
    step, matched = show_node(node), right.threads
    match node.how:
        case "inner":
            lefts = tuple(
                replace(t, columns=t.columns | {b for a, b in node.on if a in t.columns}) for t in left.threads
            )
            rights = tuple(replace(t, columns=t.columns | {a for a, b in node.on if b in t.columns}) for t in matched)
            return _beside(replace(left, threads=lefts), tuple(_via(t, step, node) for t in rights), [left, right])
        case "left":
            return _beside(left, tuple(_via(t, step, node) for t in matched), [left, right])
        case "semi":
            matched = tuple(replace(t, columns=frozenset(a for a, b in node.on if b in t.columns)) for t in matched)
        case "anti":
            matched = tuple(replace(t, columns=frozenset()) for t in matched)
        case _ as never:
            assert_never(never)
    why = "whether a row has a match tells of single ones, and they are not counted"
    matched = tuple(_via(replace(t, lost=t.lost or ("" if t.columns else why)), step, node) for t in matched)
    return Rows((*left.threads, *(t for t in matched if t.demands)), left.nulls)


def _beside(left: Rows, right: tuple[Thread, ...], sources: list[Rows]) -> Rows:
    nulls = reduce(frozenset.union, (source.nulls for source in sources))
    return Rows((*left.threads, *right), nulls)
