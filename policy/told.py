"""An aggregate that an answer is made of, or the rows that it lists, as other answers are held against it."""

from dataclasses import dataclass
from functools import cached_property

from conclave.ir.expressions import Expression
from conclave.ir.show import show_expression
from policy.personal import Source
from policy.rows import Conditions, Rows
from policy.terms import Terms

ROWS, GROUPS = "rows", "groups"


@dataclass(frozen=True, eq=False)  # each is itself: what it is made of may be shared many times over
class Release:
    """An aggregate that an answer is made of, or all its rows."""

    name: str  # as people read it
    formula: str  # the same, without a condition that stands within it
    function: str
    family: str  # equal for what can be subtracted from one another
    sources: frozenset[Source]  # the columns that it is over
    terms: Terms | None  # of a sum or count: what is added up
    is_weighed: bool  # some rows may count for more than others
    by: frozenset[Expression]  # by which columns it is told
    rows: Rows
    read: Rows  # the same, without a condition that stands within the aggregate
    given: frozenset[Source] = frozenset()  # of rows that are listed: the columns that are there as they are
    made_of: tuple["Release", ...] = ()  # aggregates of rows, of which this is one of groups
    shown: Conditions = frozenset()  # what decides which of the groups are told
    shape: frozenset[str] = frozenset()  # and how

    @cached_property
    def keys(self) -> frozenset[str]:
        """By what it is told, as text."""
        return frozenset(map(show_expression, self.by))
