"""Which rows an aggregate is of: of which datasets, what each dataset's rows have passed, and what else decided."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from conclave.ir.expressions import Expression
from conclave.ir.show import show_expression
from policy.domain import Passed, passed, positive

Conditions = frozenset[Expression]
MOST_CHARACTERS = 2000  # of a name


@dataclass(frozen=True)
class Rows:
    """Which rows: those of each dataset that passed its conditions, put together as `shape` says."""

    inputs: Mapping[str, Conditions] = field(default_factory=dict)  # whose rows are counted, and what they passed
    beside: Mapping[str, Conditions] = field(default_factory=dict)  # whose rows only decide: of a semi join, say
    tables: frozenset[frozenset[str]] = frozenset()  # of `inputs`: those that are parts of one table
    shared: Conditions = frozenset()  # on rows of several of them together, or on groups
    shape: frozenset[str] = frozenset()

    @property
    def datasets(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self.inputs) | frozenset(self.beside)

    @cached_property
    def passed(self) -> dict[str, Passed]:
        """What the rows of each counted dataset have passed."""
        return {dataset: passed(conditions) for dataset, conditions in self.inputs.items()}

    def asks(self, *conditions: Expression) -> "Rows":
        """Return the rows that pass these conditions, too."""
        return replace(self, shared=self.shared | {positive(each) for each in conditions})


def union_of_rows(one: Rows, other: Rows) -> Rows:
    """Return the rows of both."""
    shape = one.shape | other.shape
    if set(one.inputs) & set(other.inputs):  # the same rows, perhaps, by two ways
        shape |= {short(f"{text_of(one)} and also {text_of(other)}")}
    if one.shared != other.shared:
        shape |= {short(f"each where {_all(one.shared)}, or where {_all(other.shared)}")}
    # A row of a union is of any of these datasets, not of each.
    tables = frozenset({frozenset[str]().union(*one.tables, *other.tables)})
    inputs, beside = weaker(one.inputs, other.inputs), weaker(one.beside, other.beside)
    return Rows(inputs, beside, tables, one.shared & other.shared, shape)


def weaker(one: Mapping[str, Conditions], other: Mapping[str, Conditions]) -> dict[str, Conditions]:
    """Return both, and of what is in both the conditions that hold in both."""
    both = {**one, **other}
    return {name: one[name] & other[name] if name in one and name in other else both[name] for name in sorted(both)}


def all_inputs(rows: Rows) -> dict[str, Conditions]:
    """Return the conditions of all datasets, counted or not."""
    return weaker(rows.inputs, rows.beside)


def _all(conditions: Conditions) -> str:
    return " and ".join(sorted(map(show_expression, conditions))) or "anything"


def text_of(rows: Rows) -> str:
    """Return them in words."""
    parts = [f"{name} where {_all(conditions)}" if conditions else name for name, conditions in rows.inputs.items()]
    shared = [f"all of them where {_all(rows.shared)}"] if rows.shared else []
    return "; ".join([*parts, *(f"beside {name}" for name in rows.beside), *shared, *sorted(rows.shape)])


def short(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text that is equal for equal ones, and never long."""
    return text if len(text) <= most else f"what has the digest {hashlib.sha256(text.encode()).hexdigest()[:16]}"
