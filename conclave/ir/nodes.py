"""Relational nodes: frozen, typed by their schema, checked when made. A query is a tree of them.

Column names are unique within a schema. `alpha`, `bravo` own scans; who *may see* what is no concern of the IR.
"""

import decimal
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Literal as OneOf
from typing import assert_never

from conclave.ir.checks import check_disjoint, check_names, hashed_once
from conclave.ir.errors import Position, TypeProblem
from conclave.ir.expressions import Expression, SpreadFunction, names_in
from conclave.ir.guard import Clamp, Guard, Kept
from conclave.ir.noise import Noise
from conclave.ir.types import (
    AS_CONDITION,
    Boolean,
    Double,
    Field,
    Integer,
    Schema,
    as_number,
    is_numeric,
    squares_type,
    sum_type,
)
from conclave.ir.window import SortKey, Window

AggregateFunction = OneOf[
    "sum", "count", "min", "max", "avg", "var_samp", "var_pop", "stddev_samp", "stddev_pop",
    "quantile_cont", "quantile_disc", "sum_squares",
]  # fmt: skip
SPREADS: dict[AggregateFunction, SpreadFunction] = {
    "var_samp": "var_samp", "var_pop": "var_pop", "stddev_samp": "stddev_samp", "stddev_pop": "stddev_pop",
}  # fmt: skip
QUANTILES: tuple[AggregateFunction, ...] = ("quantile_cont", "quantile_disc")  # need values in their order
_OF_NUMBERS = ("sum", "avg", "quantile_cont", "sum_squares", *SPREADS)
JoinKind = OneOf["inner", "left", "semi", "anti"]
Owners = frozenset[str | None]  # of all scans below a node; None stands for those below a plan's Input


@hashed_once
@dataclass(frozen=True)
class Scan:
    """All rows of one owner's dataset. `table` is the logical table that the dataset is a part of."""

    table: str
    dataset: str  # "party/dataset"
    owner: str
    schema: Schema
    unique: frozenset[str] = frozenset()  # columns declared to hold no value twice, in this dataset
    unique_in_table: frozenset[str] = (
        frozenset()
    )  # and none that another dataset of the table holds, by all owners' word
    clamps: tuple[Clamp, ...] = ()  # by column; what is read is within these
    keys: frozenset[tuple[str, ...]] = frozenset()  # columns that no two rows of this dataset agree in all of
    keys_in_table: frozenset[tuple[str, ...]] = frozenset()  # nor rows of other datasets of the table
    kept: Kept | None = None  # which rows are read; None: all
    most_rows: int | None = None  # as its owner declares; its worker holds the file to it
    # By column, in how many rows of all the table a value comes at most, by the word of the query's author.
    most_matches: frozenset[tuple[str, int]] = frozenset()
    at: Position | None = field(default=None, compare=False, repr=False)

    @cached_property
    def owners(self) -> Owners:
        """The party that owns it."""
        return frozenset({self.owner})


@hashed_once
@dataclass(frozen=True)
class Input:
    """A table that an earlier step of a plan made. Only plans hold it; a query as written never does."""

    name: str
    schema: Schema

    @property
    def owners(self) -> Owners:
        """Nobody in particular."""
        return frozenset({None})


@hashed_once
@dataclass(frozen=True)
class Concat:
    """The rows of all parts, one after another (UNION ALL). Parts agree in names and types."""

    parts: tuple["Node", ...]
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        first, *rest = (tuple((f.name, f.type) for f in part.schema) for part in self.parts)
        if any(other != first for other in rest):
            raise TypeProblem("the parts of a UNION ALL differ in their columns", self.at)

    @cached_property
    def schema(self) -> Schema:
        """A column is nullable if it is in any part."""
        columns = zip(*(part.schema for part in self.parts), strict=True)
        return tuple(Field(c[0].name, c[0].type, any(f.nullable for f in c)) for c in columns)

    @cached_property
    def owners(self) -> Owners:
        """Those of all parts."""
        return reduce(frozenset.union, (part.owners for part in self.parts))


@dataclass(frozen=True)
class Output:
    """A named expression of a projection."""

    name: str
    expression: Expression


@hashed_once
@dataclass(frozen=True)
class Project:
    """One row for each row of the source, with the given columns."""

    source: "Node"
    outputs: tuple[Output, ...]
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        known = {f.name for f in self.source.schema}
        for output in self.outputs:
            names = names_in(output.expression)
            if not names <= known:
                check_names(names, self.source, self.at)

    @cached_property
    def schema(self) -> Schema:
        """The outputs, in order."""
        return tuple(Field(o.name, o.expression.type, o.expression.nullable) for o in self.outputs)

    @property
    def owners(self) -> Owners:
        """The source's."""
        return self.source.owners


@hashed_once
@dataclass(frozen=True)
class Filter:
    """The rows for which `predicate` is true (neither false nor NULL)."""

    source: "Node"
    predicate: Expression
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_names(names_in(self.predicate), self.source, self.at)
        if not isinstance(self.predicate.type, Boolean):
            raise TypeProblem(f"a condition is boolean, got {self.predicate.type}", self.at, AS_CONDITION)

    @property
    def schema(self) -> Schema:
        """The source's."""
        return self.source.schema

    @property
    def owners(self) -> Owners:
        """The source's."""
        return self.source.owners


@dataclass(frozen=True)
class AggregateOutput:
    """A named aggregate: `over` is a column of the source, or None for count(*)."""

    name: str
    function: AggregateFunction
    over: str | None
    # The column under a count or sum made by `split_aggregate`: partial counts are added, and SUM of nothing is 0 then.
    is_total_of_counts: bool = False
    is_distinct: bool = False  # equal values count once
    fraction: decimal.Decimal | None = None  # of a quantile: which part of the values is at or below it
    at: Position | None = field(default=None, compare=False, repr=False)
    # Of a sum or count made by `aggregate_before_join`: each row stands for as many rows as this column says.
    times: str | None = None


