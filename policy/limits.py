"""Limits across runs: how many, how much noise's budget, until when. Pure: what was spent and the time are told.

Whoever asks must have written down what it is about to spend before it counts; see `worker.ledger`.
"""

import datetime
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction

from pydantic import TypeAdapter, ValidationError

from policy.document import Limits, Policy

_DURATION: TypeAdapter[datetime.timedelta] = TypeAdapter(datetime.timedelta)
_FIELDS = ("spec", "limits")
_NEVER = datetime.datetime.min.replace(tzinfo=datetime.UTC)  # before all runs


@dataclass(frozen=True)
class Spent:
    """What one run has spent."""

    at: datetime.datetime
    epsilon: float = 0


@dataclass(frozen=True)
class Reached:
    """A limit that leaves nothing to spend. For the owner alone: it tells of others' runs."""

    clause: str
    used: float
    allowed: float
    since: datetime.datetime | None = None  # None: ever
    left: float = 0  # of what is allowed, and less than one more run needs


def period_of(limits: Limits) -> datetime.timedelta | None:
    """Return the time in which runs count; None: they always do. A month has 30 days, a year 365.

    Raises:  ValueError if `per` is no duration of ISO 8601, or none that passes.
    """
    if limits.per is None:
        return None
    try:
        period = _DURATION.validate_python(limits.per) if limits.per.startswith("P") else None
    except ValidationError:
        period = None
    if period is None or period <= datetime.timedelta():
        raise ValueError("no duration")
    return period


def reached(policy: Policy, spent: Collection[Spent], now: datetime.datetime) -> Reached | None:
    """Return the limit that lets no further run be, after those in `spent`; None: there may be one more."""
    limits = policy.spec.limits
    if limits is None:
        return None
    if has_ended(limits, now):
        return Reached("spec.limits.until", 0, 0)
    period = period_of(limits)
    since = None if period is None or period >= now - _NEVER else now - period
    counted = [each for each in spent if counts(limits, each.at, now)]
    if limits.runs is not None and len(counted) >= limits.runs:
        return Reached("spec.limits.runs", len(counted), limits.runs, since)
    if limits.epsilon is not None:
        used, allowed = sum((exact(each.epsilon) for each in counted), Fraction(0)), exact(limits.epsilon)
        if used + exact(epsilon_of(policy)) > allowed:
            left = float(max(allowed - used, Fraction(0)))
            return Reached("spec.limits.epsilon", float(used), limits.epsilon, since, left)
    return None


def exact(epsilon: float) -> Fraction:
    """Return the number that was written, and not the double next to it: ten times 0.1 is 1.

    >>> sum([exact(0.1)] * 10) == exact(1.0)
    True
    """
    return Fraction(repr(epsilon))


def decimal_of(number: Fraction) -> str:
    """Return a number as people write it.

    >>> decimal_of(Fraction(1, 2)), decimal_of(Fraction(3))
    ('0.5', '3')
    """
    return f"{float(number):.6g}"


def counts(limits: Limits, at: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether what was spent at a moment still counts."""
    period = period_of(limits)
    return period is None or now - at < period


def has_ended(limits: Limits, now: datetime.datetime) -> bool:
    """Whether the last day, as it is in UTC, is over."""
    return limits.until is not None and now.astimezone(datetime.UTC).date() > datetime.date.fromisoformat(limits.until)


def epsilon_of(policy: Policy) -> float:
    """Return what one run spends."""
    return policy.spec.noise.epsilon if policy.spec.noise is not None else 0.0


def limit_problems(policy: Policy) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield what is wrong with a policy's limits: the field, what, and what to do."""
    limits = policy.spec.limits
    if limits is None:
        return
    if (limits.runs, limits.epsilon, limits.until, limits.per) == (None, None, None, None):
        yield _FIELDS, "limits nothing", "write runs, epsilon or until; or leave limits out"
    try:
        if period_of(limits) is not None and limits.runs is None and limits.epsilon is None:
            yield (*_FIELDS, "per"), "is the period of nothing", "write how many runs there may be in it"
    except ValueError:
        yield (*_FIELDS, "per"), "is no ISO 8601 duration", "write P30D for thirty days"
    if limits.until is not None and not _is_date(limits.until):
        yield (*_FIELDS, "until"), "is no date", "write YYYY-MM-DD"
    if limits.epsilon is not None and policy.spec.noise is None:
        what = "limits what is spent on noise, and the policy asks for none"
        yield (*_FIELDS, "epsilon"), what, "write spec.noise, or leave it out"


def _is_date(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True
