"""Noise on the totals of groups that are the same whatever the data: what alone is told of rows under such a promise."""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from conclave.ir.checks import check_names, hashed_once
from conclave.ir.errors import Position
from conclave.ir.expressions import Literal
from conclave.ir.types import Schema

if TYPE_CHECKING:
    from conclave.ir.nodes import Node, Owners

# A deviation of 2**40 words leaves 22 bits above it: noise of a single party passes 2**62 once in exp(2**21) draws.
MOST_SCALE = 1 << 40
# How many scales the noise of all three parties stays within, but for one draw in 10**20.
TAIL = 150
SAMPLERS = 3  # each compute party adds noise of its own


@dataclass(frozen=True)
class Noised:
    """A column of totals, and the noise on it: of each party with `scale`, in units of the last digit, as words are."""

    column: str
    scale: Fraction
    epsilon: Fraction  # what telling it costs: how much one subject moves it, divided by the scale


@hashed_once
@dataclass(frozen=True)
class Noise:
    """One row for each combination of the keys' values, with noise added to each total; no keys: exactly one row.

    Groups that the source has and `domains` do not name are left out. Those that it does not have, and totals that are
    NULL, count as 0 before the noise. All compute parties add noise of their own, so it needs MPC, whoever owns the rows.
    """

    source: "Node"
    keys: tuple[str, ...]
    domains: tuple[tuple[Literal, ...], ...]  # of each key, in their order
    columns: tuple[Noised, ...]
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_names({*self.keys, *(noised.column for noised in self.columns)}, self.source, self.at)

    @property
    def n_groups(self) -> int:
        """How many rows there are."""
        return prod(len(domain) for domain in self.domains)

    @cached_property
    def schema(self) -> Schema:
        """The keys, then the totals; nothing is NULL."""
        fields = {f.name: f for f in self.source.schema}
        return tuple(
            replace(fields[name], nullable=False) for name in (*self.keys, *(each.column for each in self.columns))
        )

    @property
    def owners(self) -> "Owners":
        """The source's, and nobody in particular: no owner could add the noise by itself."""
        return self.source.owners | {None}


def variance(scale: Fraction) -> float:
    """Return the variance of one draw: 2 q / (1 - q)**2 with q = exp(-1 / scale), about 2 * scale**2.

    >>> round(variance(Fraction(10)), 2)
    199.83
    """
    if scale == 0:
        return 0.0
    rest = -math.expm1(-1 / float(scale))
    return 2 * (1 - rest) / rest**2


def deviation(scale: Fraction) -> float:
    """Return the standard deviation of what three parties add, each with this scale.

    >>> round(deviation(Fraction(10)), 2)
    24.48
    """
    return math.sqrt(SAMPLERS * variance(scale))
