"""How many rounds of messages queries take: `python -m tests.bench.rounds [--steps] [--rows N] [--json]`.

Each round waits for the slowest link once, so on links of 20 ms a hundred rounds are two seconds, whatever is in them.
Rounds are counted by rehearsing each plan with three parties in one process, as `ccd plan` does; of the shipped and the
worked workflows, and of TPC-H's queries.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from conclave.compile import compile_query
from conclave.estimate import REHEARSED_ROWS, estimate
from conclave.plan.show import kind_of
from conclave.plan.steps import MpcStep, Plan
from renderer.check import load_workspace
from renderer.plan import compile_run
from tests.bench.compile import PARTIES, queries, tables

ROOT = Path(__file__).parents[2]


def plans() -> Iterator[tuple[str, Plan]]:
    """Yield all that is counted, by name."""
    for root in (ROOT, ROOT / "examples"):
        workspace = load_workspace(root)
        for name in sorted(workspace.workflows):
            yield f"{'' if root == ROOT else 'examples/'}{name}", compile_run(workspace.planned(name).run)
    for number, query in queries().items():
        yield f"tpch {number}", compile_query(query, tables(), ("analyst",), PARTIES)


def rounds_of(plan: Plan, n_rows: int) -> dict[str, int]:
    """Return the rounds of each step that has any, by the step's name and kind."""
    kinds = {s.name: type(s.operator).__name__.lower() if isinstance(s, MpcStep) else kind_of(s) for s in plan.steps}
    counted = {f"{name} {kinds[name]}": cost.rounds for name, cost in estimate(plan, n_rows).items() if cost.rounds}
    shares = [name for name in counted if name.endswith(" share")]
    return {name: rounds for name, rounds in counted.items() if name not in shares[1:]}  # owners share in one round


def main() -> None:
    """Parse, count, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rounds", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=REHEARSED_ROWS, help="that each owner shares (default: %(default)s)"
    )
    parser.add_argument("--steps", action="store_true", help="the rounds of each step, too")
    parser.add_argument("--only", default="", help="those whose name begins so")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line instead of a table")
    asked = parser.parse_args()
    for name, plan in plans():
        if not name.startswith(asked.only):
            continue
        steps = rounds_of(plan, asked.rows)
        total = sum(steps.values())
        if asked.json:
            print(
                json.dumps({"query": name, "rows_of_each_owner": asked.rows, "rounds": total, "steps": steps}),
                flush=True,
            )
            continue
        print(f"{name:32}{total:7}", flush=True)
        for step, rounds in steps.items() if asked.steps else ():
            print(f"    {step:28}{rounds:7}")


if __name__ == "__main__":
    main()
