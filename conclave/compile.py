"""From SQL text to the plan that every worker runs: bind, optimise, lower. Pure and deterministic."""

from collections.abc import Mapping

from conclave.ir.nodes import Node
from conclave.local.sqltext import to_sql
from conclave.passes.optimise import optimise
from conclave.plan.lower import lower
from conclave.plan.steps import MpcSetting, Plan
from conclave.sql.bind import bind


def compile_query(
    sql: str, tables: Mapping[str, Node], recipients: tuple[str, ...], compute: tuple[str, str, str]
) -> Plan:
    """Return the plan of `sql` over logical `tables` (a Scan each, or a Concat of Scans), opened to `recipients`.

    Raises:  QueryProblem (with line and column) for a query that is wrong, or that this compiler does not take.
    """
    return lower(optimise(bind(sql, tables, recipients)), MpcSetting("replicated3", compute), to_sql)
