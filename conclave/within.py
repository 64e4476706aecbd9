"""An owner's values, held to its own bounds where they leave its worker: in the words that are about to be shared.

The owner's engine reads every row within the bounds (`conclave.passes.clamp_scans`), and policies are checked to have it
so in the plan. This looks at what came of it: whatever the engine did, no value beyond a bound goes into MPC. Totals are
added up before, of values within bounds, and are looked at nowhere.
Reveals: nothing, unless the engine is at fault; the run ends with that.
"""

import decimal
import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from conclave.ir.expressions import Column, Value, names_in
from conclave.ir.nodes import Aggregate, AggregateOutput, Concat, Input, Node, Project, Scan
from conclave.ir.noise import Noise
from conclave.ir.ranges import WORD_MOST
from conclave.ir.types import Decimal, Double, Type
from conclave.ir.walk import children
from conclave.ir.window import Window, WindowOutput
from conclave.ir.words import FRACTION_BITS
from conclave.local.encode import EncodedTable
from conclave.local.errors import EncodeProblem
from conclave.plan.ranges import Range, hull, range_of
from conclave.plan.steps import LocalStep, Plan, ShareStep

_PICKS = ("min", "max", "quantile_disc", "lag", "lead")  # functions whose values are some of those they are of


def check_within(table: EncodedTable, plan: Plan, step: ShareStep) -> None:
    """Check the words that `step` is about to share against the bounds of the columns that they come from.

    Raises:  EncodeProblem, naming the column and no value.
    """
    queries = {each.name: each.query for each in plan.steps if isinstance(each, LocalStep)}
    if step.source not in queries:
        return
    for f in step.schema:
        found = _range(queries[step.source], f.name, queries)
        if found is None:
            continue
        low, high = _words(found, f.type)
        column = table.columns[f.name]
        words = column.words if column.nulls is None else column.words[~column.nulls]
        if np.any((words < low) | (words > high)):
            what = "has a value beyond the bounds that its owner's policy sets, after it was read within them"
            raise EncodeProblem(f.name, f"{what}: a fault of the party's engine, report it with the query")


def _range(node: Node, name: str, queries: Mapping[str, Node]) -> Range | None:
    """Return within which numbers a column's values lie by its owner's bounds; None where these do not say."""
    match node:
        case Scan(clamps=clamps):
            return next(((_number(c.low.value), _number(c.high.value)) for c in clamps if c.column == name), None)
        case Input(name=below):
            return _range(queries[below], name, queries) if below in queries else None
        case Project(source, outputs):
            made = next(output.expression for output in outputs if output.name == name)
            if isinstance(made, Column):
                return _range(source, made.name, queries)
            return range_of(made, {each: _range(source, each, queries) for each in names_in(made)})
        case Concat(parts):
            return hull(_range(part, name, queries) for part in parts)
        case Aggregate(source, keys, outputs) if name not in keys:
            return _of_one(source, next(each for each in outputs if each.name == name), queries)
        case Window(source, _, _, made_by) if name not in {f.name for f in source.schema}:
            return _of_one(source, next(each for each in made_by if each.name == name), queries)
        case Noise():
            return None
    sources = [source for source in children(node) if name in {f.name for f in source.schema}]
    return _range(sources[0], name, queries) if len(sources) == 1 else None


def _of_one(source: Node, output: AggregateOutput | WindowOutput, queries: Mapping[str, Node]) -> Range | None:
    if output.over is None or output.function not in _PICKS:
        return None
    return _range(source, output.over, queries)


def _number(value: Value) -> Fraction:
    assert isinstance(value, int | float | decimal.Decimal)
    return Fraction(value)


def _words(within: Range, kind: Type) -> tuple[int, int]:
    """Return the least and the largest word of a value within these numbers."""
    if isinstance(kind, Double):
        low, high = (round(end * (1 << FRACTION_BITS)) for end in within)  # as they are encoded
    else:
        unit = 10**kind.scale if isinstance(kind, Decimal) else 1
        low, high = math.floor(within[0] * unit), math.ceil(within[1] * unit)
    return max(low, -WORD_MOST - 1), min(high, WORD_MOST)
