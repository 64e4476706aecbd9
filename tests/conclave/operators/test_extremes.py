"""Every operator at the ends of what tables hold: no row, one, none that exists, all alike, NULLs, the ends of words.

By the plaintext twin, for which a table more costs next to nothing; `test_twin` holds it to the three parties.
"""

import pytest
from hypothesis import given, settings

from conclave.mpc.known import AllKnow, OneKnows
from conclave.operators.aggregates_of import aggregate_rows
from conclave.operators.compact import compact
from conclave.operators.filter import filter_rows
from conclave.operators.groupby import distinct, group_by
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
from conclave.operators.sort import SortKey, sort_table
from conclave.operators.table import concat
from conclave.operators.window import window
from tests.conclave.operators import test_hybrid, test_relational, test_spread, test_window
from tests.conclave.operators.tables import bag, keep_odd, kept, run_twin
from tests.conclave.operators.test_relational import ON, ROWS, SPECS, R, T, grouped, joined, left_joined

MOST, LEAST = (1 << 63) - 1, -(1 << 63)
# Rows of: whether it exists (odd), two keys of three bits, of which the first may be NULL, and a number.
TABLES = {
    "no row": [],
    "one": [(1, 2, -3, MOST)],
    "one of NULLs": [(1, None, 0, None)],
    "none that exists": [(0, 2, 3, 4), (None, None, -3, LEAST), (0, 2, 3, 4)],
    "all alike": [(1, 2, 3, 5)] * 5,
    "all alike, and NULL": [(1, None, 3, None)] * 4,
    "one that exists, among its like": [(0, 1, 1, 1)] * 4 + [(1, 1, 1, 1)] + [(None, 1, 1, 1)],
    "the ends": [(1, 3, -4, MOST), (1, -4, 3, LEAST), (1, 3, 3, MOST), (1, None, -4, LEAST), (0, -4, -4, MOST)],
    "the ends of one group": [(1, 3, 3, MOST), (1, 3, 3, LEAST), (1, 3, 3, MOST), (1, 3, 3, None)],
    "NULLs among values": [(1, None, 1, None), (1, None, 1, 3), (1, 2, 1, None), (1, 2, 1, -3), (None, 2, 1, 7)],
}


def sorted_rows(rows):
    return sorted(rows, key=lambda row: (row[2] is not None, -(row[2] or 0), row[1], row[0] is None, row[0] or 0))


ORDER = [SortKey("v", True, True), SortKey("j"), SortKey("k")]

OF_ONE = {
    "filter": (
        lambda t, me: filter_rows(t, t.columns["j"].values.lowest_bit(), me),
        lambda r: [x for x in r if x[1] % 2],
    ),
    "compact": (compact, lambda rows: rows),
    "distinct": (distinct, lambda rows: sorted(set(rows), key=str)),
    "concat": (lambda t, me: concat([t, t], me), lambda rows: rows * 2),
    "sort": (lambda t, me: sort_table(t, ORDER, me), sorted_rows),
    "top-k": (lambda t, me: sort_table(t, ORDER, me).first(2), lambda rows: sorted_rows(rows)[:2]),
    **{
        f"group by {keys}{who}": (
            lambda t, me, keys=keys, who=who: group_by(t, keys, SPECS, me, who=who),
            lambda rows, keys=keys: grouped(rows, [["k", "j"].index(key) for key in keys]),
        )
        for keys, who in (([], None), (["k"], None), (["j", "k"], None), (["k"], OneKnows(0)), (["k", "j"], AllKnow()))
    },
    **{
        f"window {over}": (
            lambda t, me, by=by, keys=keys: window(t, by, keys, test_window.OUTPUTS, me, {}),
            lambda rows, over=over: test_window.expected(rows, over, test_window.OUTPUTS),
        )
        for over, (by, keys) in test_window.ORDERS.items()
    },
}
OF_TWO = {
    "semi join": (semi_join, lambda a, b: test_hybrid.expected("semi", a, b)),
    "anti join": (anti_join, lambda a, b: test_hybrid.expected("anti", a, b)),
    "join of all pairs": (join_nested, joined),
    "left join of all pairs": (
        lambda t, r, on, me: with_unmatched(join_nested(t, r, on, me), t, r, on, me),
        left_joined,
    ),
    **{
        f"{how} join by keys that {who} sees": (
            lambda t, r, on, me, how=how, who=who: seen_join(t, r, on, how, None, who, me),
            lambda a, b, how=how: test_hybrid.expected(how, a, b),
        )
        for how in ("inner", "left", "semi", "anti")
        for who in (OneKnows(0), AllKnow())
    },
}
OF_UNIQUE = {"inner join": (join_unique, joined), "left join": (left_join_unique, left_joined)}


def as_bag(found):
    return found if hasattr(found, "most_common") else bag(found)


def check_one(name, rows):
    work, expected = OF_ONE[name]
    is_ordered = name in ("sort", "top-k")
    got = run_twin(lambda t, me: work(keep_odd(t, me), me), [(T, rows)], keep_order=is_ordered)
    wanted = expected(kept(rows))
    assert (got == wanted) if is_ordered else (bag(got) == as_bag(wanted)), name
    whole = run_twin(lambda t, me: work(t.select(["k", "j", "v"]), me), [(T, rows)], keep_order=is_ordered)
    wanted = expected([row[1:] for row in rows])
    assert (whole == wanted) if is_ordered else (bag(whole) == as_bag(wanted)), name


@pytest.mark.parametrize("name", OF_ONE)
def test_an_operator_on_one_table_at_its_ends(name):
    for rows in TABLES.values():
        check_one(name, rows)


@pytest.mark.deep
@pytest.mark.parametrize("name", OF_ONE)
@given(rows=ROWS)
@settings(max_examples=10)
def test_an_operator_on_any_table(name, rows):
    check_one(name, rows)


@pytest.mark.parametrize("name", [*OF_TWO, *OF_UNIQUE])
def test_a_join_of_two_tables_at_their_ends(name):
    join, expected = {**OF_TWO, **OF_UNIQUE}[name]
    for left in TABLES.values():
        for right in TABLES.values():
            right = test_relational.with_unique_keys(right) if name in OF_UNIQUE else right
            got = run_twin(lambda t, r, me: join(keep_odd(t, me), keep_odd(r, me), ON, me), [(T, left), (R, right)])
            assert bag(got) == as_bag(expected(kept(left), kept(right))), name


def test_a_single_row_beside_tables_at_their_ends():
    for left in TABLES.values():
        for right in ([(1, None, -4, LEAST)], [(0, 1, 1, 1)]):
            got = run_twin(lambda t, r, me: cross_one(keep_odd(t, me), keep_odd(r, me), me), [(T, left), (R, right)])
            assert bag(got) == bag([a + b for a in kept(left) for b in kept(right)])


@pytest.mark.parametrize("keys", [[], ["k"], ["k", "j"]])
def test_quantiles_at_their_ends(keys):
    def work(t, me):
        return aggregate_rows(keep_odd(t, me), test_spread.SCHEMA, keys, [*test_spread.SUMS, *outputs], [], me)

    outputs, n_continuous = test_spread.OUTPUTS, len(test_spread.CONTINUOUS)
    for rows in TABLES.values():
        got = run_twin(work, [(T, rows)])
        near = [(*row[:-n_continuous], *(test_spread._near(v, 1) for v in row[-n_continuous:])) for row in got]
        assert bag(near) == test_spread.expected(kept(rows), keys)
