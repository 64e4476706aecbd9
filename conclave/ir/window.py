"""Window functions: a column for each row, of the rows that stand around it in its partition."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING
from typing import Literal as OneOf

from conclave.ir.checks import check_names, hashed_once
from conclave.ir.errors import Position, TypeProblem
from conclave.ir.types import Field, Integer, Schema, as_number, is_numeric, sum_type

if TYPE_CHECKING:
    from conclave.ir.nodes import Node, Owners

RowFunction = OneOf["row_number", "rank", "dense_rank"]
WindowFunction = OneOf["row_number", "rank", "dense_rank", "lag", "lead", "sum", "count", "min", "max"]
# Which rows an aggregate is of: from the partition's first row to this one, to the last one that is ordered alike, or all.
Frame = OneOf["rows", "range", "partition"]


@dataclass(frozen=True)
class SortKey:
    """One ORDER BY item."""

    column: str
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True)
class WindowOutput:
    """A named window function: `over` is a column of the source, or None for count(*) and the rows' numbers."""

    name: str
    function: WindowFunction
    over: str | None = None
    frame: Frame = "partition"  # of sum, count, min and max; the others go by the row itself
    offset: int = 1  # of lag and lead: how many rows before or after
    at: Position | None = field(default=None, compare=False, repr=False)


@hashed_once
@dataclass(frozen=True)
class Window:
    """The rows of the source, each with more columns: NULL among `partition` is a value, rows are ordered by `order`."""

    source: "Node"
    partition: tuple[str, ...]
    order: tuple[SortKey, ...]
    outputs: tuple[WindowOutput, ...]
    at: Position | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        read = {*self.partition, *(key.column for key in self.order), *(o.over for o in self.outputs if o.over)}
        check_names(read, self.source, self.at)
        _ = self.schema

    @cached_property
    def schema(self) -> Schema:
        """The source's columns, then the outputs."""
        fields = {f.name: f for f in self.source.schema}
        made = tuple(_field(output, None if output.over is None else fields[output.over]) for output in self.outputs)
        shared = sorted(fields.keys() & {f.name for f in made})
        if shared:
            raise TypeProblem(f"a window function would hide the column {shared[0]}", self.at)
        return (*self.source.schema, *made)

    @property
    def owners(self) -> "Owners":
        """The source's."""
        return self.source.owners


def _field(output: WindowOutput, over: Field | None) -> Field:
    if over is None or output.function == "count":
        return Field(output.name, Integer(64), nullable=False)
    if output.function == "sum":
        if not is_numeric(over.type):
            raise TypeProblem(f"SUM needs numbers, got {over.type}", output.at, as_number(over.type))
        return Field(output.name, sum_type(over.type), over.nullable)
    # At an end of the partition there is no row before or after.
    return replace(over, name=output.name, nullable=over.nullable or output.function in ("lag", "lead"))
