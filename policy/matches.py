"""What a join tells of the side whose keys were said to come no more than so often: whether one of them does.

Theory. It is checked under MPC, and the run ends for all if a key comes more often; so all members learn it. The number is
the author's, who could ask again with another one, of rows that the query picks: one bit each, and no owner has said a
word of it. So whatever decides the bit has to be granted as for keys that owners declare; and where an owner asks for a
minimum of subjects no such bit is told of its rows, be they all of a table, since one subject's rows decide it. Noise
keeps to nothing of it either (`conclave.plan.sensitivity` refuses it).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conclave.ir.nodes import Join, Node
from conclave.ir.show import show_node
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
class Checked:
    """The rows that are checked, their keys, and in how many of them a key is to come at most."""

    join: Join
    side: Node
    keys: tuple[str, ...]
    most: int

    @property
    def told(self) -> str:
        """What is told, in words."""
        return f"whether more than {self.most} rows agree in {', '.join(self.keys)}"


def checked_matches(plan: Plan) -> Iterator[Checked]:
    """Yield what each step checks that is a join; `policy.steps` refuses others."""
    made = tables_made(plan)
    for step in plan.steps:
        join = made.get(step.name)
        if isinstance(step, MpcStep) and step.bounded is not None and isinstance(join, Join):
            is_right = step.bounded.side == "right"
            keys = tuple(right if is_right else left for left, right in join.on)
            yield Checked(join, join.right if is_right else join.left, keys, step.bounded.most)


def check_matches(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each policy whose minimum would not stand behind what all members are told."""
    for checked in checked_matches(plan):
        why = f"{checked.told} is checked before {show_node(checked.join)}, and ends the run"
        fix = (
            "take the table out of spec.mpc.mostMatches: the join then compares all pairs, where they are not too many; "
            "or group that side first, so that each key comes once"
        )
        yield from refusals_of(checked.side, policies, "every member", why, fix)


def uses_of(checked: Checked, personal: Personal, policies: Mapping[str, Policy]) -> tuple[Use, ...]:
    """Return what decides the bit: which rows there are, and their keys."""
    side = trace(checked.side, personal, rules_of(policies))
    step = f"checked to come at most {checked.most} times"
    keys = (influences_of(side.values[key], "join_key", step, checked.join.at) for key in checked.keys)
    return merged(side.influences, *keys)
