"""What policies ask for that the compiler can build into a plan: minimum subjects, bounds, padding, noise."""

import datetime
import decimal
import math
from collections.abc import Iterator, Mapping

from conclave.ir.expressions import Literal
from conclave.ir.guard import Clamp, Listed, NoiseAsked, Protection, rounded_up
from conclave.ir.types import Boolean, Date, Decimal, Double, Integer, Type, Varchar, parse_type
from conclave.ir.words import word_of
from policy.document import Policy, PolicyColumn, PolicySpec
from policy.limits import decimal_of, exact
from policy.verdict import Obligation

ROWS_OF_EACH = (
    10  # by how many rows for each subject of a minimum numbers of rows are rounded, if no padding is asked for
)


def protections_of(policies: Mapping[str, Policy]) -> dict[str, Protection]:
    """Return, by dataset, what its policy asks for.

    A policy without a minimum says whom its rows are about all the same: they count for those of others.
    """
    return {dataset: _protection(policy.spec) for dataset, policy in sorted(policies.items())}


def clamp_of(name: str, column: PolicyColumn) -> Clamp | None:
    """Return the bounds of a column, as values of its type; None if it has none that can hold.

    Bounds that lie between two values of the type count as the value within them.
    """
    kind = parse_type(column.type)
    if column.bounds is None or not all(map(math.isfinite, column.bounds)):
        return None
    low, high = (_value(bound, kind, up) for bound, up in zip(column.bounds, (True, False), strict=True))
    if low is None or high is None or low > high:
        return None
    return Clamp(name, Literal(low, kind), Literal(high, kind))


def padding_clause(policy: Policy) -> str:
    """Return which clause asks for numbers of rows to be rounded up."""
    return "spec.padding.rows" if policy.spec.padding is not None else "spec.minimum.subjects"


def obligations_of(policies: Mapping[str, Policy]) -> Iterator[Obligation]:
    """Yield what each policy asks for, in words."""
    for dataset, protection in protections_of(policies).items():
        for clamp in protection.clamps:
            what = f"{clamp.column} counts as {clamp.low.value} at least and {clamp.high.value} at most"
            yield Obligation(dataset, f"spec.columns.{clamp.column}.bounds", what)
        if protection.has_minimum:
            least, ends = protection.least, protection.ends_run
            told = "end the run" if ends else "are suppressed"
            yield Obligation(dataset, "spec.minimum.subjects", f"groups under {least} subjects {told}")
        if protection.padding > 1:
            what = f"the number of rows put into MPC is rounded up to a multiple of {protection.padding}"
            yield Obligation(dataset, padding_clause(policies[dataset]), what)
        for listed in protection.listed:
            what = f"rows in which {listed.column} is none of the {len(listed.values)} listed values are not read"
            yield Obligation(dataset, f"spec.columns.{listed.column}.values", what)
        if protection.noise is not None:
            yield from _noise_obligations(dataset, protection.noise)


def _noise_obligations(dataset: str, noise: NoiseAsked) -> Iterator[Obligation]:
    of = "row" if noise.subject is None else noise.subject
    yield Obligation(dataset, "spec.noise.epsilon", f"a run spends epsilon {decimal_of(noise.epsilon)} on each {of}")
    if noise.subject is not None:
        rows = "1 row" if noise.most_rows == 1 else f"{noise.most_rows} rows"
        yield Obligation(dataset, "spec.noise.rows", f"{rows} at most of each {noise.subject} are read")


def _protection(spec: PolicySpec) -> Protection:
    subjects = tuple(name for name, column in spec.columns.items() if column.subject)
    minimum = spec.minimum
    return Protection(
        subjects=subjects,
        least=minimum.subjects if minimum else 0,
        ends_run=minimum is not None and minimum.otherwise == "reject",
        clamps=tuple(clamp for name, column in spec.columns.items() if (clamp := clamp_of(name, column))),
        padding=_padding(spec),
        listed=tuple(each for name, column in spec.columns.items() if (each := listed_of(name, column))),
        noise=_noise_asked(spec),
    )


def told_rows(policy: Policy, n_rows: int) -> int:
    """Return how many rows others are told that there are: as many as are put into MPC at most, rounded up alike."""
    return rounded_up(n_rows, _padding(policy.spec))


def told_multiples(policies: Mapping[str, Policy]) -> dict[str, int]:
    """Return what the numbers of rows that others are told are multiples of, by dataset."""
    return {dataset: _padding(policy.spec) for dataset, policy in policies.items()}


def _padding(spec: PolicySpec) -> int:
    """Return what numbers of rows are rounded up to a multiple of.

    Under a minimum the number of all rows would be one to take others from: of all but those of one subject, say.
    """
    if spec.padding is not None:
        return spec.padding.rows
    return ROWS_OF_EACH * spec.minimum.subjects if spec.minimum is not None and spec.minimum.subjects > 1 else 1


def listed_of(name: str, column: PolicyColumn) -> Listed | None:
    """Return the values of a column that may be told, as values of its type; None if it lists none.

    Raises:  TypeProblem, ValueError if one is no value of the type.
    """
    if column.values is None:
        return None
    kind = parse_type(column.type)
    return Listed(name, tuple(Literal(_listed_value(value, kind), kind) for value in column.values))


def _noise_asked(spec: PolicySpec) -> NoiseAsked | None:
    if spec.noise is None:
        return None
    if spec.noise.unit == "row":
        return NoiseAsked(exact(spec.noise.epsilon), None)
    subject = next((name for name, column in spec.columns.items() if column.subject), None)
    return NoiseAsked(exact(spec.noise.epsilon), subject, spec.noise.rows or 1)


def _listed_value(value: bool | int | str, kind: Type) -> bool | int | str | datetime.date:
    match kind:
        case Boolean() if isinstance(value, bool):
            return value
        case Integer() if isinstance(value, int) and not isinstance(value, bool):
            word_of(value, kind)
            if not -(1 << (kind.bits - 1)) <= value < 1 << (kind.bits - 1):
                raise ValueError
            return value
        case Varchar() if isinstance(value, str) and "\0" not in value:
            word_of(value, kind)
            return value
        case Date() if isinstance(value, str):
            return datetime.date.fromisoformat(value)
    raise ValueError


def _value(bound: float, kind: Type, up: bool) -> int | float | decimal.Decimal | None:
    match kind:
        case Integer(bits):
            size = 1 << (bits - 1)
            return min(max(math.ceil(bound) if up else math.floor(bound), -size), size - 1)
        case Decimal(precision, scale):
            rounding = decimal.ROUND_CEILING if up else decimal.ROUND_FLOOR
            unit = decimal.Decimal(1).scaleb(-scale)
            with decimal.localcontext(prec=400):
                most = decimal.Decimal(10**precision - 1) * unit
                exact = decimal.Decimal(repr(bound)).quantize(unit, rounding)
                return max(-most, min(most, exact))
        case Double():
            return float(bound)
    return None
