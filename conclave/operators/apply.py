"""From one operator of the plan to the protocol that runs it: `conclave.ir.nodes` meets the operators of this package."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from conclave.ir.expressions import Column
from conclave.ir.nodes import (
    Aggregate,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Project,
    Scan,
    Sort,
)
from conclave.ir.noise import Noise
from conclave.ir.types import Schema, Varchar, is_packed
from conclave.ir.window import SortKey as IrSortKey
from conclave.ir.window import Window
from conclave.ir.words import n_text_words, text_column
from conclave.mpc.known import AllKnow, Knowledge, OneKnows
from conclave.mpc.party import Party
from conclave.operators.aggregates_of import aggregate_rows
from conclave.operators.bounded import OnMore, join_bounded, left_join_bounded, refuse_more
from conclave.operators.compact import compact
from conclave.operators.evaluate import choose, project
from conclave.operators.guard import OnTooFew, guarded_rows, refuse_too_few
from conclave.operators.hybrid import seen_join
from conclave.operators.join import (
    anti_join,
    cross_one,
    join_nested,
    join_unique,
    left_join_unique,
    semi_join,
    with_unmatched,
)
from conclave.operators.looking import Looking, high_name
from conclave.operators.match import OnRepeated, refuse_repeated
from conclave.operators.noise import Draw, noised
from conclave.operators.seen import shuffle_rows
from conclave.operators.sort import SortKey, sort_existing, sort_table
from conclave.operators.table import SecretTable, concat
from conclave.operators.watch import Watch
from conclave.operators.window import window
from conclave.plan.steps import Bounded, MpcStep


def apply(
    step: MpcStep,
    tables: Mapping[str, SecretTable],
    me: Party,
    on_repeated: OnRepeated = refuse_repeated,
    on_too_few: OnTooFew = refuse_too_few,
    watch: Watch | None = None,
    *,
    on_more: OnMore = refuse_more,
    draw: Draw,
    as_if_all_exist: bool = False,
) -> SecretTable:
    """Run one step on the shared tables that its operator's Inputs name. `draw` is this party's own noise.

    What the step has to look at, it says to `watch`, whose end opens the one bit that becomes of it.
    `as_if_all_exist`: see `compact`.

    Reveals: nothing; a step whose keys somebody sees, those, see `hybrid` and `groupby`; one that checks keys, to the
             three, whether they repeat, or repeat more often than was said; one whose guard ends the run, whether a group falls short of it; one that is
             compacted, to the three, how many rows it makes.
    Raises:  RepeatedKeys, TooManyMatches, TooFewSubjects if so, unless `on_repeated`, `on_more`, `on_too_few` say otherwise.
    """
    made = _operate(step, tables, me, on_repeated, on_more, on_too_few, watch or Watch(), draw)
    return compact(made, me, as_if_all_exist) if step.is_compacted else made


def _operate(
    step: MpcStep,
    tables: Mapping[str, SecretTable],
    me: Party,
    on_repeated: OnRepeated,
    on_more: OnMore,
    on_too_few: OnTooFew,
    watch: Watch,
    draw: Draw,
) -> SecretTable:
    check = on_repeated if step.checks_keys else None
    looking = Looking.of(step.checked, watch)
    ranges = looking.ranges if looking is not None else None
    match step.operator:
        case Project(source, outputs):
            return project(_table(source, tables), outputs, me, ranges, watch)
        case Filter(source, predicate):
            return choose(_table(source, tables), predicate, me, ranges, watch)
        case Concat(parts):
            return _concat([_table(part, tables) for part in parts], me)
        case Aggregate(source, keys, aggregates):
            table = _table(source, tables)
            # Bytes that the answer does not show were not shared.
            carried = [name for key in keys for name in _texts_of(source.schema, key) if name in table.columns]
            guards = step.operator.guards
            if guards or any(output.is_distinct for output in aggregates):
                groups = guarded_rows(table, source.schema, keys, aggregates, guards, me, carried, on_too_few, looking)
            else:
                who, schema, by = _who(step, me), source.schema, step.sorts_by or keys
                carried += [key for key in keys if key not in by]
                runs = _runs(step, tables)
                groups = aggregate_rows(table, schema, by, aggregates, carried, me, who, looking, step.in_order, runs)
            return groups if looking is None else looking.settle(groups, table.n_rows, me)
        case Noise(source):
            return noised(_table(source, tables), step.operator, step.name, me, draw)
        case Join(left, right, on, how):
            who, (a, b) = _who(step, me), (_table(left, tables), _table(right, tables))
            if who is not None:
                return seen_join(a, b, on, how, step.unique_side, who, me, check)
            if step.bounded is not None:
                return _join_bounded(a, b, step.operator, step.bounded, on_more, me)
            return _join(a, b, step.operator, step.unique_side, check, me, _runs(step, tables))
        case CrossOne(left, right):
            return cross_one(_table(left, tables), _table(right, tables), me)
        case Sort(source, keys):
            if step.in_order != "no":
                return sort_existing(_table(source, tables), step.in_order, me)
            return sort_table(_in_no_order(_table(source, tables), me), _ordering(source, keys), me)
        case Window(source, partition, keys, made):
            texts = {o.over: _texts_of(source.schema, o.over) for o in made if o.over is not None}
            table = _table(source, tables) if step.in_order != "no" else _in_no_order(_table(source, tables), me)
            if looking is None:
                return window(table, partition, _ordering(source, keys), made, me, texts, step.in_order)
            return _window_looked_at(table, step, step.operator, looking, me, texts)
        case Limit(source, count):
            return _table(source, tables).first(count)
        case Scan() | Input() | Collect():
            raise AssertionError("no operator of MPC")
        case _ as never:
            assert_never(never)


def _in_no_order(table: SecretTable, me: Party) -> SecretTable:
    """Return the rows in an order that nobody knows.

    A sort is stable, so among rows that it takes for equal it keeps the order there is. That may be an owner's, or what
    who sees keys knows: with `ROW_NUMBER` or `LIMIT` the answer would tell which of their rows is which.
    """
    return shuffle_rows(table, [], me)[0]


def _who(step: MpcStep, me: Party) -> Knowledge | None:
    """Return who sees the step's keys; None if nobody does."""
    match step.seen_by:
        case ():
            return None
        case (one,):
            return OneKnows(me.index_of(one))
    assert set(step.seen_by) == set(me.names)
    return AllKnow()


