"""Between what the values of a relation's columns lie: by bounds, by what aggregates make of them, by comparisons with others.

`days <= age AND age < 2` leaves two values of days as `days < 2` does, and so does HAVING MAX(days) < 2 of each person's days.
"""

import datetime
import decimal
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from conclave.ir.expressions import Arithmetic, Cast, Column, Compare, Expression, Literal, names_in
from conclave.ir.nodes import Aggregate, Filter, Join, Limit, Node, Project, Sort
from policy.composed import Composition
from policy.domain import ANY, Domain
from policy.mean import without_casts
from policy.multiples import shifts
from policy.narrowed import Bounds, exact

_WITHIN = ("min", "max", "avg", "quantile_cont", "quantile_disc")  # which lie where what they are of does
_MOST_ROUNDS = 20


@dataclass(frozen=True)
class Span:
    """From where to where values lie, dates by their days; None: no end."""

    low: Fraction | None = None
    high: Fraction | None = None

    def meet(self, other: "Span") -> "Span":
        """Return what lies within both."""
        lows, highs = (
            [each for each in pair if each is not None] for pair in ((self.low, other.low), (self.high, other.high))
        )
        return Span(max(lows, default=None), min(highs, default=None))

    def times(self, factor: Fraction) -> "Span":
        """Return all values times a factor other than 0."""
        ends = (None if self.low is None else self.low * factor), (None if self.high is None else self.high * factor)
        return Span(*ends) if factor > 0 else Span(ends[1], ends[0])

    def plus(self, other: "Span") -> "Span":
        """Return the sums of both's values."""
        ends = ((self.low, other.low), (self.high, other.high))
        low, high = (None if a is None or b is None else a + b for a, b in ends)
        return Span(low, high)


@dataclass(frozen=True)
class Link:
    """A comparison of columns: the sum of their values, each times its factor, has to lie within a span."""

    factors: Mapping[str, Fraction]  # by what the columns go by
    within: Span

    @property
    def is_equality(self) -> bool:
        """Whether one of two columns follows from the other."""
        return self.within.low is not None and self.within.low == self.within.high and len(self.factors) == 2

    def left_of(self, name: str, spans: Mapping[str, Span]) -> Span:
        """Return where a column's values lie, by where the others' do."""
        left = self.within
        for other, factor in self.factors.items():
            if other != name:
                left = left.plus(spans.get(other, Span()).times(-factor))
        return left.times(1 / self.factors[name])


def link(condition: Expression) -> Link | None:
    """Return a condition as a link of columns, by their names, if it compares them up to constants; else None."""
    if not isinstance(condition, Compare) or not (shifts(condition.left) and shifts(condition.right)):
        return None
    left, right = _linear(condition.left), _linear(condition.right)
    if left is None or right is None:
        return None
    factors = {name: left[0].get(name, 0) - right[0].get(name, 0) for name in sorted(names_in(condition))}
    constant = right[1] - left[1]
    low, high = condition.operator in (">", ">=", "="), condition.operator in ("<", "<=", "=")
    within = Span(constant if low else None, constant if high else None)
    return Link({name: Fraction(factor) for name, factor in factors.items() if factor}, within)


def tightened(spans: Mapping[str, Span], links: Iterable[Link]) -> dict[str, Span]:
    """Return where columns' values lie once all links hold."""
    found, links = dict(spans), list(links)
    for _ in range(_MOST_ROUNDS):
        before = dict(found)
        for each in links:
            for name in each.factors:
                found[name] = found.get(name, Span()).meet(each.left_of(name, found))
        if found == before:
            break
    return found


def span_of_domain(domain: Domain) -> Span:
    """Return from where to where a domain's values lie."""
    if domain.only is not None:
        places = [place(value) for value in domain.only if _is_end(value)]
        return Span(min(places), max(places)) if places and len(places) == len(domain.only) else Span()
    return Span(*(place(value) if _is_end(value) else None for value in (domain.low, domain.high)))


def place(value: Any) -> Fraction:
    """Return a number, or a date as one."""
    return Fraction(value.toordinal()) if isinstance(value, datetime.date) else exact(value)


def _is_end(value: Any) -> bool:
    is_number = isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool)
    return isinstance(value, datetime.date) or (is_number and math.isfinite(value))


def _linear(expression: Expression) -> tuple[dict[str, int], Fraction] | None:
    match expression:
        case Column(name):
            return {name: 1}, Fraction(0)
        case Literal(value):
            return ({}, place(value)) if _is_end(value) else None
        case Cast(operand):
            return _linear(operand)
        case Arithmetic(operator, left, right):
            one, other = _linear(left), _linear(right)
            if one is None or other is None:
                return None
            sign = -1 if operator == "-" else 1
            factors = {name: one[0].get(name, 0) + sign * other[0].get(name, 0) for name in {**one[0], **other[0]}}
            return factors, one[1] + sign * other[1]
    return None


@dataclass
class Limits:
    """Knows between what a query's columns lie, whatever it asks of them."""

    bounds: Bounds
    composition: Composition
    _done: dict[tuple[int, str], Domain] = field(default_factory=dict)  # by the id of a node of one query

    def of(self, node: Node, name: str) -> Domain:
        """Return between what the values of a relation's column lie."""
        if (id(node), name) not in self._done:
            self._done[id(node), name] = self._of(node, name)
        return self._done[id(node), name]

    def _of(self, node: Node, name: str) -> Domain:
        made = self.composition.made(node, name)
        if made.is_plain:
            bounds = [self.bounds.get(column) for column in made.of]
            known = [each for each in bounds if each is not None]
            if len(known) < len(bounds) or not known:
                return ANY
            return Domain(low=min(low for low, _ in known), high=max(high for _, high in known))
        match node:
            case Filter(source) | Sort(source) | Limit(source):
                return self.of(source, name)
            case Project(source, outputs):
                bare = without_casts(next(output.expression for output in outputs if output.name == name))
                return self.of(source, bare.name) if isinstance(bare, Column) else ANY
            case Join(left, right):
                return self.of(left if name in {f.name for f in left.schema} else right, name)
            case Aggregate(source, keys, outputs):
                return (
                    self.of(source, name)
                    if name in keys
                    else self._total(source, next(o for o in outputs if o.name == name))
                )
        return ANY

    def _total(self, source: Node, output: Any) -> Domain:
        if output.function == "count":
            return Domain(low=1 if output.over is None else 0)
        within = self.of(source, output.over) if output.over is not None else ANY
        if output.function in _WITHIN:
            return within
        if output.function == "sum":  # of one value at least
            is_up, is_down = within.low is not None and within.low >= 0, within.high is not None and within.high <= 0
            return Domain(low=within.low if is_up else None, high=within.high if is_down else None)
        return ANY
