from collections import defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.mpc.errors import RepeatedKeys, ShapeError, TooManyPairs
from conclave.mpc.shares import BitShare, concat_bits
from conclave.operators.aggregate import AggregateSpec
from conclave.operators.groupby import distinct, group_by
from conclave.operators.join import (
    anti_join,
    cross_one,
    join_nested,
    join_unique,
    left_join_unique,
    semi_join,
    with_unmatched,
)
from conclave.operators.match import refuse_repeated
from conclave.operators.sort import SortKey, sort_table
from conclave.operators.table import SecretColumn, SecretTable, concat
from tests.conclave.mpc.three import run_three_parties
from tests.conclave.operators.tables import KEEP, bag, declare, keep_odd, kept, rows_of, run_tables

T = declare("t", "delta", {KEEP: True, "k": True, "j": False, "v": True}, k=3, j=3)
ROWS = rows_of(True, True, False, True, wide=True)
SPECS = [
    AggregateSpec("total", "sum", "v"),
    AggregateSpec("known", "count", "v"),
    AggregateSpec("n", "count_star"),
    AggregateSpec("low", "min", "v"),
    AggregateSpec("high", "max", "v"),
    AggregateSpec("total_j", "sum", "j"),
    AggregateSpec("n_j", "count", "j"),
    AggregateSpec("high_j", "max", "j"),
]


def aggregates(rows):
    v, j = [row[2] for row in rows if row[2] is not None], [row[1] for row in rows]
    total = (sum(v) + (1 << 63)) % (1 << 64) - (1 << 63)
    return (
        total if v else None,
        len(v),
        len(rows),
        min(v, default=None),
        max(v, default=None),
        sum(j) if j else None,
        len(j),
        max(j, default=None),
    )


def grouped(rows, places):
    groups = defaultdict(list)
    if not places:
        groups[()] = []
    for row in rows:
        groups[tuple(row[p] for p in places)].append(row)
    return bag([key + aggregates(members) for key, members in groups.items()])


@pytest.mark.parametrize("keys", [[], ["k"], ["j"], ["j", "k"]])
@given(rows=ROWS)
@example(rows=[])
@example(rows=[(1, None, 2, None)])
@settings(max_examples=6)
def test_group_by_agrees_with_python(keys, rows):
    places = [["k", "j"].index(key) for key in keys]
    got = run_tables(lambda t, me: group_by(keep_odd(t, me), keys, SPECS, me), [(T, rows)])
    assert bag(got) == grouped(kept(rows), places)
    # The same where all rows exist, which takes other paths: counts are public, for one.
    got = run_tables(
        lambda t, me: group_by(t.select(["k", "j", "v"]), keys, SPECS, me),
        [(T, rows)],
    )
    assert bag(got) == grouped([row[1:] for row in rows], places)


@given(rows=ROWS)
def test_distinct_returns_each_row_once(rows):
    got = run_tables(lambda t, me: distinct(keep_odd(t, me), me), [(T, rows)])
    assert bag(got) == bag(sorted(set(kept(rows)), key=str))


@given(rows=ROWS, descending=st.booleans(), nulls_first=st.booleans(), k=st.integers(0, 5))
def test_sort_and_top_k_agree_with_python(rows, descending, nulls_first, k):
    keys = [SortKey("v", descending, nulls_first), SortKey("j", not descending)]

    def order(row):
        value, sign = row[2], -1 if descending else 1
        return (value is None) != nulls_first, sign * (value or 0), -sign * row[1]

    expected = sorted(kept(rows), key=order)
    got = run_tables(lambda t, me: sort_table(keep_odd(t, me), keys, me), [(T, rows)], keep_order=True)
    assert got == expected
    got = run_tables(lambda t, me: sort_table(keep_odd(t, me), keys, me).first(k), [(T, rows)], keep_order=True)
    assert got == expected[:k]


R = declare("r", "echo", {KEEP: True, "rk": True, "rj": False, "w": True}, rk=3, rj=3)
ON = [("k", "rk"), ("j", "rj")]


def joined(left, right):
    return bag([a + b for a in left for b in right if None not in a[:2] + b[:2] and a[:2] == b[:2]])


def with_unique_keys(rows):
    """Keep the first of all rows with equal keys, and drop the others through the predicate."""
    seen, result = set(), []
    for row in rows:
        is_new = row[1:3] not in seen
        result.append((1 if is_new else 0, *row[1:]))
        seen.add(row[1:3])
    return result


