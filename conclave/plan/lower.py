"""From the optimised query to steps: whatever one owner can do alone becomes SQL at that owner, the rest MPC.

Equal subtrees become one step. All local steps come first, then all sharing, so that owners work at the same time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import lcm

from conclave.ir.expressions import Column, Expression, operands
from conclave.ir.guard import Protection
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
from conclave.ir.patterns import begun_in
from conclave.ir.types import Varchar, is_packed
from conclave.ir.walk import children, is_one_row, nodes_in, owner_of, scans_in, with_children
from conclave.ir.window import Window
from conclave.plan.bounded import bounded_side
from conclave.plan.cleartext import Cleartext, seers_of
from conclave.plan.compaction import compacted
from conclave.plan.disclose import disclosures
from conclave.plan.facts import Facts, facts_after, spared
from conclave.plan.push_up import push_up
from conclave.plan.runs import with_runs
from conclave.plan.sensitivity import Sensitivity, Unbounded
from conclave.plan.sizes import has_conditions, repeats_rows
from conclave.plan.steps import (
    LocalStep,
    MpcSetting,
    MpcStep,
    Plan,
    RevealStep,
    SendStep,
    ShareStep,
    Step,
)
from conclave.plan.support import check_supported
from conclave.plan.unique import Uniqueness, unique_side


def lower(
    root: Collect,
    setting: MpcSetting,
    to_sql: Callable[[Node], str],
    asked: Mapping[str, Protection] | None = None,
    cleartext: Cleartext | None = None,
    countable: frozenset[str] = frozenset(),
    run: Node | None = None,
    recomputes: bool = True,
    unseen: frozenset[Node] = frozenset(),
) -> Plan:
    """Return the plan of an optimised query. `to_sql` writes a subtree in the local engine's dialect.

    `asked`: what the numbers of rows that go into MPC may tell of a dataset. `cleartext`: which keys who may see, but for
    those of the joins and groupings in `unseen`.
    `countable`: the tables of which all members may count the rows that are left on the way, where that saves work.
    `run`: a query with the same answer whose steps are made in place of the query's own. Policies judge the query, so
    nothing is told of what `run` alone has: owners do none of it by themselves, and no rows or keys of it are shown.
    `recomputes`: whether recipients compute columns that follow from others that are opened (`derived`).

    Raises:  UnsupportedQuery for an operator that is left to MPC and that MPC cannot run.
    """
    shown = cleartext or {}

    def seers(node: Node) -> tuple[str, ...]:
        return () if node in unseen else seers_of(node, shown, setting.compute)

    dropping = compacted(root, countable, seers)
    computed = root.source if run is None else run
    lowering = _Lowering(to_sql, _texts_wanted(computed), asked or {}, setting, seers, dropping, recomputes)
    if run is not None:
        lowering.judged = frozenset(nodes_in(root))
    owner = owner_of(root.source)
    ends = lowering.one_owner(root, owner) if owner is not None else lowering.several_owners(root, computed)
    steps: tuple[Step, ...] = (*lowering.local, *lowering.shares, *lowering.mpc, *ends)
    if owner is None and setting.protocol == "replicated3":
        steps = with_runs(steps)
    return Plan(
        query=root,
        mpc=None if owner is not None else setting,
        steps=steps,
        disclosures=disclosures(root, steps, setting),
        answer=root.schema,
    )


@dataclass
class _Lowering:
    """Steps made so far. A name says the kind of step and counts: local l1, share s1, MPC m1, reveal or send r1."""

    to_sql: Callable[[Node], str]
    texts: dict[Node, frozenset[str]]
    asked: Mapping[str, Protection]
    setting: MpcSetting
    seers: Callable[[Node], tuple[str, ...]]
    compacted: frozenset[Node]
    recomputes: bool
    local: list[LocalStep] = field(default_factory=list)
    shares: list[ShareStep] = field(default_factory=list)
    mpc: list[MpcStep] = field(default_factory=list)
    facts: dict[str, Facts] = field(default_factory=dict)
    made: dict[Node, str] = field(default_factory=dict)
    judged: frozenset[Node] | None = None  # what may be told of; None: everything

    def one_owner(self, root: Collect, owner: str) -> tuple[Step, ...]:
        """Lower a query that a single party can answer alone."""
        table = self._run_locally(root.source, owner)
        others = tuple(name for name in root.recipients if name != owner)
        return (SendStep("r1", owner, table, others, root.schema),) if others else ()

    def several_owners(self, root: Collect, computed: Node) -> tuple[Step, ...]:
        """Lower a query over several parties' rows. What can wait is done by each recipient for itself."""
        pushed = push_up(computed, root.source, "r1", self.recomputes)
        opened, after = pushed.opened, pushed.after
        revealed = RevealStep(opened.name, self._share(pushed.under_mpc), root.recipients, opened.schema)
        if after == opened:
            return (revealed,)
        sql, n_local = self.to_sql(after), len(self.local)
        own = (LocalStep(f"l{n_local + k}", party, after, sql) for k, party in enumerate(root.recipients, start=1))
        return (revealed, *own)

    def _share(self, node: Node) -> str:
        """Return the name of the shared table that holds `node`'s rows."""
        if node in self.made:
            return self.made[node]
        owner = owner_of(node)
        if owner is not None and self._is_judged(node) and not self._would_tell(node):
            self.made[node] = self._share_of_one(node, owner)
        elif isinstance(node, Sort):
            self.made[node] = self._share(node.source)  # rows have an order only for the LIMIT on top of them
        else:
            self.made[node] = self._compute(node)
        return self.made[node]

    def _would_tell(self, node: Node) -> bool:
        """Whether the number of rows would tell of one, however it is rounded up."""
        has_minimum = any(self.asked.get(scan.dataset, Protection()).has_minimum for scan in scans_in(node))
        return has_minimum and not is_one_row(node) and repeats_rows(node)

    def _share_of_one(self, node: Node, owner: str) -> str:
        local = self._run_locally(node, owner)
        texts = self.texts.get(node, frozenset())
        # A single row is there whatever the data.
        asked = [] if is_one_row(node) else [self.asked.get(scan.dataset, Protection()) for scan in scans_in(node)]
        n_groups = self._groups_of(node) if any(each.noise for each in asked) else None
        hides = any(each.has_minimum or (each.noise and n_groups is None) for each in asked) and has_conditions(node)
        multiple = lcm(*(each.padding for each in asked), n_groups or 1)
        step = ShareStep(
            f"s{len(self.shares) + 1}", owner, local, node.schema, texts, is_one_row(node), multiple, hides
        )
        self.shares.append(step)
        return step.name

    def _groups_of(self, node: Node) -> int | None:
        """Return how many groups there may be of protected rows, whatever they are; None if `node` is no totals of them."""
        try:
            held = Sensitivity(self.asked).held(node)
        except Unbounded:
            return None
        totals = held.totals
        return None if totals is None else held.n_groups(f.name for f in node.schema if f.name not in totals)

    def _compute(self, node: Node) -> str:
        inputs: tuple[Input, ...]
        if isinstance(node, Limit):
            # Also without an order: only rows that exist may be counted, and sorting puts them first.
            order = node.source if isinstance(node.source, Sort) else Sort(node.source, ())
            inputs = (Input(self._append(order, (self._input(order.source),)), order.schema),)
        else:
            inputs = tuple(self._input(child) for child in children(node))
        return self._append(node, inputs)

    def _input(self, node: Node) -> Input:
        return Input(self._share(node), node.schema)

    def _append(self, node: Node, inputs: tuple[Input, ...]) -> str:
        operator = with_children(node, inputs)
        check_supported(operator)
        side, certain = unique_side(node) if isinstance(node, Join) else (None, Uniqueness.NONE)
        seers = self.seers(node) if self._is_judged(node) else ()
        bounded = bounded_side(node) if isinstance(node, Join) and not seers else None
        step = MpcStep(f"m{len(self.mpc) + 1}", operator, side, certain == Uniqueness.DECLARED, seers, bounded=bounded)
        step = replace(step, is_compacted=node in self.compacted)
        if self.setting.protocol == "replicated3":  # the other sorts all that it groups
            step = spared(step, self.facts)
            self.facts[step.name] = facts_after(step, self.facts)
        self.mpc.append(step)
        return step.name

    def _is_judged(self, node: Node) -> bool:
        return self.judged is None or node in self.judged

    def _run_locally(self, node: Node, owner: str) -> str:
        step = LocalStep(f"l{len(self.local) + 1}", owner, node, self.to_sql(node))
        self.local.append(step)
        return step.name


