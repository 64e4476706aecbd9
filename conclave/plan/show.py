"""A plan as text: which step runs where, and what each party learns. Deterministic, so it can be reviewed and diffed."""

import decimal
import textwrap
from collections.abc import Mapping
from types import MappingProxyType
from typing import assert_never

from conclave.ir.nodes import Aggregate, Input, Join, field_of
from conclave.ir.noise import Noise, Noised, deviation
from conclave.ir.show import show_node
from conclave.ir.types import Decimal
from conclave.ir.walk import nodes_in
from conclave.mpc.costs import Cost
from conclave.plan.steps import (
    Choice,
    Disclosure,
    LocalStep,
    MpcStep,
    Plan,
    Price,
    RevealStep,
    SendStep,
    ShareStep,
    Step,
)
from conclave.plan.tariff import time_us

_WIDTH = 22  # of where steps run, unless a party's name is longer


def show_plan(
    plan: Plan,
    costs: Mapping[str, Cost],
    multiples: Mapping[str, int] = MappingProxyType({}),
    n_rows: int | None = None,
) -> str:
    """Return the steps of a plan with the estimated cost of each, then what each party learns.

    Costs are for `n_rows` of each owner, if that is known; `multiples` as for `learned`.
    """
    lines = ["steps"]
    described = [(step, *describe(step, plan)) for step in plan.steps]
    width = max((_WIDTH, *(len(where) for _, where, _ in described)))
    for step, where, what in described:
        cost = costs.get(step.name, Cost(0, 0))
        price = f"  ~{cost.rounds} rounds, {size(cost.bytes_sent)}" if cost.rounds or cost.bytes_sent else ""
        first, *rest = what.splitlines()
        lines.append(f"  {step.name:<4} {where:<{width}} {first}{price}")
        lines += [f"  {'':<4} {'':<{width}} {line}" for line in rest]
    if n_rows is not None and any(cost.rounds for cost in costs.values()):
        lines += ["", f"costs are one party's, if each owner puts {n_rows} rows into MPC"]
    if plan.choices:
        lines += ["", "chosen by estimated cost, with as many rows as owners declare at most"]
        lines += [f"  {line}" for choice in plan.choices for line in told_of(choice)]
    lines += ["", "what each party learns"]
    for party, facts in sorted(learned(plan, multiples).items()):
        for index, fact in enumerate(facts):
            lines.append(f"  {party if index == 0 else '':<12} {fact}")
    return "\n".join(lines) + "\n"


def told_of(choice: Choice) -> tuple[str, str]:
    """Return what was taken, and what was left out for it, with what the run would cost either way.

    >>> left_out = Choice("join on a = b", "keys that nobody sees", Price(80, 4000), "all pairs compared", Price(6, 10**7), "")
    >>> told_of(left_out)[0]
    'join on a = b: keys that nobody sees, ~80 rounds, 4.0 kB, 0.04 s in all'
    """
    taken = f"{choice.part}: {choice.taken}, {_price(choice.costs)} in all"
    return taken, f"  left out: {choice.left_out}, {_price(choice.would_cost)}; {choice.why}"


def _price(price: Price) -> str:
    return f"~{price.rounds} rounds, {size(price.size_bytes)}, {_digits(time_us(price) / 1e6, 2)} s"


def learned(plan: Plan, multiples: Mapping[str, int] = MappingProxyType({})) -> dict[str, tuple[str, ...]]:
    """Return what each party learns, as sentences. A party that learns nothing is not in it.

    Owners say how many rows there are as `multiples` of these, by dataset: policies decide that, not the plan.
    """
    parties = sorted({name for disclosure in plan.disclosures for name in disclosure.to})
    return {party: _sentences(party, plan, multiples) for party in parties}


