"""Window functions: sort, mark where partitions and rows that are ordered alike begin and end, and add up or copy.

After the sort everything is linear in the number of rows, but MIN and MAX, which are a scan (`mpc.scan`). A running sum
is a prefix sum less what it was before the partition; what a run's first or last row holds is copied to all (`runs`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from conclave.ir.window import RowFunction, WindowOutput
from conclave.mpc.bits import and_bits
from conclave.mpc.compare import is_zero
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.party import Party
from conclave.mpc.scan import segmented_minimum
from conclave.mpc.shares import (
    AShare,
    BitShare,
    concat_arithmetic,
    concat_bits,
    public_bits,
    public_share,
)
from conclave.mpc.together import pair, together
from conclave.operators.aggregate import Counted, comparison_bits
from conclave.operators.runs import Runs, copy_to_runs, ends_within, runs_of, whole_run
from conclave.operators.sort import SortKey, bring_in_order, key_planes, sort_existing, words_of_planes
from conclave.operators.table import InOrder, SecretColumn, SecretTable


@dataclass(frozen=True, eq=False)
class Ordered:
    """The rows in order, with the runs that are partitions and those that are ordered alike within one."""

    table: SecretTable
    partitions: Runs
    peers: Runs


def window(
    table: SecretTable,
    by: Sequence[str],
    keys: Sequence[SortKey],
    outputs: Sequence[WindowOutput],
    me: Party,
    texts: Mapping[str, Sequence[str]],
    in_order: InOrder = "no",
    runs: Sequence[int] = (),
) -> SecretTable:
    """Return the rows with a column for each window function; `texts` names the columns with a long string's bytes.

    `in_order`: whether rows stand ordered already; then nothing is sorted, or only which rows exist. `runs`: see
    `bring_in_order`.

    Shapes:  the rows of the table, ordered by partition and keys, those that do not exist last; sums wrap at 64 bits.
    Reveals: uniformly random permutations, nothing of the data.
    """
    ordered = _in_order(table, by, keys, in_order, runs, me)
    numbers = [o for o in outputs if o.function in ("row_number", "rank", "dense_rank")]
    aggregates = [o for o in outputs if o.function in ("sum", "count", "min", "max")]
    shifted = [o for o in outputs if o.function in ("lag", "lead") and o.over is not None]
    protocols: list[Callable[[Party], dict[str, SecretColumn]]] = [
        partial(_numbers, numbers, ordered),
        *(partial(_shifted, output, texts.get(output.over or "", ()), ordered) for output in shifted),
        partial(_aggregates, aggregates, ordered),
    ]
    columns: dict[str, SecretColumn] = {}
    for made in together(protocols, me):
        columns |= made
    return ordered.table.with_columns(columns)


def _in_order(
    table: SecretTable, by: Sequence[str], keys: Sequence[SortKey], in_order: InOrder, runs: Sequence[int], me: Party
) -> Ordered:
    if in_order != "no":
        table = sort_existing(table, in_order, me)
    own, alike = pair(
        lambda lane: key_planes(table, [SortKey(name) for name in by], lane),  # what does not exist is a partition
        lambda lane: key_planes(replace(table, valid=None), keys, lane),
        me,
    )
    if table.n_rows == 0 or (own is None and alike is None):
        whole = whole_run(table.n_rows, me)
        return Ordered(table, whole, whole)
    parts = [planes for planes in (alike, own) if planes is not None]
    if in_order == "no":
        columns, words = bring_in_order(list(table.shares()), parts, runs, me)
    else:
        columns, words = list(table.shares()), [words_of_planes(planes) for planes in parts]
    partitions = runs_of(words[-1] if own is not None else [], table.n_rows, me)
    peers = runs_of(list(chain(*words)), table.n_rows, me) if alike is not None else partitions
    return Ordered(table.with_shares(columns), partitions, peers)


def _numbers(outputs: Sequence[WindowOutput], ordered: Ordered, me: Party) -> dict[str, SecretColumn]:
    """Return row numbers and ranks: a count of rows, or of runs of peers, less what it was where the partition began."""
    functions: dict[RowFunction, AShare] = {}
    n = ordered.table.n_rows
    position = public_share(np.arange(1, n + 1, dtype=np.uint64), n, me)
    for function in {output.function for output in outputs}:
        match function:
            case "row_number":
                functions["row_number"] = position
            case "rank":
                (functions["rank"],) = copy_to_runs([position], ordered.peers, me)
            case "dense_rank":
                functions["dense_rank"] = bit_to_arithmetic(ordered.peers.is_first, me).prefix_sums()
    names = sorted(functions)
    starts = copy_to_runs([functions[name] for name in names], ordered.partitions, me)
    counted = {name: (functions[name] - start).add_public(1, me) for name, start in zip(names, starts, strict=True)}
    return {o.name: SecretColumn(counted[o.function]) for o in outputs if o.function in counted}


def _shifted(output: WindowOutput, texts: Sequence[str], ordered: Ordered, me: Party) -> dict[str, SecretColumn]:
    """Return the values of `offset` rows before or after, where those are of the same partition."""
    n, forward = ordered.table.n_rows, output.function == "lead"
    step = min(output.offset, n)
    rows = np.arange(n) + step if forward else np.arange(n) - step
    there = rows.clip(0, max(n - 1, 0))
    ends = ordered.partitions.is_last if forward else ordered.partitions.is_first
    inside = ends_within(ends, step, forward, me).invert(me) if step else public_bits(1, n, me)
    over = output.over or ""
    column = ordered.table.columns[over].map(lambda share: share.take(there))
    present = inside if column.present is None else and_bits(inside, column.present, me)
    moved = {output.name: replace(column, present=present)}
    for k, text in enumerate(texts):
        if text in ordered.table.columns:
            moved[_renamed(text, over, output.name, k)] = ordered.table.columns[text].map(lambda s: s.take(there))
    return moved


def _renamed(text: str, over: str, name: str, index: int) -> str:
    assert text == f"{over}\0{index}"
    return f"{name}\0{index}"


def _aggregates(outputs: Sequence[WindowOutput], ordered: Ordered, me: Party) -> dict[str, SecretColumn]:
    """Return sums, counts and extremes of the frames; the rows that do not exist are in a partition of their own."""
    counted = _counted(sorted({o.over for o in outputs if o.over is not None}), ordered.table, me)
    n = ordered.table.n_rows
    totals: dict[tuple[str, str], AShare] = {}  # running from the table's start, by what is added up
    for output in outputs:
        over = output.over or ""
        if output.function == "sum":
            totals["sum", over] = counted[over].addends(me)
        if over and counted[over].ones is not None:
            totals["count", over] = counted[over].ones_or_public(me)
        elif output.function == "count":
            totals["count", ""] = public_share(1, n, me)
    names = sorted(totals)
    before = copy_to_runs([totals[name].prefix_sums() - totals[name] for name in names], ordered.partitions, me)
    running = {name: totals[name].prefix_sums() - start for name, start in zip(names, before, strict=True)}
    least = _extremes(outputs, counted, ordered.partitions, me)
    return _framed(outputs, running, least, counted, ordered, me)


def _framed(
    outputs: Sequence[WindowOutput],
    running: Mapping[tuple[str, str], AShare],
    least: Mapping[tuple[str, str], AShare],
    counted: Mapping[str, Counted],
    ordered: Ordered,
    me: Party,
) -> dict[str, SecretColumn]:
    """Return the running values as of the last row of each output's frame, NULL where nothing was counted."""
    wanted: dict[tuple[str, str, str], AShare] = {}
    for output in outputs:
        over = output.over or ""
        nullable = bool(over) and counted[over].ones is not None
        if output.function in ("min", "max"):
            wanted[output.frame, output.function, over] = least[output.function, over]
        else:
            name = (output.function, over if output.function == "sum" or nullable else "")
            wanted[output.frame, output.function, over] = running[name]
        if nullable:
            wanted[output.frame, "count", over] = running["count", over]
    done = {name: value for name, value in wanted.items() if name[0] == "rows"}
    for frame, runs in (("range", ordered.peers), ("partition", ordered.partitions)):
        names = sorted(name for name in wanted if name[0] == frame)
        done |= dict(zip(names, copy_to_runs([wanted[n] for n in names], runs, me, from_last=True), strict=True))
    present = _present(outputs, done, me)
    return {
        o.name: _column(o, done[o.frame, o.function, o.over or ""], present.get((o.frame, o.over or "")), counted)
        for o in outputs
    }


