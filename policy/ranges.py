"""What looking at sizes tells: one bit at the end of a run, which a minimum of subjects is to stand behind as well.

Whether a single row's number outgrows its word is a fact about that row, and an author can make it any fact: a factor
that is huge for one person alone. So under a minimum nothing may be looked at before rows have become groups that were
held to it; numbers of such groups may.
"""

from collections.abc import Iterable, Iterator, Mapping

from conclave.ir.nodes import Node, Scan
from conclave.ir.noise import Noise
from conclave.ir.walk import children
from conclave.plan.steps import MpcStep, Plan
from policy.document import Policy
from policy.faithful import tables_made
from policy.minimum import refusals_of
from policy.verdict import Reason

# How a run ends, all its members see. No party has such a name, so nobody's rows pass for the reader's own.
_TOLD = "every member"
_FIX = (
    "compute it of groups, or of numbers that cannot outgrow a word: of a narrower type, or with `bounds` in the policy"
)


def check_ranges(plan: Plan, policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield what looking at sizes would tell of too few, and a plan that looks without saying so."""
    steps = [step for step in plan.steps if isinstance(step, MpcStep) and step.checked is not None]
    if not steps:
        return
    if not any(disclosure.kind == "range_check" for disclosure in plan.disclosures):
        what = "the plan looks at how large numbers are, and does not list it"
        yield Reason("unknown-disclosure", "", what, "this is a fault of the compiler: report it, with the query")
    tables, refused = tables_made(plan), set[str]()
    for step in steps:
        assert step.checked is not None
        node = tables.get(step.name)
        if node is None:
            continue  # the steps do not fit together, which is refused elsewhere
        why = f"whether a number in {step.name} outgrows its word, seen in rows that are not counted"
        looked_at = children(node) if step.checked.is_by_row else (node,)
        yield from _without_noise(looked_at, policies)
        for source in looked_at:
            for reason in refusals_of(source, policies, _TOLD, why, _FIX):
                if reason.dataset not in refused:
                    refused.add(reason.dataset)
                    yield reason


def _without_noise(looked_at: Iterable[Node], policies: Mapping[str, Policy]) -> Iterator[Reason]:
    """Yield a refusal for each dataset that asks for noise, if sizes are looked at before there is any on them."""
    for dataset in sorted({name for node in looked_at for name in _read_plainly(node)}):
        policy = policies.get(dataset)
        if policy is not None and policy.spec.noise is not None:
            what = f"whether numbers computed of {dataset} outgrow their words would be told without noise"
            yield Reason("noise-not-met", dataset, what, _FIX)


def _read_plainly(node: Node) -> Iterator[str]:
    match node:
        case Noise():
            return
        case Scan(dataset=dataset):
            yield dataset
    for child in children(node):
        yield from _read_plainly(child)
