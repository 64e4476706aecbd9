"""From SQL text to the plan that every worker runs: bind, optimise, lower, check ranges. Pure and deterministic."""

from collections.abc import Mapping

from conclave.cheetah.program import check_cheetah
from conclave.ir.guard import Protection
from conclave.ir.nodes import Node
from conclave.local.sqltext import to_sql
from conclave.passes.add_noise import add_noise
from conclave.passes.clamp_scans import clamp_scans
from conclave.passes.guard_groups import guard_groups
from conclave.passes.optimise import optimise
from conclave.plan.cleartext import Cleartext
from conclave.plan.lower import lower
from conclave.plan.steps import Compute, MpcSetting, Plan, Protocol
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
    which columns of which tables who may see as keys; it makes joins and groups by them cheap. Of `countable` tables all
    members may count the rows that are left on the way; that many are worked on, where it saves work.

    Raises:  QueryProblem (with line and column) for a query that is wrong, or that this compiler does not take.
    """
    asked = protections or {}
    bound = add_noise(clamp_scans(guard_groups(bind(sql, tables, recipients), asked), asked), asked)
    setting = MpcSetting(protocol, compute)
    plan = with_checks(lower(optimise(bound), setting, to_sql, asked, cleartext, countable))
    check_cheetah(plan)
    return plan
