"""What conditions leave of a dataset's rows: for each term, which values pass. Sound, not complete.

A term is what is compared with constants: a column, or something computed. Whatever is no comparison with a constant is
kept as text, and is only ever equal to itself. So "disjoint" and "within" are said where they are certain, and
otherwise not; a NULL passes no comparison, and has no part in this.
"""

import datetime
import decimal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from conclave.ir.expressions import (
    Column,
    Compare,
    ComparisonOperator,
    Expression,
    Literal,
    Logic,
    Not,
    Value,
    names_in,
)
from conclave.ir.show import show_expression
from conclave.ir.types import Boolean, Date, Double, Integer
from conclave.ir.walk import conjuncts
from policy.mean import without_casts

_FLIPPED: dict[ComparisonOperator, ComparisonOperator] = {
    "=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<=",
}  # fmt: skip
_NEGATED: dict[ComparisonOperator, ComparisonOperator] = {
    "=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<",
}  # fmt: skip
MOST_VALUES = 1000  # of an IN list that is compared value by value


@dataclass(frozen=True)
class Domain:
    """The values of one term that pass."""

    only: frozenset[Any] | None = None  # None: all that lie within the bounds
    never: frozenset[Any] = frozenset()
    low: Any = None
    high: Any = None
    low_passes: bool = True  # whether the bound itself does
    high_passes: bool = True

    @cached_property
    def is_empty(self) -> bool:
        """Whether it is certain that nothing passes."""
        if self.only is not None:
            return not any(self.passes(value) for value in self.only)
        if self.low is None or self.high is None:
            return False
        if self.low == self.high:
            return not (self.low_passes and self.high_passes) or self.low in self.never
        return bool(self.low > self.high)

    def passes(self, value: Any) -> bool:
        """Whether a value does."""
        if value in self.never or (self.only is not None and value not in self.only):
            return False
        if self.low is not None and not (value > self.low or (self.low_passes and value == self.low)):
            return False
        return self.high is None or value < self.high or (self.high_passes and value == self.high)

    def meet(self, other: "Domain") -> "Domain":
        """Return what passes both."""
        only = [each for each in (self.only, other.only) if each is not None]
        low, low_passes = _tighter(self.low, self.low_passes, other.low, other.low_passes, is_low=True)
        high, high_passes = _tighter(self.high, self.high_passes, other.high, other.high_passes, is_low=False)
        both = frozenset.intersection(*only) if only else None
        return Domain(both, self.never | other.never, low, high, low_passes, high_passes)

    def is_within(self, other: "Domain") -> bool:
        """Whether it is certain that whatever passes this passes the other."""
        if self.is_empty:
            return True
        if self.only is not None:
            return all(other.passes(value) for value in self.only if self.passes(value))
        if other.only is not None:
            return False
        is_above = other.low is None or (
            self.low is not None
            and (self.low > other.low or (self.low == other.low and (other.low_passes or not self.low_passes)))
        )
        is_below = other.high is None or (
            self.high is not None
            and (self.high < other.high or (self.high == other.high and (other.high_passes or not self.high_passes)))
        )
        return is_above and is_below and not any(self.passes(value) for value in other.never)


ANY = Domain()


Term = tuple[str, str]  # its text, and the kind of values that it is compared with


@dataclass(frozen=True)
class Comparison:
    """A term beside a constant."""

    term: Expression
    operator: ComparisonOperator
    value: Value
    kind: str  # values of different kinds are not held against one another

    @property
    def key(self) -> Term:
        """What makes two terms the same."""
        return show_expression(self.term), self.kind