@given(left=ROWS, right=ROWS.map(with_unique_keys))
@example(left=[], right=[])
@example(left=[(1, 2, 3, 4)], right=[])
@example(left=[], right=[(1, 2, 3, 4)])
@settings(max_examples=20)
def test_join_with_unique_keys_agrees_with_python(left, right):
    got = run_tables(lambda t, r, me: join_unique(keep_odd(t, me), keep_odd(r, me), ON, me), [(T, left), (R, right)])
    assert bag(got) == joined(kept(left), kept(right))


@given(
    keys=st.lists(st.integers(-4, 4), max_size=12),
    others=st.lists(st.integers(-4, 4), max_size=5, unique=True),
)
@example(keys=[0, 1], others=[3])
@example(keys=[0], others=[])
def test_joins_where_every_row_exists_and_no_key_is_null(keys, others):
    left, right = declare("a", "alpha", {"x": False}, x=4), declare("b", "echo", {"y": False, "z": False}, y=4)
    rows = [(x,) for x in keys], [(y, 7 * y) for y in others]
    tables = list(zip((left, right), rows, strict=True))
    inner = run_tables(lambda a, b, me: join_unique(a, b, [("x", "y")], me), tables)
    assert bag(inner) == bag([(x, x, 7 * x) for x in keys if x in others])
    outer = run_tables(lambda a, b, me: left_join_unique(a, b, [("x", "y")], me), tables)
    assert bag(outer) == bag([(x, x, 7 * x) if x in others else (x, None, None) for x in keys])
    semi = run_tables(lambda a, b, me: semi_join(a, b, [("x", "y")], me), tables)
    assert bag(semi) == bag([(x,) for x in keys if x in others])


@given(keys=st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), max_size=6))
@example(keys=[(1, 2), (0, 2), (1, 3)])
@example(keys=[(1, 2), (1, 3), (1, 2)])
def test_declared_keys_are_checked_among_the_rows_that_exist(keys):
    left, right = declare("a", "alpha", {"x": False}, x=4), declare("b", "echo", {KEEP: True, "y": False}, y=4)
    there = [key for keep, key in keys if keep]

    def work(a, b, me):
        return join_unique(a, keep_odd(b, me), [("x", "y")], me, refuse_repeated)

    tables = [(left, [(2,), (3,)]), (right, keys)]
    if len(set(there)) == len(there):
        assert bag(run_tables(work, tables)) == bag([(x, x) for x in (2, 3) if x in there])
    else:
        with pytest.raises(RepeatedKeys, match="y: rows of different owners"):
            run_tables(work, tables)


def test_join_on_wide_keys_where_every_row_exists():
    ends = [-(1 << 63), (1 << 63) - 1, 0, -1, 1 << 62]
    left, right = declare("a", "alpha", {"x": False}), declare("b", "echo", {"y": False, "z": False})
    rows = [(x,) for x in ends * 3], [(y, k) for k, y in enumerate([*ends[::-1], 5])]
    got = run_tables(lambda a, b, me: join_unique(a, b, [("x", "y")], me), list(zip((left, right), rows, strict=False)))
    assert bag(got) == bag([(x, y, z) for (x,) in rows[0] for y, z in rows[1] if x == y])


@given(left=ROWS, right=rows_of(True, True, False, True, max_size=5))
def test_nested_join_agrees_with_python(left, right):
    got = run_tables(lambda t, r, me: join_nested(keep_odd(t, me), keep_odd(r, me), ON, me), [(T, left), (R, right)])
    assert bag(got) == joined(kept(left), kept(right))


def left_joined(left, right):
    found = {row for row in left for other in right if joined([row], [other])}
    return bag([*joined(left, right).elements(), *((*row, None, None, None) for row in left if row not in found)])


@given(left=ROWS, right=ROWS.map(with_unique_keys))
@example(left=[], right=[])
@example(left=[(1, 2, 3, 4)], right=[])
@example(left=[], right=[(1, 2, 3, 4)])
@example(left=[(1, 2, 3, 4)] * 3 + [(1, 2, 2, 4)] * 2, right=[(1, 2, 3, 4)])
def test_left_join_with_unique_keys_agrees_with_python(left, right):
    got = run_tables(
        lambda t, r, me: left_join_unique(keep_odd(t, me), keep_odd(r, me), ON, me), [(T, left), (R, right)]
    )
    assert bag(got) == left_joined(kept(left), kept(right))


