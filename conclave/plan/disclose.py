"""What the steps of a plan disclose: who learns of which table's rows, keys and sizes, and of the answer."""

from collections.abc import Iterable, Iterator

from conclave.ir.nodes import Aggregate, Collect, Join
from conclave.ir.noise import Noise
from conclave.ir.types import Schema
from conclave.ir.walk import scans_in
from conclave.plan.cleartext import who_counts
from conclave.plan.show import noise_of
from conclave.plan.steps import (
    Bounded,
    Disclosure,
    LocalStep,
    MpcSetting,
    MpcStep,
    RevealStep,
    SendStep,
    ShareStep,
    Step,
)


def disclosures(root: Collect, steps: tuple[Step, ...], setting: MpcSetting) -> tuple[Disclosure, ...]:
    """Return what the steps of a query disclose, beside shares and shuffled permutations."""
    found: list[Disclosure] = []
    owners = {scan.owner for scan in scans_in(root)}
    uses_mpc = any(isinstance(step, MpcStep | RevealStep) for step in steps)
    members = sorted(owners | set(root.recipients) | set(setting.compute if uses_mpc else ()))
    for scan in sorted({scan.dataset: scan for scan in scans_in(root)}.values(), key=lambda scan: scan.dataset):
        others = tuple(name for name in members if name != scan.owner)
        if others:
            found.append(Disclosure(others, "row_count", "offer", scan.dataset))
    for step in steps:
        match step:
            case ShareStep(name, party):
                others = tuple(sorted(compute for compute in setting.compute if compute != party))
                found.append(Disclosure(others, "row_count", name, party))
            case RevealStep(name, source, recipients):  # what it opens follows from the answer
                outside = tuple(recipient for recipient in recipients if recipient not in setting.compute)
                if outside:
                    found.append(Disclosure(outside, "table_size", name, source))
                found.append(Disclosure(recipients, "answer", name, "answer", _names(root.schema)))
            case SendStep(name, _, _, recipients, schema):
                found.append(Disclosure(recipients, "answer", name, "answer", _names(schema)))
            case MpcStep(name, Aggregate(guards=guards)) if any(guard.ends_run for guard in guards):
                found.append(Disclosure(tuple(sorted(setting.compute)), "minimum_check", name, name))
            case MpcStep(name, Noise() as noise):
                told = ((each.column, noise_of(noise, each)) for each in noise.columns)
                found += (Disclosure(root.recipients, "noise", name, text, (column,)) for column, text in told)
            case MpcStep(name, Join(on=on), side, True):
                columns = tuple(right if side == "right" else left for left, right in on)
                found.append(Disclosure(tuple(sorted(setting.compute)), "key_check", name, name, columns))
            case MpcStep(bounded=Bounded()):
                found += match_checks(step, members)
            case LocalStep() | MpcStep():
                pass
        if isinstance(step, MpcStep):
            found += seen_of(step, setting, members)
    if not any(found_one.kind == "answer" for found_one in found):
        found.append(Disclosure(root.recipients, "answer", steps[-1].name, "answer", _names(root.schema)))
    return tuple(found)


def seen_of(step: MpcStep, setting: MpcSetting, members: Iterable[str]) -> Iterator[Disclosure]:
    """Yield what a step by keys that somebody sees discloses, and how many rows it makes where that is told."""
    if step.seen_by:
        yield Disclosure(tuple(sorted(step.seen_by)), "keys", step.name, step.name, _keys_of(step))
    if counting := who_counts(step, setting.compute, members):
        yield Disclosure(counting, "pairs", step.name, step.name)


def match_checks(step: MpcStep, members: Iterable[str]) -> Iterator[Disclosure]:
    """Yield that a step tells whether a key comes more often than was said: how a run ends, all members see."""
    if step.bounded is not None and isinstance(step.operator, Join):
        columns = tuple(right if step.bounded.side == "right" else left for left, right in step.operator.on)
        yield Disclosure(tuple(sorted(members)), "match_check", step.name, step.name, columns)


def _keys_of(step: MpcStep) -> tuple[str, ...]:
    match step.operator:
        case Join(on=on):
            return (*(left for left, _ in on), *(right for _, right in on))
        case Aggregate(keys=keys):
            return keys
    raise AssertionError("only joins and groupings have keys")


def _names(schema: Schema) -> tuple[str, ...]:
    return tuple(f.name for f in schema)