def _texts_wanted(answer: Node) -> dict[Node, frozenset[str]]:
    """Return, for each subtree, its columns of long strings that must travel as text.

    They reach the answer, or are ordered by, or MPC looks at how they begin.
    """
    wanted: dict[Node, frozenset[str]] = {}

    def visit(node: Node, names: frozenset[str]) -> None:
        long = {f.name for f in node.schema if isinstance(f.type, Varchar) and not is_packed(f.type)}
        wanted[node] = wanted.get(node, frozenset()) | (names & long)
        for child in children(node):
            visit(child, _names_below(node, names) & {f.name for f in child.schema})

    visit(answer, frozenset(f.name for f in answer.schema))
    return wanted


def _names_below(node: Node, names: frozenset[str]) -> frozenset[str]:
    match node:
        case Project(_, outputs):
            shown = frozenset(name for o in outputs if o.name in names for name in _values_of(o.expression))
            return shown.union(*(_begun(o.expression) for o in outputs))
        case Filter(_, predicate):
            return names | _begun(predicate)
        case Aggregate(_, keys):
            return names & frozenset(keys)
        case Noise():
            return frozenset()  # which groups there are is public, and so are their labels
        case Window(_, _, order, outputs):
            moved = {o.over for o in outputs if o.name in names and o.over is not None}
            return names | moved | {key.column for key in order}
        case Sort(_, sort_keys):
            return names | {key.column for key in sort_keys}  # ordered by what they are, not by their codes
        case Scan() | Input() | Concat() | Join() | CrossOne() | Limit() | Collect():
            return names


def _begun(expression: Expression) -> frozenset[str]:
    return frozenset(name for text in begun_in(expression) for name in _values_of(text))


def _values_of(expression: Expression) -> frozenset[str]:
    if not isinstance(expression.type, Varchar):
        return frozenset()  # what is decided or counted by a text is none
    if isinstance(expression, Column):
        return frozenset({expression.name})
    return frozenset(name for part in operands(expression) for name in _values_of(part))