def _sentences(party: str, plan: Plan, multiples: Mapping[str, int]) -> tuple[str, ...]:
    datasets: list[str] = []
    shared: list[str] = []
    others: list[str] = []
    shares = {step.name: step for step in plan.steps if isinstance(step, ShareStep)}
    for disclosure in plan.disclosures:
        if party not in disclosure.to:
            continue
        match disclosure.kind:
            case "answer":
                others.append(f"the answer: {', '.join(disclosure.columns)}")
                others += _suppressed(plan)
            case "table_size":
                others.append(f"how many rows {disclosure.subject} has, those that do not exist included")
            case "key_check":
                columns = _and(list(disclosure.columns))
                others.append(f"that {columns} ({disclosure.step}) tells all owners' rows apart, as they declare")
            case "match_check":
                others.append(_matches_told(disclosure, plan))
            case "keys":
                others.append(_keys_seen(disclosure, plan))
            case "pairs":
                others.append(f"how many rows {disclosure.subject} has")
            case "minimum_check":
                others.append(f"whether a group in {disclosure.step} has too few subjects, which ends the run")
            case "range_check":
                others.append(f"whether a number computed in {disclosure.subject} is too large, which ends the run")
            case "noise":
                others.append(disclosure.subject)
            case "row_count" if disclosure.step == "offer":
                multiple = multiples.get(disclosure.subject, 1)
                rounded = f" (rounded up to a multiple of {multiple})" if multiple > 1 else ""
                datasets.append(f"{disclosure.subject}{rounded}")
            case "row_count":
                shared.append(f"{disclosure.subject} ({disclosure.step}{_rounded(shares.get(disclosure.step))})")
            case _ as never:
                assert_never(never)
    counts = [f"how many rows {_and(datasets)} {'have' if len(datasets) > 1 else 'has'}"] if datasets else []
    counts += [f"how many rows {_and(shared)} {'put' if len(shared) > 1 else 'puts'} into MPC"] if shared else []
    return (*counts, *others)


def _keys_seen(disclosure: Disclosure, plan: Plan) -> str:
    """Return what is seen of a step's keys. Rows that do not exist, or whose keys are NULL in a join, show only that."""
    columns, step = _and(list(disclosure.columns)), next(s for s in plan.steps if s.name == disclosure.step)
    match step:
        case MpcStep(operator=Join(left, right)):
            of = f"{_and([source.name for source in (left, right) if isinstance(source, Input)])}"
            return f"{columns} of every row of {of} ({step.name}), in random order, and so which of them are equal"
        case MpcStep(operator=Aggregate(Input(source))):
            return f"{columns} of every row of {source} ({step.name}), in random order, and so how many are equal"
    raise AssertionError("only joins and groupings show keys")


def _matches_told(disclosure: Disclosure, plan: Plan) -> str:
    step = next(s for s in plan.steps if s.name == disclosure.step)
    assert isinstance(step, MpcStep)
    assert step.bounded is not None
    columns = _and(list(disclosure.columns))
    return f"whether more than {step.bounded.most} rows agree in {columns} ({step.name}), which ends the run"


def _rounded(step: ShareStep | None) -> str:
    without = ", counted without conditions" if step is not None and step.hides_filters else ""
    return without + (f", rounded up to a multiple of {step.padding}" if step is not None and step.padding > 1 else "")


def _suppressed(plan: Plan) -> list[str]:
    """Return what the answer does not tell, as sentences."""
    guards = sorted({g.least for node in nodes_in(plan.query) if isinstance(node, Aggregate) for g in node.guards})
    return [f"groups under {least} subjects are suppressed" for least in guards]


def noise_of(node: Noise, noised: Noised) -> str:
    """Return how far off a total is by its noise, in its own units.

    >>> from conclave.ir.nodes import AggregateOutput, Scan
    >>> from conclave.ir.types import Field, Integer
    >>> from fractions import Fraction
    >>> stays = Scan("stays", "alpha/stays", "alpha", (Field("ward", Integer()),))
    >>> noised = Noised("n", Fraction(10), Fraction(1, 2))
    >>> noise_of(Noise(Aggregate(stays, (), (AggregateOutput("n", "count", None),)), (), (), (noised,)), noised)
    'n, with noise of a standard deviation of 24.5: three discrete Laplace noises of scale 10, at epsilon 0.5'
    """
    kind = field_of(node, noised.column).type
    unit = 10**kind.scale if isinstance(kind, Decimal) else 1
    spread, scale = _digits(deviation(noised.scale) / unit, 3), _digits(float(noised.scale / unit), 6)
    return (
        f"{noised.column}, with noise of a standard deviation of {spread}: "
        f"three discrete Laplace noises of scale {scale}, at epsilon {_digits(float(noised.epsilon), 6)}"
    )


