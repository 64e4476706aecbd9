"""A workflow's `spec.steps`: Conclave's operators as a list, each with a name that later ones read it by."""

from typing import Annotated, Literal

from pydantic import Field

from renderer.fields import Line, TableName
from worker.runspec import Model

# Small enough for a word, as all numbers of a query; text is held in a column's type by the compiler.
Number = Annotated[int, Field(gt=-(2**63), lt=2**63)] | Annotated[float, Field(allow_inf_nan=False)]
Value = bool | Number | Line
Columns = Annotated[tuple[Line, ...], Field(min_length=1)]
Aggregator = Literal["sum", "count", "min", "max", "mean", "variance", "stddev", "median"]
Comparison = Literal["=", "<>", "<", "<=", ">", ">="]


class _Step(Model):
    """What all steps have in common but the last: a name for the rows that they make."""

    name: TableName


class _Unary(_Step):
    """A step over the rows of one other."""

    source: TableName = Field(alias="from")


class Create(_Step):
    """The rows of a table of `spec.tables`."""

    op: Literal["create"]
    table: TableName | None = None  # None: the one that is called as the step


class Project(_Unary):
    """Some of the columns, in this order; a map gives them other names: {new: old}."""

    op: Literal["project"]
    columns: Columns | Annotated[dict[Line, Line], Field(min_length=1)]


class Filter(_Unary):
    """The rows in which a column compares so with a value, or with another column."""

    op: Literal["filter"]
    column: Line
    operator: Comparison
    value: Value | None = None
    other: Line | None = None


class FilterBy(_Unary):
    """The rows whose value of a column is, or is not, among those of a column of another step."""

    op: Literal["filter_by"]
    column: Line
    by: TableName
    by_column: Line | None = None  # None: the one of the same name
    keep: Literal["in", "not in"] = "in"


class Multiply(_Unary):
    """One more column: the product of columns and numbers."""

    op: Literal["multiply"]
    operands: Annotated[tuple[Number | Line, ...], Field(min_length=2)]
    result: Line = Field(alias="as")


class Divide(_Unary):
    """One more column: the first operand, divided by each of the others."""

    op: Literal["divide"]
    operands: Annotated[tuple[Number | Line, ...], Field(min_length=2)]
    result: Line = Field(alias="as")


class Computed(Model):
    """One column of an aggregation. Without `over`, `count` counts rows."""

    function: Aggregator
    over: Line | None = None
    result: Line = Field(alias="as")


class Aggregate(_Unary):
    """One row for each group of `by`; without it, one row."""

    op: Literal["aggregate"]
    by: tuple[Line, ...] = ()
    compute: Annotated[tuple[Computed, ...], Field(min_length=1)]


class Join(_Step):
    """Rows of two steps that agree in `on`: columns of one name on both sides, or a map {left: right}."""

    op: Literal["join"]
    left: TableName
    right: TableName
    on: Columns | Annotated[dict[Line, Line], Field(min_length=1)]
    how: Literal["inner", "left", "semi", "anti"] = "inner"


class Concat(_Step):
    """The rows of several steps, one after another; columns go by their places, and are called as the first's."""

    op: Literal["concat"]
    sources: Annotated[tuple[TableName, ...], Field(min_length=2, alias="from")]


class Union(_Step):
    """The same, each row once."""

    op: Literal["union"]
    sources: Annotated[tuple[TableName, ...], Field(min_length=2, alias="from")]


class ConcatCols(_Step):
    """The columns of both; the right one has one row, which stands beside each of the left one's."""

    op: Literal["concat_cols"]
    left: TableName
    right: TableName


class Distinct(_Unary):
    """Each row once, of these columns or of all."""

    op: Literal["distinct"]
    columns: Columns | None = None


class DistinctCount(_Unary):
    """How many different values a column has, in each group of `by` or in all rows."""

    op: Literal["distinct_count"]
    column: Line
    by: tuple[Line, ...] = ()
    result: Line = Field(alias="as")


class SortBy(_Unary):
    """The rows in order. Rows of no other step have any, so only `limit` and `collect` may come after."""

    op: Literal["sort_by"]
    columns: Columns
    descending: tuple[Line, ...] = ()  # those of `columns` of which the largest comes first


class Limit(_Unary):
    """The first rows. Only `collect` may come after."""

    op: Literal["limit"]
    rows: Annotated[int, Field(ge=0, lt=2**31)]


class Index(_Unary):
    """One more column: the rows' numbers from 1, in the order of these columns."""

    op: Literal["index"]
    by: Columns
    result: Line = Field(alias="as")


class NumRows(_Unary):
    """One row with the number of rows."""

    op: Literal["num_rows"]
    result: Line = Field(alias="as")


class Shuffle(_Unary):
    """The same rows in no order. Rows have none anyway: what is opened is shuffled, this says it aloud."""

    op: Literal["shuffle"]


class Collect(Model):
    """The answer, to `spec.outputs.recipients`. It is the last step."""

    op: Literal["collect"]
    source: TableName = Field(alias="from")


Step = Annotated[
    Create | Project | Filter | FilterBy | Multiply | Divide | Aggregate | Join | Concat | Union | ConcatCols
    | Distinct | DistinctCount | SortBy | Limit | Index | NumRows | Shuffle | Collect,
    Field(discriminator="op"),
]  # fmt: skip


Steps = Annotated[tuple[Step, ...], Field(min_length=1, max_length=1000)]


def read_by(step: Step) -> dict[tuple[str | int, ...], str]:
    """Return the names of the steps that a step reads, by the field that names them."""
    match step:
        case Create():
            return {}
        case Join() | ConcatCols():
            return {("left",): step.left, ("right",): step.right}
        case Concat() | Union():
            return {("from", index): source for index, source in enumerate(step.sources)}
        case FilterBy():
            return {("from",): step.source, ("by",): step.by}
        case _:
            return {("from",): step.source}
