"""Which of several plans of one query is run: the one that is estimated to cost least, but no view of keys for little.

Two things can be done in more than one way: keys may be seen by whom the workflow shows them to, or by nobody; and one side
of a join may be aggregated before it, or pairs compared. Each is priced with the whole plan (`conclave.plan.prices`), since
what one step does decides what later ones have to sort. Prices follow from the plan and from what owners declare, so every
worker comes to the same choice; the plan says what was left out.

A view of keys tells something, and an estimate is none of the network between the parties: so a view is taken only where
the run would take a quarter longer without it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from conclave.ir.nodes import Aggregate, Join, Node
from conclave.ir.walk import nodes_in
from conclave.plan.prices import price_of
from conclave.plan.steps import Choice, Plan, Price
from conclave.plan.tariff import time_us

# A plan without a view has to take so many times as long as the one with it.
_WORTH = 5, 4

Nodes = frozenset[Node]


@dataclass
class Choosing:
    """The ways to run a query, each compiled at most once.

    `views`: joins and groupings, the last one first, with who may see their keys.
    `plan_of` compiles a query with the joins and groupings whose keys nobody is to see; `aggregated` rewrites it where none
    of those that are seen is below.
    """

    query: Node
    views: tuple[tuple[Node, tuple[str, ...]], ...]
    plan_of: Callable[[Node, Nodes], Plan]
    aggregated: Callable[[Callable[[Node], bool]], Node]
    _made: dict[Nodes, Plan] = field(default_factory=dict)

    def cheapest(self) -> Plan:
        """Return the plan to run, with what was left out for it."""
        unseen: Nodes = frozenset()
        for node, _ in self.views:
            if not self._is_worth(unseen, unseen | {node}):
                unseen |= {node}
        nothing = frozenset(node for node, _ in self.views)
        if not self._is_worth(unseen, nothing):
            unseen = nothing
        plan = self._best(unseen)
        told = tuple(self._told(unseen, node, seers) for node, seers in reversed(self.views))  # as steps run
        return replace(plan, choices=(*told, *plan.choices)) if told else plan

    def _is_worth(self, some: Nodes, more: Nodes) -> bool:
        """Whether the views that the plan without `more` lacks are worth what they tell."""
        longer, as_long = _WORTH
        return some == more or self._time_us(more) * as_long >= self._time_us(some) * longer

    def _told(self, unseen: Nodes, node: Node, seers: tuple[str, ...]) -> Choice:
        costs, would_cost = self._cost(unseen), self._cost(unseen ^ {node})
        seen, nobody = f"keys that {', '.join(seers)} may see", "keys that nobody sees"
        if node in unseen:
            return Choice(_part(node), nobody, costs, seen, would_cost, "a view has to save a fifth of the time")
        return Choice(_part(node), seen, costs, nobody, would_cost, "the view saves a fifth of the time, or more")

    def _best(self, unseen: Nodes) -> Plan:
        """Return the cheaper of the plans that compare pairs and that aggregate a side of a join before it."""
        if unseen not in self._made:
            seen = frozenset(node for node, _ in self.views) - unseen
            run = self.aggregated(lambda node: seen.isdisjoint(nodes_in(node)))
            plan = self.plan_of(self.query, unseen)
            self._made[unseen] = plan if run is self.query else _cheaper(self.plan_of(run, unseen), plan)
        return self._made[unseen]

    def _cost(self, unseen: Nodes) -> Price:
        return price_of(self._best(unseen))

    def _time_us(self, unseen: Nodes) -> int:
        return time_us(self._cost(unseen))


def _cheaper(aggregated: Plan, paired: Plan) -> Plan:
    """Return one of two plans, with what the other would have cost."""
    before, of_pairs = "one side aggregated before", "all pairs compared"
    price, other = price_of(aggregated), price_of(paired)
    if time_us(price) <= time_us(other):
        return replace(aggregated, choices=(Choice(_PAIRS, before, price, of_pairs, other, _TAKES_LESS),))
    return replace(paired, choices=(Choice(_PAIRS, of_pairs, other, before, price, _TAKES_LESS),))


_PAIRS, _TAKES_LESS = "joins by keys that repeat on both sides", "it takes less time"


def _part(node: Node) -> str:
    match node:
        case Join(on=on):
            return f"join on {' and '.join(f'{left} = {right}' for left, right in on)}"
        case Aggregate(keys=keys):
            return f"grouping by {', '.join(keys)}"
    raise AssertionError("only joins and groupings have keys")