def _table(source: Node, tables: Mapping[str, SecretTable]) -> SecretTable:
    assert isinstance(source, Input)
    return tables[source.name]


def _runs(step: MpcStep, tables: Mapping[str, SecretTable]) -> list[int]:
    """Return how many rows each owner has put in order, of the rows that the step is about to."""
    return [tables[name].n_rows for name in step.merges]


def _concat(parts: list[SecretTable], me: Party) -> SecretTable:
    # A part that another operator reads, too, may carry texts that are not wanted here.
    common = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
    return concat([part.select(common) for part in parts], me)


def _texts_of(schema: Schema, name: str) -> list[str]:
    kind = next(f.type for f in schema if f.name == name)
    if not isinstance(kind, Varchar) or is_packed(kind):
        return []
    return [text_column(name, k) for k in range(n_text_words(kind.max_bytes))]


def _window_looked_at(
    table: SecretTable, step: MpcStep, node: Window, looking: Looking, me: Party, texts: Mapping[str, Sequence[str]]
) -> SecretTable:
    """Return the rows of a window some of whose sums are looked at."""
    fields, high, parts = {f.name: f for f in node.source.schema}, [], {}
    for output in node.outputs:
        if output.name in looking.sums and output.over is not None:
            over, part = fields[output.over], f"{high_name(output.name)}\0part"
            parts[part] = looking.high_part(over.name, Column(over.name, over.type, over.nullable), table, me)
            high.append(replace(output, name=high_name(output.name), over=part))
    widened = table.with_columns(parts)
    ordering, outputs = _ordering(node.source, node.order), (*node.outputs, *high)
    rows = window(widened, node.partition, ordering, outputs, me, texts, step.in_order)
    settled = looking.settle(rows, table.n_rows, me)
    return settled.select([name for name in settled.columns if name not in parts])


def _ordering(source: Node, keys: tuple[IrSortKey, ...]) -> list[SortKey]:
    return [
        SortKey(key.column, key.descending, key.nulls_first, tuple(_texts_of(source.schema, key.column)))
        for key in keys
    ]


def _join(
    left: SecretTable,
    right: SecretTable,
    join: Join,
    unique_side: str | None,
    check: OnRepeated | None,
    me: Party,
    runs: Sequence[int],
) -> SecretTable:
    on = join.on
    match join.how:
        case "semi":
            return semi_join(left, right, on, me, runs)
        case "anti":
            return anti_join(left, right, on, me, runs)
        case "left" if unique_side == "right":
            return left_join_unique(left, right, on, me, check, runs)
        case "left":
            matched = _join(left, right, replace(join, how="inner"), unique_side, check, me, runs)
            return with_unmatched(matched, left, right, on, me)
        case "inner":
            if unique_side == "right":
                return join_unique(left, right, on, me, check, runs)
            if unique_side == "left":
                return join_unique(right, left, [(r, l_) for l_, r in on], me, check, runs)
            return join_nested(left, right, on, me)
        case _ as never:
            assert_never(never)


def _join_bounded(
    left: SecretTable, right: SecretTable, join: Join, bounded: Bounded, on_more: OnMore, me: Party
) -> SecretTable:
    on, most = join.on, bounded.most
    if bounded.side == "right":
        work = left_join_bounded if join.how == "left" else join_bounded
        return work(left, right, on, most, me, on_more)
    matched = join_bounded(right, left, [(r, l_) for l_, r in on], most, me, on_more)
    return with_unmatched(matched, left, right, on, me) if join.how == "left" else matched
