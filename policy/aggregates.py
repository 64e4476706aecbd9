"""What each aggregate function makes of a column, and what it tells of rows besides."""

from conclave.ir.nodes import SPREADS, AggregateOutput
from policy.uses import Kind, Use, Value

KIND_OF_FUNCTION: dict[str, Kind] = {
    "sum": "sum",
    "count": "count",
    "min": "min",
    "max": "max",
    "avg": "mean",
    "sum_squares": "squares",
    **dict.fromkeys(SPREADS, "variance"),
    "quantile_cont": "quantile",
    "quantile_disc": "quantile",
}
# What tells how often a row was taken to whoever knows what is in it.
_REPEATED = ("sum", "sum_squares", "quantile_cont", "quantile_disc", *SPREADS)
# Which function over partial results gives the same result over everything.
COMBINES = {("sum", "sum"), ("squares", "sum"), ("count", "sum"), ("min", "min"), ("max", "max")}


def tells_rows_of(rows: Use, output: AggregateOutput, over: Value) -> tuple[bool, tuple[tuple[str, str], ...]]:
    """Return whether an aggregate tells how many rows of a dataset there are, and which columns one must know for it."""
    added = {(use.dataset, use.column) for use in over.uses if use.is_of_rows and use.column is not None}
    if not added:
        return True, ()  # over no column of the rows, it still counts them: COUNT(*), SUM(1)
    if any(rows.dataset == dataset for dataset, _ in added):
        return False, ()
    if output.function == "count":
        return True, ()  # after a join, COUNT(x) counts the rows of both sides
    # Who knows what is added up can tell how often it was: once for each row that it met.
    return output.function in _REPEATED, tuple(sorted(added))
