"""The plan's steps against the query's flow: each runs where its data may be, and only the answer is opened.

Compiling is not trusted here: whatever the passes and the lowering do, no step may show a table to a party that the
query does not name, nor let one party's rows meet another's in clear.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from conclave.ir.nodes import Aggregate, Input, Join, Node
from conclave.ir.walk import nodes_in, scans_in
from conclave.plan.compaction import may_compact
from conclave.plan.disclose import match_checks, seen_of
from conclave.plan.facts import Facts, facts_after, spared
from conclave.plan.runs import with_runs, without_runs
from conclave.plan.steps import LocalStep, MpcStep, Plan, RevealStep, SendStep, ShareStep, Step
from policy.faithful import opened_rows, tables_made
from policy.verdict import Code, Reason

SHARED = frozenset({"(shares)"})  # a table that nobody holds in clear
KNOWN = (
    "answer", "row_count", "table_size", "key_check", "match_check", "minimum_check", "range_check", "keys", "pairs",
    "noise",
)  # fmt: skip


def check_steps(plan: Plan) -> Iterator[Reason]:
    """Yield what is wrong with the plan's steps."""
    recipients = frozenset(plan.query.recipients)
    holders: dict[str, frozenset[str]] = {}  # by table: who holds it in clear
    opened = 0
    for step in plan.steps:
        problem = _problem(step, recipients, holders)
        if isinstance(step, RevealStep | SendStep):
            opened += 1
            if opened > 1 or not _tells_answer(step, plan):
                problem = "unknown-disclosure", f"step {step.name} would open another table than the answer"
        if problem is not None:
            code, what = problem
            yield Reason(code, "", what, "this is a fault of the compiler: report it, with the query")
    yield from _seen_problems(plan)
    yield from _sorted_problems(plan)
    for kind in sorted({d.kind for d in plan.disclosures if d.kind not in KNOWN}):
        yield Reason("unknown-disclosure", "", f"the plan discloses {kind}", "no rule covers this; report it")


def _tells_answer(step: RevealStep | SendStep, plan: Plan) -> bool:
    """Whether what a step opens is the answer, or follows from it column by column; of which rows, `faithful` says."""
    if step.schema == plan.answer:
        return True
    table = tables_made(plan).get(step.source)
    is_all = isinstance(step, RevealStep) and table is not None and table.schema == step.schema
    return is_all and table is not None and opened_rows(table, plan.query.source) is not None


def _sorted_problems(plan: Plan) -> Iterator[Reason]:
    """Yield steps that take rows to be in order, or keys to be told by others, without that following from the plan."""
    known: dict[str, Facts] = {}
    for step in plan.steps:
        if isinstance(step, MpcStep):
            if plan.mpc is not None and plan.mpc.protocol == "replicated3":
                meant = spared(replace(step, sorts_by=(), in_order="no"), known)
            else:
                meant = replace(step, sorts_by=(), in_order="no")
            known[step.name] = facts_after(meant, known)
            if step != meant:
                what = f"step {step.name} would leave a sort out that it needs, or say otherwise which it needs"
                yield Reason("unfaithful", "", what, "this is a fault of the compiler: report it, with the query")
    is_of_three = plan.mpc is not None and plan.mpc.protocol == "replicated3"
    runs = with_runs(plan.steps) if is_of_three else tuple(map(without_runs, plan.steps))
    for said, found in zip(plan.steps, runs, strict=True):
        if said != found:
            what = f"step {said.name} would merge rows that nobody has put in order, or say otherwise which are"
            yield Reason("unfaithful", "", what, "this is a fault of the compiler: report it, with the query")


def _seen_problems(plan: Plan) -> Iterator[Reason]:
    """Yield steps whose keys somebody outside the compute parties would see, or that the plan does not tell of.

    As well those whose rows are counted without the plan telling so, or are in an order that dropping some would lose.
    """
    fix = "this is a fault of the compiler: report it, with the query"
    members = {scan.owner for scan in scans_in(plan.query)} | set(plan.query.recipients)
    for step in plan.steps:
        if isinstance(step, MpcStep) and step.is_compacted:
            is_told = plan.mpc is not None and set(seen_of(step, plan.mpc, members)) <= set(plan.disclosures)
            if not is_told or not may_compact(step):
                what = f"step {step.name} would drop rows, and the plan does not tell who counts what is left"
                yield Reason("unknown-disclosure", "", what, fix)
        if isinstance(step, MpcStep) and step.bounded is not None:
            computing = set(plan.mpc.compute) if plan.mpc is not None else set()
            told = list(match_checks(step, members | computing))
            if not told or not set(told) <= set(plan.disclosures):
                what = f"step {step.name} would tell whether keys come too often, and the plan does not say so"
                yield Reason("unknown-disclosure", "", what, fix)
        if not isinstance(step, MpcStep) or not step.seen_by:
            continue
        compute = plan.mpc.compute if plan.mpc is not None else ()
        is_one_or_all = len(step.seen_by) == 1 or set(step.seen_by) == set(compute)
        if not isinstance(step.operator, Join | Aggregate) or not set(step.seen_by) <= set(compute):
            what = f"step {step.name} would show keys to {', '.join(step.seen_by)}"
            yield Reason("unknown-disclosure", "", what, fix)
        elif (
            not is_one_or_all or plan.mpc is None or not set(seen_of(step, plan.mpc, members)) <= set(plan.disclosures)
        ):
            what = f"step {step.name} would show keys, and the plan does not tell to whom"
            yield Reason("unknown-disclosure", "", what, fix)


def _problem(step: Step, recipients: frozenset[str], holders: dict[str, frozenset[str]]) -> tuple[Code, str] | None:
    """Return what is wrong with one step, after noting who holds the table that it makes."""
    match step:
        case LocalStep(name, party, query):
            holders[name] = frozenset({party})
            return _local_problem(name, party, query, holders)
        case ShareStep(name, party, source):
            holders[name] = SHARED
            return _not_at(name, party, source, holders)
        case MpcStep(name, operator):
            holders[name] = SHARED
            inputs = [holders.get(node.name) for node in nodes_in(operator) if isinstance(node, Input)]
            if scans_in(operator) or any(held != SHARED for held in inputs):
                return "cleartext", f"step {name} would compute under MPC on what is not shared"
        case RevealStep(name, source, to):
            holders[name] = frozenset(to)
            if holders.get(source) != SHARED or not set(to) <= recipients:
                return "unknown-disclosure", f"step {name} would open a table to {', '.join(to)}"
        case SendStep(name, party, source, to):
            holders[name] = frozenset(to)
            if not set(to) <= recipients:
                return "unknown-disclosure", f"step {name} would send a table to {', '.join(to)}"
            return _not_at(name, party, source, holders)
    return None


def _local_problem(
    name: str, party: str, query: Node, holders: Mapping[str, frozenset[str]]
) -> tuple[Code, str] | None:
    foreign = sorted({scan.dataset for scan in scans_in(query) if scan.owner != party})
    if foreign:
        return "cleartext", f"step {name} would run at {party} on rows of {', '.join(foreign)} in clear"
    for node in nodes_in(query):
        if isinstance(node, Input) and party not in holders.get(node.name, frozenset()):
            return "cleartext", f"step {name} would run at {party} on a table that it does not hold"
    return None


def _not_at(name: str, party: str, source: str, holders: Mapping[str, frozenset[str]]) -> tuple[Code, str] | None:
    if party in holders.get(source, frozenset()):
        return None
    return "cleartext", f"step {name} would take a table from {party} that it does not hold"
