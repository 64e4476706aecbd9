"""The aggregates of a query said by those that `groupby` has: sums of squares are sums, quantiles sums of one row."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from conclave.ir.expressions import Arithmetic, Column
from conclave.ir.nodes import AggregateOutput
from conclave.ir.ranges import times_of
from conclave.ir.types import Double, Integer, Schema
from conclave.mpc.errors import ShapeError
from conclave.mpc.known import Knowledge
from conclave.mpc.party import Party
from conclave.mpc.together import for_each
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.evaluate import Rows, words_of
from conclave.operators.groupby import group_by
from conclave.operators.looking import Looking, high_name
from conclave.operators.quantile import QuantileSpec, between, with_picks
from conclave.operators.table import InOrder, SecretColumn, SecretTable, both
from conclave.operators.words import Words, convert, within


def aggregate_rows(
    table: SecretTable,
    schema: Schema,
    keys: Sequence[str],
    outputs: Sequence[AggregateOutput],
    carried: Sequence[str],
    me: Party,
    who: Knowledge | None = None,
    looking: Looking | None = None,
    in_order: InOrder = "no",
    runs: Sequence[int] = (),
) -> SecretTable:
    """Return one row for each group, with the keys, what is carried beside them, the outputs, and the high parts
    of the sums that are looked at.

    `in_order` is of rows by the keys, as `group_by` takes it, and so are `runs`, or as `with_picks` does.

    Shapes:  as `group_by`. Reveals nothing; to `who`, the keys, if there are no quantiles.
    """
    specs: list[AggregateSpec] = []
    quantiles: list[QuantileSpec] = []
    added: list[AggregateSpec] = []
    rows = Rows(table, me, looking.ranges if looking else None)
    for columns in for_each(outputs, lambda output, lane: _prepared(output, schema, rows.on(lane), looking), me):
        table = table.with_columns(columns)
    for output in outputs:
        assert not output.is_distinct, "these are counted by `guard`"
        match output.function:
            case "quantile_cont" | "quantile_disc":
                assert output.over is not None
                assert output.fraction is not None
                is_between = output.function == "quantile_cont"
                quantiles.append(QuantileSpec(output.name, output.over, Fraction(output.fraction), is_between))
            case "sum_squares":
                specs.append(AggregateSpec(output.name, "sum", _squares(output)))
            case "sum" | "count" if output.times is not None:
                specs.append(AggregateSpec(output.name, "sum", _times(output)))
            case "sum" | "count" | "min" | "max":
                function = "count_star" if output.over is None else output.function
                specs.append(AggregateSpec(output.name, function, output.over))
            case "avg" | "var_samp" | "var_pop" | "stddev_samp" | "stddev_pop":
                raise ShapeError(f"the passes leave no {output.function}")
        if looking is not None and output.name in looking.sums:
            added.append(AggregateSpec(high_name(output.name), "sum", high_name(output.name)))
    specs += added
    if not quantiles:
        return _with_totals(group_by(table, keys, specs, me, carried, who, in_order, runs), outputs)
    assert who is None, "quantiles need the order of values"
    table = with_picks(table, keys, quantiles, me, runs)
    sums = [*specs, *(each for q in quantiles for each in q.sums())]
    groups = group_by(table, keys, sums, me, carried, in_order="all")  # as the windows of the quantiles leave them
    columns_of = for_each(quantiles, lambda q, lane: _quantile(q, groups, schema, lane), me)
    found = {q.out: column for q, column in zip(quantiles, columns_of, strict=True)}
    names = [*keys, *carried, *(output.name for output in outputs), *(spec.out for spec in added)]
    return _with_totals(groups.with_columns(found).select(names), outputs)


def _with_totals(groups: SecretTable, outputs: Sequence[AggregateOutput]) -> SecretTable:
    """Let the totals of counts be 0 where no row is, which other sums are NULL of."""
    totals = [o.name for o in outputs if o.is_total_of_counts or (o.times is not None and o.function == "count")]
    return groups.with_columns({name: replace(groups.columns[name], present=None) for name in totals})


def _prepared(output: AggregateOutput, schema: Schema, rows: Rows, looking: Looking | None) -> dict[str, SecretColumn]:
    """Return the columns that one output needs beside those of the table, after what has to be looked at was."""
    if output.times is not None:
        return _repeated(output, output.times, rows, looking)
    if output.over is None:
        return {}
    column, table, me = _column(output, schema), rows.table, rows.me
    made: dict[str, SecretColumn] = {}
    over = output.over
    if output.function == "quantile_cont" and looking is not None:
        looking.at_rows(looking.as_double(column, rows), table, me)
    if output.function == "sum_squares":
        words = words_of(Arithmetic("*", column, column), rows)
        over = _squares(output)
        made[over] = SecretColumn(words.values, words.present)
        if looking is not None:
            looking.at_rows(words, table, me)
    if looking is not None and output.name in looking.sums:
        made[high_name(output.name)] = looking.high_part(over, column, table.with_columns(made), me)
    return made


def _repeated(output: AggregateOutput, times: str, rows: Rows, looking: Looking | None) -> dict[str, SecretColumn]:
    """Return what each row adds that counts as often as `times` says: so many times its value, or just so many."""
    table, me, name = rows.table, rows.me, _times(output)
    if output.function == "sum":
        product = times_of(output.over or "", times)
        words = words_of(product, rows)
        added = Column(name, Integer(64))
        if looking is not None:
            is_added_up = output.name in looking.sums
            looking.at_rows(within(words, looking.ranges.added(product).left if is_added_up else None, me), table, me)
        made = SecretColumn(words.values, words.present)
    else:
        added, there = Column(times, Integer(64)), None if output.over is None else table.columns[output.over].present
        made = SecretColumn(table.columns[times].values, both(there, table.columns[times].present, me))
    columns = {name: made}
    if looking is not None and output.name in looking.sums:
        # Beside its own limit of a number that is not looked at yet.
        over = times if added.name == times else name
        columns[high_name(output.name)] = looking.high_part(over, added, table.with_columns(columns), me)
    return columns


def _times(output: AggregateOutput) -> str:
    return f"{output.name}\0times"


def _squares(output: AggregateOutput) -> str:
    return f"{output.name}\0squares"


def _column(output: AggregateOutput, schema: Schema) -> Column:
    over = next(f for f in schema if f.name == output.over)
    return Column(over.name, over.type, over.nullable)


def _quantile(spec: QuantileSpec, groups: SecretTable, schema: Schema, me: Party) -> SecretColumn:
    low = groups.columns[spec.low]
    if not spec.is_between:
        return low
    kind = next(f.type for f in schema if f.name == spec.over)
    high = groups.columns[spec.high]
    first, second = for_each((low, high), lambda c, lane: convert(Words(c.values, c.present, kind), Double(), lane), me)
    upper = SecretColumn(second.values, second.present)
    values = between(first.values, upper, groups.columns[spec.rest].values, spec.fraction.denominator, me)
    return SecretColumn(values, low.present)
