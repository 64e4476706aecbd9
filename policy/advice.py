"""What a sound policy says in vain: nothing is wrong with it, and its owner hardly means it."""

import datetime
from collections.abc import Iterator
from typing import get_args

from conclave.ir.types import is_numeric, parse_type
from conclave.plan.steps import Protocol
from policy.document import Policy
from policy.limits import has_ended
from policy.load import load_with_lines
from policy.nearest import did_you_mean
from policy.problem import Path, Problem

PROTOCOLS = get_args(Protocol)
_OF_NUMBERS = frozenset({"sum", "mean", "variance"})


def advice(text: str, file: str, now: datetime.datetime) -> tuple[Problem, ...]:
    """Return what the sound policy in `text` says that no run can ever make use of.

    None of it is an error: a protocol that is not known here may be known to a later version, and until then the clause
    refuses, as it has to.
    """
    policy, lines = load_with_lines(text, file, Policy)
    return tuple(lines.problem(path, what, fix) for path, what, fix in _vain(policy, now))


def _vain(policy: Policy, now: datetime.datetime) -> Iterator[tuple[Path, str, str | None]]:
    spec = policy.spec
    for index, name in enumerate(spec.compute.protocols or ()):
        if name not in PROTOCOLS:
            fix = did_you_mean(name, list(PROTOCOLS)) or f"the protocols here are {', '.join(PROTOCOLS)}"
            yield ("spec", "compute", "protocols", index), "no protocol here has this name, so it allows nothing", fix
    if spec.limits is not None and has_ended(spec.limits, now):
        yield ("spec", "limits", "until"), "this day has passed, so every run is refused", "write a later one"
    for index, grant in enumerate(spec.grants):
        for name, capabilities in grant.columns.items():
            for capability in sorted(_OF_NUMBERS & set(capabilities)):
                if not is_numeric(parse_type(spec.columns[name].type)):
                    what = f"{capability} is of numbers, and {name} is {spec.columns[name].type}"
                    yield ("spec", "grants", index, "columns", name), what, "leave it out"