@given(left=ROWS, right=rows_of(True, True, False, True, max_size=5))
@example(left=[(1, 2, 3, 4)], right=[])
def test_any_left_join_is_its_matches_and_the_rest(left, right):
    def work(t, r, me):
        t, r = keep_odd(t, me), keep_odd(r, me)
        return with_unmatched(join_nested(t, r, ON, me), t, r, ON, me)

    assert bag(run_tables(work, [(T, left), (R, right)])) == left_joined(kept(left), kept(right))


@given(left=ROWS, right=ROWS)
@example(left=[(1, 2, 3, 4)], right=[])
@example(left=[(1, 2, 3, 4)] * 3, right=[(0, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 6)])
@settings(max_examples=20)
def test_semi_and_anti_join_part_the_rows_whatever_repeats(left, right):
    partners = {row[:2] for row in kept(right) if None not in row[:2]}
    for join, is_wanted in ((semi_join, True), (anti_join, False)):
        got = run_tables(
            lambda t, r, me, join=join: join(keep_odd(t, me), keep_odd(r, me), ON, me), [(T, left), (R, right)]
        )
        assert bag(got) == bag([row for row in kept(left) if (row[:2] in partners) == is_wanted])


@given(left=ROWS, right=st.tuples(st.integers(0, 1), st.none(), st.integers(-3, 3), st.integers(-3, 3)))
def test_cross_with_one_row_puts_it_beside_every_row(left, right):
    got = run_tables(lambda t, r, me: cross_one(keep_odd(t, me), keep_odd(r, me), me), [(T, left), (R, [right])])
    assert bag(got) == bag([a + b for a in kept(left) for b in kept([right])])


def test_concat_of_nullable_and_not_widens():
    a, b = declare("a", "alpha", {"x": False}, x=3), declare("b", "echo", {"x": True}, x=5)
    got = run_tables(lambda a, b, me: concat([a, b], me), [(a, [(1,), (2,)]), (b, [(None,), (9,)])])
    assert bag(got) == bag([(1,), (2,), (None,), (9,)])


def test_tables_that_do_not_fit_are_refused():
    x = np.arange(3)

    def table(values):
        return SecretTable(values.n, {"x": SecretColumn(values)})

    for work in (
        lambda a, me: SecretTable(4, {"x": SecretColumn(a)}),
        lambda a, me: join_nested(table(a), table(a), [("x", "x")], me),
        lambda a, me: cross_one(table(a), table(a).rename({"x": "y"}), me),
        lambda a, me: concat([table(a), table(a).rename({"x": "y"})], me),
    ):
        with pytest.raises(ShapeError):
            run_three_parties(work, x)
    with pytest.raises(ShapeError):
        AggregateSpec("n", "sum")


def test_a_join_pair_by_pair_has_a_limit(monkeypatch):
    monkeypatch.setattr("conclave.operators.join.MOST_PAIRS", 5)

    def work(a, me):
        left = SecretTable(a.n, {"x": SecretColumn(a)})
        return join_nested(left, left.rename({"x": "y"}), [("x", "y")], me)

    with pytest.raises(TooManyPairs, match="x = y would compare 3 rows with 3"):
        run_three_parties(work, np.arange(3))


def test_what_is_sent_does_not_depend_on_the_data():
    def work(a, bits, me):
        valid = bits if isinstance(bits, BitShare) else None
        table = SecretTable(a.n, {"x": SecretColumn(a), "y": SecretColumn(a + a)}, valid)
        groups = group_by(table, ["x"], [AggregateSpec("low", "min", "y")], me)
        other = groups.rename({"x": "z"})
        found = [
            join_unique(table, other, [("x", "z")], me),
            left_join_unique(table, other.rename({"low": "lowest"}), [("x", "z")], me),
            semi_join(table, table.rename({"x": "z"}), [("x", "z")], me),
            anti_join(table, other, [("x", "z")], me),
        ]
        return concat_bits([each.valid_bits(me) for each in found])

    first = run_three_parties(work, np.arange(20), np.ones(20, bool))
    second = run_three_parties(work, np.zeros(20, np.int64), np.zeros(20, bool))
    assert first.transcripts == second.transcripts
