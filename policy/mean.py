"""The mean in SUM(x) / COUNT(x), and the variance in those and SUM(x * x): less than their parts, so they are known."""

from dataclasses import replace

from conclave.ir.expressions import Arithmetic, Cast, Column, Expression, Spread
from policy.uses import Relation, Use, Value, merged


def mean_of(expression: Expression, source: Relation) -> Value | None:
    """Return the mean that SUM(x) / COUNT(x) is, if both are totals of one aggregate over the same columns."""
    bare = without_casts(expression)
    if not (isinstance(bare, Arithmetic) and bare.operator == "/"):
        return None
    above, below = without_casts(bare.left), without_casts(bare.right)
    if not (isinstance(above, Column) and isinstance(below, Column)):
        return None
    sums, counts = source.values[above.name], source.values[below.name]
    if not _is_count_of(counts, sums):
        return None
    uses = []
    for use in _named(sums):
        step = use.steps[-1].replace("sum(", "mean(", 1)
        uses.append(replace(use, kind="mean", total=None, steps=(*use.steps[:-1], step)))
    return Value(merged(uses), merged(sums.influences, counts.influences))


def variance_of(spread: Spread, source: Relation) -> Value | None:
    """Return the variance that is made of a count, a sum and a sum of squares of one aggregate, over the same columns."""
    parts = (spread.count, spread.total, spread.squares)
    if not all(isinstance(part, Column) for part in parts):
        return None
    counts, sums, squares = (source.values[part.name] for part in parts if isinstance(part, Column))
    if not _is_count_of(counts, sums) or _columns(_named(squares)) != _columns(_named(sums)):
        return None
    if any(use.kind != "squares" for use in _named(squares)):
        return None
    uses = []
    for use in _named(sums):
        step = use.steps[-1].replace("sum(", f"{spread.function}(", 1)
        uses.append(replace(use, kind="variance", total=None, steps=(*use.steps[:-1], step)))
    # Who knows the values can tell from their variance, too, how often each was taken.
    rows = (replace(use, total=None) for value in (sums, squares) for use in value.uses if use.column is None)
    return Value(merged(uses, rows), merged(sums.influences, counts.influences, squares.influences))


def _is_count_of(counts: Value, sums: Value) -> bool:
    """Whether one value counts exactly what the other adds up: totals made by the same aggregates, row by row."""
    added, counted = _named(sums), _named(counts)
    totals = {use.total for use in added}
    if not totals or None in totals or {use.total for use in counted or counts.uses} != totals:
        return False
    if any(use.kind != "sum" for use in added) or any(use.kind != "count" for use in counts.uses):
        return False
    # A count of rows that other columns take part in is one of each of their rows, too.
    if any(use.column is None and not use.to_knowing for use in sums.uses):
        return False
    if not counted:
        return all(use.of_all_rows for use in added)
    return _columns(added) == _columns(counted)


def _named(value: Value) -> tuple[Use, ...]:
    return tuple(use for use in value.uses if use.column is not None)


def _columns(uses: tuple[Use, ...]) -> set[tuple[object, ...]]:
    return {(use.dataset, use.column, use.over_expression, use.over, use.total) for use in uses}


def without_casts(expression: Expression) -> Expression:
    """Return what is under the casts: the same value, as they are only to wider numbers."""
    while isinstance(expression, Cast):
        expression = expression.operand
    return expression
