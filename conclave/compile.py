"""From SQL text to the plan that every worker runs: bind, optimise, lower, check ranges. Pure and deterministic."""

from collections.abc import Callable, Mapping
from functools import partial

from conclave.cheetah.program import check_cheetah
from conclave.choose import Choosing
from conclave.ir.guard import Protection
from conclave.ir.nodes import Collect, Join, Node
from conclave.ir.walk import nodes_in, owner_of
from conclave.local.sqltext import to_sql
from conclave.passes.add_noise import add_noise
from conclave.passes.aggregate_before_join import aggregate_before_join
from conclave.passes.clamp_scans import clamp_scans
from conclave.passes.guard_groups import guard_groups
from conclave.passes.optimise import optimise
from conclave.plan.bounded import bounded_side
from conclave.plan.cleartext import Cleartext, seers_of
from conclave.plan.lower import lower
from conclave.plan.steps import Compute, MpcSetting, MpcStep, Plan, Protocol, RevealStep
from conclave.ranges import with_checks
from conclave.sql.bind import bind


def compile_query(
    sql: str,
    tables: Mapping[str, Node],
    recipients: tuple[str, ...],
    compute: Compute,
    protections: Mapping[str, Protection] | None = None,
    cleartext: Cleartext | None = None,
    countable: frozenset[str] = frozenset(),
    protocol: Protocol = "replicated3",
) -> Plan:
    """Return the plan of `sql` over logical `tables` (a Scan each, or a Concat of Scans), opened to `recipients`.

    `protections`, by dataset, are what owners ask for beyond a yes: they are built into the plan. `cleartext` says
    which columns of which tables who may see as keys: joins and groups are by keys that are seen where that is estimated to
    pay. Of `countable` tables all members may count the rows that are left on the way; that many are worked on, where it
    saves work.

    Raises:  QueryProblem (with line and column) for a query that is wrong, or that this compiler does not take.
    """
    asked = protections or {}
    bound = add_noise(clamp_scans(guard_groups(bind(sql, tables, recipients), asked), asked), asked)
    plan = plan_of(optimise(bound), MpcSetting(protocol, compute), asked, cleartext, countable)
    check_cheetah(plan)
    return plan


def plan_of(
    best: Collect,
    setting: MpcSetting,
    asked: Mapping[str, Protection] | None = None,
    cleartext: Cleartext | None = None,
    countable: frozenset[str] = frozenset(),
) -> Plan:
    """Return the plan of an optimised query: of the ways to run it the one that is estimated to cost least."""
    # Where owners protect subjects, what a run looks at, or may fail of, is to be what the query itself needs.
    is_protected = any(each.least or each.noise for each in (asked or {}).values())
    may_rewrite = setting.protocol == "replicated3" and not is_protected

    def aggregated(is_open: Callable[[Node], bool]) -> Node:
        run = aggregate_before_join(best.source, is_open) if may_rewrite else best.source
        return best.source if run is not best.source and _is_checked_anew(run, best) else run

    def made(query: Node, unseen: frozenset[Node]) -> Plan:
        run = None if query is best.source else query
        lowered = partial(lower, best, setting, to_sql, asked, cleartext, countable, run, unseen=unseen)
        plan = with_checks(lowered())
        if _is_recomputed(plan):
            as_it_is = with_checks(lowered(recomputes=False))
            plan = plan if _looks_at_no_more(plan, as_it_is) else as_it_is
        return plan

    return Choosing(best.source, _views(best, cleartext or {}, setting.compute), made, aggregated).cheapest()


def _views(root: Node, cleartext: Cleartext, compute: Compute) -> tuple[tuple[Node, tuple[str, ...]], ...]:
    """Return the joins and groupings under MPC whose keys somebody may see, and who."""
    found = ((node, seers_of(node, cleartext, compute)) for node in dict.fromkeys(nodes_in(root)) if cleartext)
    return tuple((node, seers) for node, seers in found if seers and owner_of(node) is None)


def _is_recomputed(plan: Plan) -> bool:
    """Whether what is opened is not the answer, which recipients compute of it."""
    return any(isinstance(step, RevealStep) and step.schema != plan.answer for step in plan.steps)


def _looks_at_no_more(plan: Plan, other: Plan) -> bool:
    """Whether no size is looked at that the other plan does not look at.

    Of numbers that MPC divides, owners look at the sizes before; where it does not, those that are only added up may have
    to be looked at under MPC instead, and that tells all members of a run how it went.
    """
    looked = {step.name: step.checked for step in other.steps if isinstance(step, MpcStep) and step.checked is not None}
    asked = {step.name: step.checked for step in plan.steps if isinstance(step, MpcStep) and step.checked is not None}
    return all(
        name in looked and set(each.sums) <= set(looked[name].sums) and each.is_by_row <= looked[name].is_by_row
        for name, each in asked.items()
    )


def _is_checked_anew(run: Node, query: Node) -> bool:
    """Whether a join would tell how often keys come of rows that the query does not join so."""
    judged = frozenset(nodes_in(query))
    return any(isinstance(each, Join) and each not in judged and bounded_side(each) for each in nodes_in(run))