def _present(
    outputs: Sequence[WindowOutput], done: Mapping[tuple[str, str, str], AShare], me: Party
) -> dict[tuple[str, str], BitShare]:
    """Return in which rows a frame has any value, for those that may have none."""
    asked = {(o.frame, o.over or "") for o in outputs if o.function != "count" and o.over is not None}
    tested = sorted(name for name in asked if (name[0], "count", name[1]) in done)
    if not tested:
        return {}
    zero = is_zero(concat_arithmetic([done[frame, "count", over] for frame, over in tested]), me)
    return dict(zip(tested, zero.invert(me).split(len(tested)), strict=True))


def _column(
    output: WindowOutput, values: AShare, present: BitShare | None, counted: Mapping[str, Counted]
) -> SecretColumn:
    if output.function == "count":
        return SecretColumn(values)
    if output.function == "sum":
        return SecretColumn(values, present)
    column = counted[output.over or ""].column
    width, signed = (column.width, column.signed) if present is None else (64, True)
    return SecretColumn(values, present, width, signed)


def _counted(names: Sequence[str], table: SecretTable, me: Party) -> dict[str, Counted]:
    """Return which rows count, in the column's own partition: those that are not NULL."""
    nullable = {name: bits for name in names if (bits := table.columns[name].present) is not None}
    ones: dict[str, AShare] = {}
    if nullable:
        numbers = bit_to_arithmetic(concat_bits(list(nullable.values())), me)
        ones = dict(zip(nullable, numbers.split(len(nullable)), strict=True))
    return {name: Counted(table.columns[name], ones.get(name)) for name in names}


def _extremes(
    outputs: Sequence[WindowOutput], counted: Mapping[str, Counted], partitions: Runs, me: Party
) -> dict[tuple[str, str], AShare]:
    names = sorted({(o.function, o.over or "") for o in outputs if o.function in ("min", "max")})
    lows = [counted[over].candidates(function == "max", me) for function, over in names]
    bits = comparison_bits([counted[over].column for _, over in names])
    least = segmented_minimum(lows, partitions.is_first, me, bits)
    return {name: low.invert(me) if name[0] == "max" else low for name, low in zip(names, least, strict=True)}
