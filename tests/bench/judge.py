"""How long a verdict takes on TPC-H's queries: `python -m tests.bench.judge [--repeat N] [--split] [--plain] [--json]`.

Each plan is held against the policies of all datasets that it reads: eight owners' words, or twelve with --split, where
three parties hold a part of orders and of lineitem. Each policy opens its columns and asks for a minimum of subjects
(customers, suppliers, orders), so that all rules are gone through; --plain leaves the minimum out. Processor time:
`first` of the first verdict on a plan that was just compiled, `best` of the fastest of --repeat.
"""

import argparse
import json
from dataclasses import asdict, dataclass

from conclave.compile import compile_query
from conclave.ir.nodes import Concat, Node, Scan
from conclave.ir.walk import scans_in
from conclave.plan.steps import Plan
from policy.document import Policy
from policy.protections import protections_of
from policy.verify import Request, verify
from tests.bench.compile import PARTIES, queries, tables, timed

MOST_MS = 100.0
SUBJECTS = {"customer": "c_custkey", "orders": "o_custkey", "lineitem": "l_orderkey", "supplier": "s_suppkey"}
ASKED = Request("research")


@dataclass(frozen=True)
class Row:
    """Milliseconds of processor time for the verdict on one query."""

    query: str
    policies: int
    decision: str
    first_ms: float
    best_ms: float


def whole(over: dict[str, Node]) -> dict[str, Node]:
    """Return the tables with one owner each."""
    return {table: node.parts[0] if isinstance(node, Concat) else node for table, node in over.items()}


def policies_over(over: dict[str, Node], is_plain: bool) -> dict[str, Policy]:
    """Return a policy for each dataset of the tables."""
    return {scan.dataset: _policy_on(scan, is_plain) for node in over.values() for scan in scans_in(node)}


def _policy_on(scan: Scan, is_plain: bool) -> Policy:
    subject = SUBJECTS.get(scan.table)
    columns = {f.name: {"type": str(f.type), "subject": f.name == subject} for f in scan.schema}
    grant = {"to": ["*"], "purposes": ["*"], "columns": {f.name: ["open"] for f in scan.schema}}
    spec: dict[str, object] = {"columns": columns, "grants": [grant]}
    if subject is not None and not is_plain:
        spec["minimum"] = {"subjects": 5}
    head = {"apiVersion": "ccd.dev/v1alpha1", "kind": "Policy", "metadata": {"dataset": scan.dataset, "version": 1}}
    return Policy.model_validate({**head, "spec": spec})


def plan_for(sql: str, over: dict[str, Node], policies: dict[str, Policy]) -> Plan:
    """Compile one query, with what the policies want built in."""
    return compile_query(sql, over, ("analyst",), PARTIES, protections_of(policies))


def measure(sql: str, over: dict[str, Node], name: str, repeat: int, is_plain: bool = False) -> Row:
    """Compile once, judge `repeat` times and once more."""
    policies = policies_over(over, is_plain)
    plan = plan_for(sql, over, policies)
    verdict, first_ms = timed(lambda: verify(plan, policies, ASKED))
    best_ms = min(timed(lambda: verify(plan, policies, ASKED))[1] for _ in range(repeat))
    return Row(name, len(policies), verdict.decision, first_ms, best_ms)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.judge", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="runs to take the fastest of (default: %(default)s)")
    parser.add_argument("--split", action="store_true", help="three owners of a part of orders and lineitem each")
    parser.add_argument("--plain", action="store_true", help="policies without a minimum")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of a table")
    asked = parser.parse_args()
    if asked.repeat < 1:
        parser.error("--repeat takes at least one run")
    over = tables() if asked.split else whole(tables())
    rows = []
    if not asked.json:
        print(f"{'query':>5} {'policies':>8} {'verdict':>8} {'first':>8} {'best ms':>8}")
    for name, sql in queries().items():
        row = measure(sql, over, name, asked.repeat, asked.plain)
        rows.append(row)
        line = f"{row.query:>5} {row.policies:8} {row.decision:>8} {row.first_ms:8.1f} {row.best_ms:8.1f}"
        print(json.dumps({**asdict(row), "most_ms": MOST_MS}) if asked.json else line, flush=True)
    if not asked.json:
        slowest = max(rows, key=lambda row: row.best_ms)
        print(f"slowest: {slowest.query}, {slowest.best_ms:.0f} ms of {MOST_MS:.0f}")


if __name__ == "__main__":
    main()
