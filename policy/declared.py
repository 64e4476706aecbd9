"""What a look at declared keys tells: whether rows of several owners agree in columns that were said to tell all rows apart.

Theory. Each owner has declared that no other has one of its values (`unique: table`), and it is looked at under MPC where such
rows are joined; if it does not hold, the run ends for all. Who brings a row with another's key learns so whether that one's
row is among those that are joined. So whatever decides the bit has to be granted, and under a minimum of subjects only whole
tables are looked at: of rows that a query picks, its author would have asked. It is the plan's own joins that look, which
need not be the query's: a table that was aggregated before a join may leave the other's keys to tell the rows apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conclave.ir.nodes import Concat, Join, Node, Project, Scan
from conclave.ir.walk import nodes_in
from conclave.plan.steps import MpcStep, Plan
from policy.document import Policy
from policy.faithful import tables_made
from policy.flow import trace
from policy.minimum import refusals_of
from policy.personal import Personal
from policy.rules import rules_of
from policy.uses import Use, influences_of, merged
from policy.verdict import Reason


@dataclass(frozen=True)
class Declared:
    """The rows that are looked at, and their keys."""

    join: Join
    side: Node
    keys: tuple[str, ...]


def declared_keys(plan: Plan) -> Iterator[Declared]:
    """Yield what each step looks at that is a join; that a step says so where it has to, `policy.claims` sees to."""
    made = tables_made(plan)
    for step in plan.steps:
        join = made.get(step.name)
        if isinstance(step, MpcStep) and step.checks_keys and isinstance(join, Join):
            is_right = step.unique_side == "right"
            keys = tuple(right if is_right else left for left, right in join.on)
            yield Declared(join, join.right if is_right else join.left, keys)


def check_picked_keys(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal where rows are looked at that the query has picked, and an owner asks for a minimum of subjects."""
    for declared in declared_keys(plan):
        if not all(isinstance(node, Scan | Concat | Project) for node in nodes_in(declared.side)):
            why = "whether its keys repeat in the rows that the query picks is checked"
            fix = "take `unique: table` out of the party documents, or let the query pick rows of the other tables only"
            yield from refusals_of(declared.side, policies, "every compute party", why, fix)


def uses_of_keys(declared: Declared, personal: Personal, policies: Mapping[str, Policy]) -> tuple[Use, ...]:
    """Return what decides the bit: which rows there are, and their keys."""
    side = trace(declared.side, personal, rules_of(policies))
    step = "checked to tell rows apart"
    keys = (influences_of(side.values[key], "join_key", step, declared.join.at) for key in declared.keys)
    return merged(side.influences, *keys)
