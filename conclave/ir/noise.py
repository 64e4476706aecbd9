"""Noise on the totals of groups that are the same whatever the data: what alone is told of rows under such a promise."""

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