@dataclass(frozen=True)
class Passed:
    """What some rows have passed: all of it."""

    domains: Mapping[Term, Domain] = field(default_factory=dict)
    others: frozenset[tuple[str, str]] = frozenset()  # conditions as text, each with its negation
    columns: frozenset[str] = frozenset()  # that all of these read

    @property
    def fixed(self) -> frozenset[str]:
        """The terms that have one value in all of these rows."""
        return frozenset(term for (term, _), domain in self.domains.items() if domain.only and len(domain.only) == 1)

    def is_disjoint_from(self, other: "Passed") -> bool:
        """Whether it is certain that no row passes both."""
        if any(domain.meet(other.domains.get(term, ANY)).is_empty for term, domain in self.domains.items()):
            return True
        negated = {negation for _, negation in other.others}
        if any(text in negated for text, _ in self.others):
            return True
        return _lacks(self, other) or _lacks(other, self)

    def is_within(self, other: "Passed") -> bool:
        """Whether it is certain that whatever row passes this passes the other."""
        return not self.beyond(other)

    def beyond(self, other: "Passed") -> tuple[str, ...]:
        """Return the other's conditions that this does not imply, as text."""
        lacking = [
            show_domain(term, domain)
            for (term, kind), domain in other.domains.items()
            # Even where every value passes, a NULL does not.
            if (term, kind) not in self.domains or not self.domains[term, kind].is_within(domain)
        ]
        implied = {f"{term} is not null" for term, _ in self.domains}
        own = {text for text, _ in self.others} | implied
        return tuple(sorted([*lacking, *(text for text, _ in other.others if text not in own)]))

    def unlike(self, other: "Passed") -> tuple[str, ...]:
        """Return its own conditions that the other lacks, or has otherwise, be it within them; as text."""
        own = {key: domain for key, domain in self.domains.items() if not _are_same(domain, other.domains.get(key))}
        implied = {f"{term} is not null" for term, _ in (*own, *other.domains)}
        theirs = {text for text, _ in other.others} | implied
        texts = [text for text, _ in self.others if text not in theirs]
        return tuple(sorted([*(show_domain(term, domain) for (term, _), domain in own.items()), *texts]))

    def show(self) -> str:
        """Return the conditions as text; empty if there are none."""
        return " and ".join(Passed().beyond(self))


def _are_same(one: Domain, other: Domain | None) -> bool:
    return other is not None and one.is_within(other) and other.is_within(one)


def passed(conditions: Iterable[Expression]) -> Passed:
    """Return what rows have passed that meet all conditions.

    >>> from conclave.ir.types import Integer
    >>> age = Column("age", Integer())
    >>> passed([Not(Compare("<", age, Literal(18, Integer()))), Compare("<>", Literal(20, Integer()), age)]).show()
    'age >= 18 and age <> 20'
    """
    domains: dict[Term, Domain] = {}
    others: set[tuple[str, str]] = set()
    read: set[str] = set()
    for condition in conditions:
        for each in conjuncts(positive(condition)):
            read |= names_in(each)
            found = _domain_of(each)
            if found is None:
                others.add((show_expression(each), show_expression(positive(Not(each)))))
            else:
                term, domain = found
                domains[term] = domains.get(term, ANY).meet(domain)
    return Passed(domains, frozenset(others), frozenset(read))


def positive(condition: Expression) -> Expression:
    """Return the condition with each NOT as deep as it goes; true for the very same rows."""
    match condition:
        case Not(Not(operand)):
            return positive(operand)
        case Not(Compare(operator, left, right)):
            return positive(Compare(_NEGATED[operator], left, right))
        case Not(Logic(operator, left, right)):
            return Logic("or" if operator == "and" else "and", positive(Not(left)), positive(Not(right)))
        case Logic(operator, left, right):
            return Logic(operator, positive(left), positive(right))
        case Compare(operator, left, right) if _is_turned(left, right):
            return Compare(_FLIPPED[operator], right, left)
    return condition


def comparison(condition: Expression) -> Comparison | None:
    """Return the condition if it compares a term with a constant, else None."""
    match positive(condition):
        case Compare(operator, left, right):
            literal = without_casts(right)
            if not isinstance(literal, Literal) or literal.value is None:
                return None
            value, kind = _exact(literal.value, is_double=Double() in (left.type, right.type))
            return Comparison(without_casts(left), operator, value, kind)
        case Column(type=Boolean()) as column:
            return Comparison(column, "=", True, "boolean")
        case Not(Column(type=Boolean()) as column):
            return Comparison(column, "=", False, "boolean")
    return None


