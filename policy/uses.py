"""What the verifier tracks: the forms in which source columns are in a value, and what else decided."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from conclave.ir.errors import Position
from policy.document import FilterRule

# Forms of content: the value itself; something computed from single rows; a group's label; aggregates.
# Forms of influence: a predicate, the match of a join, an order.
Kind = Literal[
    "plain",
    "derived",
    "group_key",
    "sum",
    "count",
    "count_distinct",
    "mean",
    "min",
    "max",
    "variance",
    "quantile",
    "squares",
    "filter",
    "join_key",
    "rank",
]
# Which aggregate, by way of which operators, made a total that nothing was computed with since.
Total = tuple[int, "Total | None"]


@dataclass(frozen=True)
class Use:
    """One form in which a source column gets on its way to the answer."""

    dataset: str
    column: str | None  # None: the dataset's rows as such, which are counted
    kind: Kind
    over_expression: bool = False  # the aggregate is not over the column itself
    joined: bool = False  # a join put the value beside another dataset's rows
    total: Total | None = None
    over: str | None = None  # of a total: the column that the first aggregate was over
    of_all_rows: bool = False  # of a total: that column is never NULL
    of_persons: bool = False  # of a number of different values: each stands for a row or person
    is_match: bool = False  # of a number of different values: others that are known are among them
    computed: bool = False  # of a label: it is not the column's own value
    to_knowing: tuple[tuple[str, str], ...] = ()  # learnt only by who knows these (dataset, column), row by row
    obeys: frozenset[FilterRule] = frozenset()  # it tells no more apart than each of these allows
    rules: tuple[FilterRule, ...] = field(default=(), compare=False)  # all that there are on the column
    all_rules: tuple[FilterRule, ...] = field(
        default=(), compare=False
    )  # and on any column, which it may be matched with
    steps: tuple[str, ...] = field(default=(), compare=False)  # the way here, printed
    at: Position | None = field(default=None, compare=False)

    @property
    def is_of_rows(self) -> bool:
        """Whether it tells something of single rows: no aggregate nor grouping has been over it."""
        return self.kind in ("plain", "derived")

    def via(self, step: str, at: Position | None = None) -> "Use":
        """Return the same use, one step further."""
        return replace(self, steps=(*self.steps, step), at=at or self.at)


@dataclass(frozen=True)
class Value:
    """A column of a relation."""

    uses: tuple[Use, ...] = ()  # what its content is made of
    influences: tuple[Use, ...] = ()  # what decided which content it has: the conditions of a CASE


@dataclass(frozen=True)
class Relation:
    """A relation. Influences stay for ever: projecting a column away does not undo what it has decided."""

    values: Mapping[str, Value]
    influences: tuple[Use, ...] = ()  # what decided which rows there are
    rows: tuple[Use, ...] = ()  # the datasets whose number of rows this relation's number of rows tells


def sources_of(value: Value) -> frozenset[tuple[str, str]]:
    """Return the (dataset, column) whose values the value tells of; how many there are tells none of them."""
    return frozenset(
        (u.dataset, u.column) for u in value.uses if u.column is not None and u.kind not in ("count", "count_distinct")
    )


def merged(*groups: Iterable[Use]) -> tuple[Use, ...]:
    """Return all uses, each once by its shortest way, in a fixed order."""
    best: dict[Use, Use] = {}
    for use in (use for group in groups for use in group):
        other = best.get(use)
        if other is None or _way(use) < _way(other):
            best[use] = use
    return tuple(sorted(best.values(), key=_order))


def together(*values: Value) -> Value:
    """Return the value that holds what all of these hold."""
    return Value(merged(*(v.uses for v in values)), merged(*(v.influences for v in values)))


def influences_of(value: Value, kind: Kind, step: str, at: Position | None) -> tuple[Use, ...]:
    """Return what is let into an answer when `value` decides something in the way `kind` says.

    A group's label decides like the column it is of, so that it makes no difference whether a condition
    stands before or after the grouping; an aggregate decides as what it is.
    """
    found = []
    for use in value.uses:
        if use.is_of_rows or use.kind == "group_key":
            joined = use.joined and kind == "group_key"
            obeys = use.obeys if kind == "filter" else frozenset[FilterRule]()
            use = replace(use, kind=kind, over_expression=False, joined=joined, computed=False, obeys=obeys)
        found.append(replace(use, total=None).via(step, at))
    # What the value had already is kept, unless this says the same in fewer words.
    return merged(found, (use for use in value.influences if use not in found))


def left_out(
    influences: tuple[Use, ...], keys: frozenset[tuple[str, str]], matched: Value, step: str, at: Position | None
) -> tuple[Use, ...]:
    """Return how what is matched with `keys` decides by the conditions that these have passed, as it has then as well."""
    found: list[tuple[Use, ...]] = []
    for passed in influences:
        if passed.kind == "filter" and (passed.dataset, passed.column) in keys:
            of_rows = (use for use in matched.uses if use.is_of_rows or use.kind == "group_key")
            uses = tuple(replace(use, obeys=passed.obeys) for use in of_rows)
            found.append(influences_of(Value(uses), "filter", f"{step}, {passed.steps[-1]}", at))
    return merged(*found)


def _way(use: Use) -> tuple[int, tuple[str, ...], tuple[int, int]]:
    return len(use.steps), use.steps, (use.at.line, use.at.column) if use.at else (0, 0)


def _order(use: Use) -> tuple[str, ...]:
    flags = f"{use.over_expression:d}{use.joined:d}{use.computed:d}{use.of_persons:d}{use.is_match:d}{use.to_knowing}{sorted(map(str, use.obeys))}"
    return (use.dataset, use.column or "", use.kind, flags, repr(use.total))
