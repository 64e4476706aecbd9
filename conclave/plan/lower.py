"""From the optimised query to steps: whatever one owner can do alone becomes SQL at that owner, the rest MPC.

Equal subtrees become one step. All local steps come first, then all sharing, so that owners work at the same time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from conclave.ir.expressions import Column, Expression, operands
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
    SortKey,
)
from conclave.ir.types import Schema, Varchar, is_packed
from conclave.ir.walk import children, owner_of, scans_in, with_children
from conclave.plan.steps import (
    Disclosure,
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
from conclave.plan.unique import unique_side


def lower(root: Collect, setting: MpcSetting, to_sql: Callable[[Node], str]) -> Plan:
    """Return the plan of an optimised query. `to_sql` writes a subtree in the local engine's dialect.

    Raises:  UnsupportedQuery for an operator that is left to MPC and that MPC cannot run.
    """
    lowering = _Lowering(to_sql, _texts_wanted(root))
    owner = owner_of(root.source)
    ends = lowering.one_owner(root, owner) if owner is not None else lowering.several_owners(root)
    steps = (*lowering.local, *lowering.shares, *lowering.mpc, *ends)
    return Plan(
        query=root,
        mpc=None if owner is not None else setting,
        steps=steps,
        disclosures=_disclosures(root, steps, setting),
        answer=root.schema,
    )


@dataclass
class _Lowering:
    """Steps made so far. Names are t1, t2, ... in the order of making."""

    to_sql: Callable[[Node], str]
    texts: dict[Node, frozenset[str]]
    local: list[LocalStep] = field(default_factory=list)
    shares: list[ShareStep] = field(default_factory=list)
    mpc: list[MpcStep] = field(default_factory=list)
    made: dict[Node, str] = field(default_factory=dict)
    n_names: int = 0

    def one_owner(self, root: Collect, owner: str) -> tuple[Step, ...]:
        """Lower a query that a single party can answer alone."""
        table = self._run_locally(root.source, owner)
        others = tuple(name for name in root.recipients if name != owner)
        return (SendStep(self._name(), owner, table, others, root.schema),) if others else ()

    def several_owners(self, root: Collect) -> tuple[Step, ...]:
        """Lower a query over several parties' rows. The order of the answer is made by each recipient for itself."""
        source: Node = root.source
        order: tuple[SortKey, ...] = ()
        match source:
            case Sort(inner, keys):
                source, order = inner, keys
            case Limit(Sort(_, keys)):
                order = keys
        revealed = RevealStep(self._name_of_reveal(source), self._share(source), root.recipients, root.schema)
        if not order:
            return (revealed,)
        query = Sort(Input(revealed.name, root.schema), order)
        sql = self.to_sql(query)
        return (revealed, *(LocalStep(self._name(), party, query, sql) for party in root.recipients))

    def _name_of_reveal(self, source: Node) -> str:
        self._share(source)  # earlier steps take earlier names
        return self._name()

    def _share(self, node: Node) -> str:
        """Return the name of the shared table that holds `node`'s rows."""
        if node in self.made:
            return self.made[node]
        owner = owner_of(node)
        if owner is not None:
            local = self._run_locally(node, owner)
            step = ShareStep(self._name(), owner, local, node.schema, self.texts.get(node, frozenset()))
            self.shares.append(step)
            self.made[node] = step.name
            return step.name
        if isinstance(node, Limit) and not isinstance(node.source, Sort):
            # Only rows that exist may be counted, so they have to come first.
            node = replace(node, source=Sort(node.source, ()))
        if isinstance(node, Sort) and node.keys and isinstance(node.source, Sort):
            node = replace(node, source=node.source.source)
        inputs = tuple(Input(self._share(child), child.schema) for child in children(node))
        operator = with_children(node, inputs)
        check_supported(operator)
        side = unique_side(node) if isinstance(node, Join) else None
        self.mpc.append(MpcStep(self._name(), operator, side))
        self.made[node] = self.mpc[-1].name
        return self.mpc[-1].name

    def _run_locally(self, node: Node, owner: str) -> str:
        step = LocalStep(self._name(), owner, node, self.to_sql(node))
        self.local.append(step)
        return step.name

    def _name(self) -> str:
        self.n_names += 1
        return f"t{self.n_names}"


def _texts_wanted(root: Collect) -> dict[Node, frozenset[str]]:
    """Return, for each subtree, its columns of long strings that reach the answer and so must travel as text."""
    wanted: dict[Node, frozenset[str]] = {}

    def visit(node: Node, names: frozenset[str]) -> None:
        long = {f.name for f in node.schema if isinstance(f.type, Varchar) and not is_packed(f.type)}
        wanted[node] = wanted.get(node, frozenset()) | (names & long)
        for child in children(node):
            visit(child, _names_below(node, names) & {f.name for f in child.schema})

    visit(root.source, frozenset(f.name for f in root.schema))
    return wanted


def _names_below(node: Node, names: frozenset[str]) -> frozenset[str]:
    match node:
        case Project(_, outputs):
            return frozenset(name for o in outputs if o.name in names for name in _values_of(o.expression))
        case Aggregate(_, keys):
            return names & frozenset(keys)
        case Scan() | Input() | Concat() | Filter() | Join() | CrossOne() | Sort() | Limit() | Collect():
            return names


def _values_of(expression: Expression) -> frozenset[str]:
    if isinstance(expression, Column):
        return frozenset({expression.name})
    return frozenset(name for part in operands(expression) for name in _values_of(part))


def _disclosures(root: Collect, steps: tuple[Step, ...], setting: MpcSetting) -> tuple[Disclosure, ...]:
    found: list[Disclosure] = []
    owners = {scan.owner for scan in scans_in(root)}
    uses_mpc = any(isinstance(step, MpcStep | RevealStep) for step in steps)
    members = sorted(owners | set(root.recipients) | set(setting.compute if uses_mpc else ()))
    for scan in sorted({scan.dataset: scan for scan in scans_in(root)}.values(), key=lambda scan: scan.dataset):
        others = tuple(name for name in members if name != scan.owner)
        if others:
            found.append(Disclosure(others, "row_count", "offer", scan.dataset))
    for step in steps:
        match step:
            case ShareStep(name, party):
                others = tuple(sorted(compute for compute in setting.compute if compute != party))
                found.append(Disclosure(others, "row_count", name, party))
            case RevealStep(name, _, recipients, schema) | SendStep(name, _, _, recipients, schema):
                found.append(Disclosure(recipients, "answer", name, "answer", _names(schema)))
            case LocalStep() | MpcStep():
                pass
    if not any(found_one.kind == "answer" for found_one in found):
        found.append(Disclosure(root.recipients, "answer", steps[-1].name, "answer", _names(root.schema)))
    return tuple(found)


def _names(schema: Schema) -> tuple[str, ...]:
    return tuple(f.name for f in schema)
