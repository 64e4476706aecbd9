"""Different values are counted in each group; groups of too few subjects stop existing, before anybody sees how many there
were.

Subjects are counted over all rows of a group, whoever shared them: somebody who is with several owners counts once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from conclave.ir.guard import Guard
from conclave.ir.nodes import AggregateOutput
from conclave.ir.types import Schema
from conclave.mpc.bits import and_bits
from conclave.mpc.compare import is_zero, less_than
from conclave.mpc.convert import bit_to_arithmetic
from conclave.mpc.errors import TooFewSubjects
from conclave.mpc.party import Party
from conclave.mpc.shares import AShare, BitShare, concat_arithmetic, concat_bits, open_bits, public_share
from conclave.mpc.together import for_each, pair
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.aggregates_of import aggregate_rows
from conclave.operators.groupby import group_by, last_of_each
from conclave.operators.looking import Looking
from conclave.operators.table import SecretColumn, SecretTable, both

COUNT_BITS = 63  # counts of rows, which are compared as numbers of less than a word


OnTooFew = Callable[[], None]


def refuse_too_few() -> None:
    """End the protocol because a group has fewer subjects than its rows' owner asks for."""
    raise TooFewSubjects


def guarded_rows(
    table: SecretTable,
    schema: Schema,
    keys: Sequence[str],
    outputs: Sequence[AggregateOutput],
    guards: Sequence[Guard],
    me: Party,
    carried: Sequence[str] = (),
    on_too_few: OnTooFew = refuse_too_few,
    looking: Looking | None = None,
) -> SecretTable:
    """Return `aggregate_rows`' table, with numbers of different values besides, of one column or several, and without the
    groups that fall short of a guard; without keys, with NULL for values.

    An aggregate over a column that may be NULL is NULL where the rows in which it is not have too few subjects.

    Shapes:  as `group_by`; it sorts once more for each column whose values are told apart.
    Reveals: nothing; with a guard that ends the run, whether something fell short. Then `on_too_few` is called.
    """
    plain = [output for output in outputs if not output.is_distinct]
    over = {output.name: output.over for output in outputs if output.over is not None}
    distinct = {output.name: output.over for output in outputs if output.is_distinct and output.over is not None}
    partial = sorted({name for name in over.values() if table.columns[name].present is not None})
    counted: dict[str, list[str | None]] = {name: [None] for name in sorted(set(distinct.values()))}
    counted |= {subject: [None, *partial] for subject in sorted({guard.subject for guard in guards})}
    counts: dict[tuple[str, str | None], AShare] = {}

    def count(name: str, lane: Party) -> None:
        found = count_distinct(table, keys, name, counted[name], lane)
        counts.update({(name, where): n for where, n in zip(counted[name], found, strict=True)})

    groups, _ = pair(
        lambda lane: aggregate_rows(table, schema, keys, plain, carried, lane, looking=looking),
        lambda lane: for_each(counted, count, lane),
        me,
    )
    groups = groups.with_columns({out: SecretColumn(counts[name, None]) for out, name in distinct.items()})
    return _suppressed(groups, keys, over, partial, guards, counts, me, on_too_few) if guards else groups


def count_distinct(
    table: SecretTable, keys: Sequence[str], over: str, where: Sequence[str | None], me: Party
) -> list[AShare]:
    """Return how many different values `over` has in each group of `keys`, NULL being none.

    For each column in `where` only rows in which it is not NULL count; None stands for all.

    Shapes:  as many numbers as `group_by` gives rows, group by group in its order.
    Reveals: nothing.
    """
    named = {f"count {k}": name for k, name in enumerate(where) if name is not None}
    runs = group_by(
        table, list(dict.fromkeys([*keys, over])), [AggregateSpec(out, "count", n) for out, n in named.items()], me
    )
    there = both(runs.valid, runs.columns[over].present, me)
    bits: list[BitShare] = [there if there is not None else runs.valid_bits(me)] * len(where)
    if named and runs.n_rows:
        some = is_zero(concat_arithmetic([runs.columns[out].values for out in named]), me).invert(me)
        counted = and_bits(some, concat_bits([bits[0]] * len(named)), me).split(len(named))
        restricted = iter(counted)
        bits = [bits[0] if name is None else next(restricted) for name in where]
    ones = bit_to_arithmetic(concat_bits(bits), me).split(len(bits))
    if not keys:
        return [column.total() for column in ones]
    return last_of_each(runs, keys, ones, me)


def _suppressed(
    groups: SecretTable,
    keys: Sequence[str],
    over: Mapping[str, str],
    partial: Sequence[str],
    guards: Sequence[Guard],
    counts: Mapping[tuple[str, str | None], AShare],
    me: Party,
    on_too_few: OnTooFew,
) -> SecretTable:
    """Clear the valid bits of groups, and the present bits of values, that fall short."""
    places: list[str | None] = [None, *partial]
    asked = [(guard, where) for guard in guards for where in places]
    least = concat_arithmetic([public_share(guard.least, groups.n_rows, me) for guard, _ in asked])
    below = less_than(concat_arithmetic([counts[g.subject, where] for g, where in asked]), least, me, COUNT_BITS)
    short = below.split(len(asked))
    _end_if_short(
        [bits for bits, (guard, _) in zip(short, asked, strict=True) if guard.ends_run], groups, me, on_too_few
    )
    suffices: dict[str | None, BitShare] = {}
    for bits, (_, where) in zip(short, asked, strict=True):
        enough = both(suffices.get(where), bits.invert(me), me)
        assert enough is not None
        suffices[where] = enough
    columns = dict(groups.columns)
    for name in [name for name in columns if name in over or not keys]:
        of = over.get(name)
        place = of if of in partial else None
        if place is not None or not keys:
            columns[name] = replace(columns[name], present=both(columns[name].present, suffices[place], me))
    valid = both(groups.valid, suffices[None], me) if keys else groups.valid
    return replace(groups, columns=columns, valid=valid)


def _end_if_short(short: Sequence[BitShare], groups: SecretTable, me: Party, on_too_few: OnTooFew) -> None:
    """Open whether any group that exists falls short of a guard that ends the run."""
    if not short or not groups.n_rows:
        return
    exists = both(concat_bits([groups.valid_bits(me)] * len(short)), concat_bits(list(short)), me)
    assert exists is not None
    total = bit_to_arithmetic(exists, me).total()
    if not open_bits(is_zero(total, me), me)[0]:
        on_too_few()