def alternatives(condition: Expression) -> Iterator[Expression]:
    """Yield the conditions that OR joins."""
    if isinstance(condition, Logic) and condition.operator == "or":
        yield from alternatives(condition.left)
        yield from alternatives(condition.right)
    else:
        yield condition


def show_domain(term: str, domain: Domain) -> str:
    """Return a domain as a condition."""
    if domain.only is not None:
        values = sorted(filter(domain.passes, domain.only))
        return f"{term} = {_value(values[0])}" if len(values) == 1 else f"{term} in ({', '.join(map(_value, values))})"
    parts = []
    if domain.low is not None:
        parts.append(f"{term} {'>=' if domain.low_passes else '>'} {_value(domain.low)}")
    if domain.high is not None:
        parts.append(f"{term} {'<=' if domain.high_passes else '<'} {_value(domain.high)}")
    parts += [f"{term} <> {_value(value)}" for value in sorted(domain.never)]
    return " and ".join(parts)


def _domain_of(condition: Expression) -> tuple[Term, Domain] | None:
    compared: list[Comparison] = []
    for each in alternatives(condition):
        found = comparison(each)
        if found is None or len(compared) == MOST_VALUES:
            return None
        compared.append(found)
    first = compared[0]
    if len(compared) == 1:
        return first.key, _discrete(_single(first.operator, first.value), first)
    if any(each.operator != "=" or each.key != first.key for each in compared):
        return None
    return first.key, Domain(only=frozenset(each.value for each in compared))


def _single(operator: str, value: Any) -> Domain:
    match operator:
        case "=":
            return Domain(only=frozenset({value}))
        case "<>":
            return Domain(never=frozenset({value}))
        case "<" | "<=":
            return Domain(high=value, high_passes=operator == "<=")
    return Domain(low=value, low_passes=operator == ">=")


def _discrete(domain: Domain, compared: Comparison) -> Domain:
    """Return the domain with bounds that pass, where every value has a next one: > 5 is >= 6."""
    step: Any = None
    if isinstance(compared.term.type, Integer):
        step = 1
    elif isinstance(compared.term.type, Date):
        step = datetime.timedelta(days=1)
    if step is None or not (_is_whole(domain.low) and _is_whole(domain.high)):
        return domain
    try:
        if domain.low is not None and not domain.low_passes:
            domain = replace(domain, low=domain.low + step, low_passes=True)
        if domain.high is not None and not domain.high_passes:
            domain = replace(domain, high=domain.high - step, high_passes=True)
    except OverflowError:
        return domain
    return domain


def _is_whole(value: Any) -> bool:
    return value is None or (isinstance(value, int | datetime.date) and not isinstance(value, bool))


def _tighter(one: Any, one_passes: bool, other: Any, other_passes: bool, is_low: bool) -> tuple[Any, bool]:
    if one is None or other is None:
        return (other, other_passes) if one is None else (one, one_passes)
    if one == other:
        return one, one_passes and other_passes
    return (one, one_passes) if (one > other) is is_low else (other, other_passes)


def _lacks(one: Passed, other: Passed) -> bool:
    """Whether one has only rows without a value where the other's need one."""
    return any(f"{term} is null" == text for term, _ in one.domains for text, _ in other.others)


def _exact(value: Value, is_double: bool) -> tuple[Any, str]:
    """Return a constant as it is compared: beside a double as a double, of which several decimals are the same."""
    if isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool):
        return (float(value), "double") if is_double or isinstance(value, float) else (value, "number")
    return value, type(value).__name__


def _is_turned(left: Expression, right: Expression) -> bool:
    """Whether the sides stand the other way round than usual: constants right, columns in the order of their names."""
    if isinstance(without_casts(right), Literal):
        return False
    if isinstance(without_casts(left), Literal):
        return True
    return show_expression(left) > show_expression(right)


def _value(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
