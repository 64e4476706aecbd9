"""Joins and groups by keys that one of the three sees, or all: the same rows as by the others, and no other view."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings

from conclave.mpc.errors import RepeatedKeys, TooManyPairs
from conclave.mpc.known import AllKnow, OneKnows
from conclave.operators import hybrid, seen
from conclave.operators.groupby import group_by
from conclave.operators.hybrid import seen_join
from conclave.operators.match import refuse_repeated
from conclave.operators.table import SecretColumn, SecretTable
from tests.conclave.mpc.three import run_three_parties
from tests.conclave.operators.tables import KEEP, bag, declare, keep_odd, kept, rows_of, run_tables
from tests.conclave.operators.test_relational import ROWS, SPECS, grouped, joined, with_unique_keys

T = declare("t", "delta", {KEEP: True, "k": True, "j": False, "v": True}, k=3, j=3)
R = declare("r", "echo", {KEEP: True, "rk": True, "rj": False, "w": True}, rk=3, rj=3)
ON = [("k", "rk"), ("j", "rj")]
WHO = pytest.mark.parametrize("who", [OneKnows(0), OneKnows(1), OneKnows(2), AllKnow()], ids=str)
EMPTY = [([], []), ([(1, 2, 3, 4)], []), ([], [(1, 2, 3, 4)])]


def expected(how, left, right):
    matched = {a: [b for b in right if None not in a[:2] + b[:2] and a[:2] == b[:2]] for a in left}
    match how:
        case "inner":
            return joined(left, right)
        case "left":
            return bag([a + b for a in left for b in matched[a] or [(None,) * 3]])
        case "semi":
            return bag([a for a in left if matched[a]])
    return bag([a for a in left if not matched[a]])


def run_join(who, how, unique_side, left, right):
    def work(t, r, me):
        return seen_join(keep_odd(t, me), keep_odd(r, me), ON, how, unique_side, who, me)

    return bag(run_tables(work, [(T, left), (R, right)]))


@WHO
@pytest.mark.parametrize("how", ["inner", "left", "semi", "anti"])
@pytest.mark.parametrize("unique_side", [None, "left", "right"])
@given(left=ROWS, right=ROWS)
@example(*EMPTY[0])
@example(*EMPTY[1])
@example(*EMPTY[2])
@settings(max_examples=3)
def test_a_join_by_keys_that_are_seen_agrees_with_python(who, how, unique_side, left, right):
    left = with_unique_keys(left) if unique_side == "left" else left
    right = with_unique_keys(right) if unique_side == "right" else right
    assert run_join(who, how, unique_side, left, right) == expected(how, kept(left), kept(right))


@WHO
@pytest.mark.parametrize("keys", [["k"], ["j"], ["j", "k"]])
@given(rows=ROWS)
@example(rows=[])
@example(rows=[(1, None, 2, None)])
@settings(max_examples=4)
def test_groups_by_keys_that_are_seen_agree_with_python(who, keys, rows):
    places = [["k", "j"].index(key) for key in keys]
    got = run_tables(lambda t, me: group_by(keep_odd(t, me), keys, SPECS, me, who=who), [(T, rows)])
    assert bag(got) == grouped(kept(rows), places)
    all_rows = run_tables(lambda t, me: group_by(t.select(["k", "j", "v"]), keys, SPECS, me, who=who), [(T, rows)])
    assert bag(all_rows) == grouped([row[1:] for row in rows], places)


def columns(**values):
    return [np.array(each, np.int64) for each in values.values()]


def table(names, shares):
    return SecretTable(shares[0].n, dict(zip(names, map(SecretColumn, shares), strict=True)))


@WHO
def test_keys_that_repeat_against_their_declaration_end_the_run_for_all(who):
    def work(a, b, me):
        return (
            seen_join(table(["k"], [a]), table(["rk"], [b]), [("k", "rk")], "inner", "right", who, me, refuse_repeated)
            .columns["k"]
            .values
        )

    assert run_three_parties(work, np.array([1, 2]), np.array([5, 6])) is not None
    with pytest.raises(RepeatedKeys):
        run_three_parties(work, np.array([1, 2]), np.array([6, 6]))


@WHO
def test_too_many_pairs_are_counted_and_not_made(who, monkeypatch):
    monkeypatch.setattr(hybrid, "MOST_PAIRS", 8)

    def work(a, b, me):
        return (
            seen_join(table(["k"], [a]), table(["rk"], [b]), [("k", "rk")], "inner", None, who, me).columns["k"].values
        )

    assert len(run_three_parties(work, np.zeros(2, np.int64), np.zeros(4, np.int64)).opened) == 8
    with pytest.raises(TooManyPairs):
        run_three_parties(work, np.zeros(3, np.int64), np.zeros(3, np.int64))


@pytest.mark.parametrize("knower", [0, 1, 2])
@pytest.mark.parametrize("how", ["inner", "left", "semi", "anti"])
def test_what_goes_over_the_wire_does_not_depend_on_the_data(knower, how):
    """Nobody but who sees the keys can tell one input from another by lengths or order: matches, groups, repeats."""

    def work(a, v, b, w, me):
        left, right = table(["k", "v"], [a, v]), table(["rk", "w"], [b, w])
        matched = seen_join(left, right, [("k", "rk")], how, "right", OneKnows(knower), me)
        groups = group_by(matched, ["k"], SPECS_OF_V, me, who=OneKnows(knower))
        return groups.columns["total"].values

    inputs = [
        (np.arange(30), np.arange(30), np.arange(20), np.arange(20)),
        (np.zeros(30, np.int64), np.ones(30, np.int64), np.arange(20) + 100, np.zeros(20, np.int64)),
        (np.arange(30) % 3, np.arange(30), np.arange(20), np.arange(20) ** 3),
    ]
    first, *rest = [run_three_parties(work, *each).transcripts for each in inputs]
    assert all(other == first for other in rest)


SPECS_OF_V = [spec for spec in SPECS if spec.out == "total"]


@pytest.mark.parametrize("knower", [0, 1, 2])
def test_who_sees_keys_sees_those_of_rows_that_may_match_in_random_order_and_nothing_else(knower, monkeypatch):
    views = []
    opening = OneKnows.open

    def watched(self, numbers, bits, me):
        opened = opening(self, numbers, bits, me)
        views.append((me.index, opened))
        return opened

    monkeypatch.setattr(OneKnows, "open", watched)
    keys = np.arange(200) * 7 + 3
    secret = keys * 1000 + 1  # beside each key, something that nobody is shown
    valid = np.arange(200) % 4 != 0

    def work(a, v, bits, b, me):
        left = SecretTable(a.n, {"k": SecretColumn(a), "v": SecretColumn(v)}, bits)
        return (
            seen_join(left, table(["rk"], [b]), [("k", "rk")], "inner", "right", OneKnows(knower), me)
            .columns["v"]
            .values
        )

    run_three_parties(work, keys, secret, valid, keys[:50])
    assert all(opened is None for index, opened in views if index != knower)
    (left_keys, left_there), (right_keys,) = [opened for index, opened in views if index == knower]
    assert Counter(left_keys.astype(np.int64).tolist()) == Counter([*keys[valid].tolist(), *[0] * 50])
    assert (left_keys != 0).tolist() == left_there.astype(bool).tolist()
    assert sorted(right_keys.tolist()) == keys[:50].tolist()
    assert left_keys[left_there == 1].tolist() != keys[valid].tolist()
    assert right_keys.tolist() != keys[:50].tolist()


def test_repeats_and_orders_are_told_as_numpy_tells_them():
    there = np.array([True, True, False, True])
    keys = seen.ClearKeys((np.array([5, 5, 5, 2], np.uint64),), (there,), there)
    assert seen.have_repeats(keys)
    order, firsts = seen.group_order(keys)
    assert order.tolist() == [3, 0, 1, 2]
    assert firsts.tolist() == [True, True, False, True]


NARROW = rows_of(True, True, False, True)


@given(rows=NARROW)
@settings(max_examples=4)
def test_distinct_rows_by_keys_that_are_seen(rows):
    got = run_tables(lambda t, me: group_by(keep_odd(t, me), ["k", "j", "v"], [], me, who=OneKnows(1)), [(T, rows)])
    assert bag(got) == bag(sorted(set(kept(rows)), key=str))