def _digits(number: float, count: int) -> str:
    """Return a number without an exponent."""
    return f"{decimal.Decimal(f'{number:.{count}g}'):f}"


def _and(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def kind_of(step: Step) -> str:
    """Return the step's kind in one word, as the manifest and the progress lines name it."""
    match step:
        case LocalStep():
            return "local"
        case ShareStep():
            return "share"
        case MpcStep():
            return "mpc"
        case RevealStep():
            return "reveal"
        case SendStep():
            return "send"
        case _ as never:
            assert_never(never)


def parties_of(step: Step, plan: Plan) -> tuple[str, ...]:
    """Return who takes part in a step."""
    compute = plan.mpc.compute if plan.mpc else ()
    match step:
        case LocalStep(party=party):
            return (party,)
        case ShareStep(party=party):
            return tuple(sorted({party, *compute}))
        case MpcStep():
            return compute
        case RevealStep(recipients=recipients):
            return tuple(sorted({*compute, *recipients}))
        case SendStep(party=party, recipients=recipients):
            return tuple(sorted({party, *recipients}))
        case _ as never:
            assert_never(never)


def describe(step: Step, plan: Plan) -> tuple[str, str]:
    """Return where a step runs, and what it does there."""
    match step:
        case LocalStep(_, party, _, sql):
            return f"{party}, in the clear", textwrap.dedent(sql).strip()
        case ShareStep(_, party, source, schema, padding=multiple, hides_filters=hides):
            columns = ", ".join(f.name for f in schema)
            upto = [
                *(["as many as without conditions"] if hides else []),
                *([f"a multiple of {multiple}"] * (multiple > 1)),
            ]
            padded = f", with rows that do not exist up to {' and '.join(upto)}" if upto else ""
            ordered = f", ordered by {', '.join(step.order)}" if step.order else ""
            return f"{party}", f"secret-share {source} ({columns}){ordered}{padded}"
        case MpcStep(_, operator):
            most = f", up to {step.bounded.most} rows of a key on the {step.bounded.side}" if step.bounded else ""
            seen = f", by keys that {', '.join(step.seen_by)} may see" if step.seen_by else ""
            dropped = ", then drop rows that do not exist, and tell how many are left" if step.is_compacted else ""
            return _mpc(plan), show_node(operator) + most + _not_sorted(step) + _merged(step) + seen + dropped
        case RevealStep(_, source, recipients, schema):
            of = "" if schema == plan.answer else f" ({', '.join(f.name for f in schema)})"
            return _mpc(plan), f"open {source}{of}, rows shuffled, to {', '.join(recipients)}"
        case SendStep(_, party, source, recipients):
            return f"{party}", f"send {source} to {', '.join(recipients)}"
        case _ as never:
            assert_never(never)


def _not_sorted(step: MpcStep) -> str:
    """Return what the step need not sort, see `facts`."""
    match step.in_order:
        case "all":
            return ", sorted already"
        case "existing":
            return ", sorted already but for rows that do not exist"
    return f", sorted by {', '.join(step.sorts_by)} alone" if step.sorts_by else ""


def _merged(step: MpcStep) -> str:
    """Return which owners' order the step makes use of, see `runs`."""
    return f", merging {', '.join(step.merges)} where that is faster than sorting" if step.merges else ""


def _mpc(plan: Plan) -> str:
    return "MPC" if plan.mpc is None or plan.mpc.protocol == "replicated3" else f"MPC, {plan.mpc.protocol}"


def size(size_bytes: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"