@hashed_once
@dataclass(frozen=True)
class Aggregate:
    """One row for each distinct combination of `keys` (NULL counts as a value); with no keys exactly one row."""

    source: "Node"
    keys: tuple[str, ...]
    outputs: tuple[AggregateOutput, ...]
    at: Position | None = field(default=None, compare=False, repr=False)
    guards: tuple[Guard, ...] = ()  # groups that fall short of one do not exist

    def __post_init__(self) -> None:
        read = {*self.keys, *(g.subject for g in self.guards)}
        read |= {name for o in self.outputs for name in (o.over, o.times) if name is not None}
        check_names(read, self.source, self.at)
        _ = self.schema

    @cached_property
    def schema(self) -> Schema:
        """Keys first, then outputs."""
        fields = {f.name: f for f in self.source.schema}
        made = (self._field(o, fields) for o in self.outputs)
        return (
            *(fields[key] for key in self.keys),
            *(self._guarded(f, o, fields) for f, o in zip(made, self.outputs, strict=True)),
        )

    @property
    def owners(self) -> Owners:
        """The source's."""
        return self.source.owners

    def _guarded(self, made: Field, output: AggregateOutput, fields: dict[str, Field]) -> Field:
        may_lack = not self.keys or (output.over is not None and fields[output.over].nullable)
        nullable = made.nullable or (bool(self.guards) and may_lack)
        return made if nullable == made.nullable else replace(made, nullable=nullable)

    def _field(self, output: AggregateOutput, fields: dict[str, Field]) -> Field:
        if output.over is None:
            return Field(output.name, Integer(64), nullable=False)
        over = fields[output.over]
        if output.function == "count" or output.is_total_of_counts:
            return Field(output.name, Integer(64), nullable=False)
        if output.function in _OF_NUMBERS and not is_numeric(over.type):
            what = f"{output.function.upper()} needs numbers, got {over.type}"
            raise TypeProblem(what, output.at, as_number(over.type))
        kind = over.type
        if output.function in ("avg", "quantile_cont", *SPREADS):
            kind = Double()
        elif output.function == "sum":
            kind = sum_type(over.type)
        elif output.function == "sum_squares":
            kind = squares_type(over.type, output.at)
        # Of a single value there is no sample variance.
        return Field(output.name, kind, over.nullable or not self.keys or output.function in SPREADS)


@hashed_once
@dataclass(frozen=True)
class Join:
    """Rows that are equal in all `on` pairs (left name, right name); NULL equals nothing. Schemas share no name.

    inner: every pair that matches. left: those, and left rows without a match beside NULLs. semi, anti: the left
    rows that have a match, or have none, each once and with no column of the right.
    """

    left: "Node"
    right: "Node"
    on: tuple[tuple[str, str], ...]
    how: JoinKind = "inner"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_disjoint(self.left, self.right, self.at)
        check_names({left for left, _ in self.on}, self.left, self.at)
        check_names({right for _, right in self.on}, self.right, self.at)

    @cached_property
    def schema(self) -> Schema:
        """Left columns, then right columns, as far as this kind of join has them."""
        match self.how:
            case "inner":
                return (*self.left.schema, *self.right.schema)
            case "left":
                return (*self.left.schema, *(replace(f, nullable=True) for f in self.right.schema))
            case "semi" | "anti":
                return self.left.schema
            case _ as never:
                assert_never(never)

    @cached_property
    def owners(self) -> Owners:
        """Those of both sides."""
        return self.left.owners | self.right.owners


@hashed_once
@dataclass(frozen=True)
class CrossOne:
    """Every row of `left`, widened by the only row of `right` (an ungrouped aggregate or its projection)."""

    left: "Node"
    right: "Node"
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_disjoint(self.left, self.right, self.at)

    @cached_property
    def schema(self) -> Schema:
        """Left columns, then right columns."""
        return (*self.left.schema, *self.right.schema)

    @cached_property
    def owners(self) -> Owners:
        """Those of both sides."""
        return self.left.owners | self.right.owners


@hashed_once
@dataclass(frozen=True)
class Sort:
    """The same rows in order."""

    source: "Node"
    keys: tuple[SortKey, ...]
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_names({key.column for key in self.keys}, self.source, self.at)

    @property
    def schema(self) -> Schema:
        """The source's."""
        return self.source.schema

    @property
    def owners(self) -> Owners:
        """The source's."""
        return self.source.owners


@hashed_once
@dataclass(frozen=True)
class Limit:
    """The first `count` rows."""

    source: "Node"
    count: int
    at: Position | None = field(default=None, compare=False, repr=False)

    @property
    def schema(self) -> Schema:
        """The source's."""
        return self.source.schema

    @property
    def owners(self) -> Owners:
        """The source's."""
        return self.source.owners


@hashed_once
@dataclass(frozen=True)
class Collect:
    """The root: the answer, opened to `recipients` and to nobody else."""

    source: "Node"
    recipients: tuple[str, ...]

    @property
    def schema(self) -> Schema:
        """The source's."""
        return self.source.schema

    @property
    def owners(self) -> Owners:
        """The source's."""
        return self.source.owners


Node = Scan | Input | Concat | Project | Filter | Aggregate | Noise | Window | Join | CrossOne | Sort | Limit | Collect


def field_of(node: Node, name: str) -> Field:
    """Return the column called `name` of the node's schema."""
    return next(f for f in node.schema if f.name == name)
