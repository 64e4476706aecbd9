"""Numbers that outgrow their words, against Python's, which have no size: none is wrong and not noticed."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conclave.ir.expressions import Arithmetic, Case, Cast, Column, Compare, Literal, Negate
from conclave.ir.nodes import AggregateOutput, Input
from conclave.ir.ranges import LIFT_MOST, WORD_MOST, Ranges
from conclave.ir.types import Decimal, Double, Field, Integer
from conclave.ir.window import SortKey, Window, WindowOutput
from conclave.mpc.errors import Outgrown
from conclave.mpc.shares import public_bits
from conclave.operators.aggregates_of import aggregate_rows
from conclave.operators.apply import apply
from conclave.operators.evaluate import Rows, words_of
from conclave.operators.looking import Looking
from conclave.operators.table import SecretColumn, SecretTable
from conclave.operators.watch import Watch, outside
from conclave.plan.steps import Checked, MpcStep
from tests.conclave.mpc.strategies import LARGEST, SMALLEST, bool_vectors, int64_vectors
from tests.conclave.mpc.three import run_three_parties

ONE = 1 << 32
BIG, REAL, FINE = Integer(64), Double(), Decimal(18, 4)
EDGES = [0, 1, -1, 2, 3, 1 << 30, 1 << 31, -(1 << 31), 3_037_000_499, 1 << 60, (1 << 61) - 1, 1 << 61, LIFT_MOST,
         -LIFT_MOST, 1 << 62, -(1 << 62), LARGEST, SMALLEST]  # fmt: skip
EDGE = st.one_of(st.sampled_from(EDGES), st.integers(0, 62).map(lambda k: 1 << k), st.integers(SMALLEST, LARGEST))
# A double is below 2**62 whatever is known of it: owners bring in no larger ones, and what makes one is looked at.
REALS = st.lists(st.tuples(*[EDGE.filter(lambda word: abs(word) <= LIFT_MOST)] * 2), min_size=1, max_size=8)
PAIRS = st.lists(st.tuples(EDGE, EDGE), min_size=1, max_size=8)


def found_of(expression, rows):
    """Each row's word, and whether it was found to have outgrown its word, of columns a and b; nothing is known of them."""

    def work(a, b, me):
        table = SecretTable(a.n, {"a": SecretColumn(a), "b": SecretColumn(b)})
        words = words_of(expression, Rows(table, me, Ranges({})))
        none = public_bits(0, a.n, me)
        there = public_bits(1, a.n, me) if words.present is None else words.present
        return [words.values, none if words.outgrown is None else words.outgrown, there]

    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    values, outgrown, there = run_three_parties(work, *columns).opened
    return list(zip(values.astype(np.int64).tolist(), outgrown.tolist(), there.tolist(), strict=True))


def column(name, kind):
    return Column(name, kind, nullable=False)


@pytest.mark.parametrize("operator", ["//", "%", "/"])
def test_a_divisor_that_wraps_to_zero_is_noticed_and_not_taken_for_zero(operator):
    a, b = column("a", BIG), column("b", BIG)
    for divisor, word in ((Arithmetic("*", b, b), 1 << 32), (Arithmetic("*", b, Literal(1 << 40, BIG)), 1 << 24)):
        outgrown = [row[1] for row in found_of(Arithmetic(operator, a, divisor), [(10, word), (10, 3)])]
        assert outgrown == [1, 0]
    zero = found_of(Arithmetic(operator, a, b), [(10, 0)])
    assert [row[1:] for row in zero] == [(0, 0)]


@pytest.mark.parametrize("operator", ["+", "-", "*"])
@given(rows=PAIRS)
@example(rows=[(3_037_000_499, 3_037_000_499), (1 << 60, 16), (LARGEST, 1), (SMALLEST, -1), (1 << 62, 1 << 62)])
@settings(max_examples=12)
def test_whole_numbers_are_right_or_noticed(operator, rows):
    expression = Arithmetic(operator, column("a", BIG), column("b", BIG))
    for (a, b), (value, is_noticed, _) in zip(rows, found_of(expression, rows), strict=True):
        true = {"+": a + b, "-": a - b, "*": a * b}[operator]
        assert is_noticed or value == true
        if max(abs(a), abs(b)) <= LIFT_MOST and abs(true) <= 1 << 60:
            assert not is_noticed


@pytest.mark.parametrize("operator", ["+", "-", "*", "/"])
@given(rows=REALS)
@example(rows=[(LIFT_MOST, LIFT_MOST), (LIFT_MOST, -LIFT_MOST), (-LIFT_MOST, ONE), (LIFT_MOST, 1), (1, -LIFT_MOST)])
@example(
    rows=[(ONE << 15, ONE << 15), ((ONE << 15) - 1, ONE << 15), (ONE << 29, 3 * ONE), (1, ONE << 29), (ONE, 1), (5, -7)]
)
@settings(max_examples=12)
def test_doubles_are_right_or_noticed(operator, rows):
    expression = Arithmetic(operator, column("a", REAL), column("b", REAL))
    for (a, b), (value, is_noticed, is_there) in zip(rows, found_of(expression, rows), strict=True):
        if operator == "/" and b == 0:
            assert (is_there, is_noticed) == (0, 0)
            continue
        true = {"+": a + b, "-": a - b, "*": Fraction(a * b, ONE), "/": Fraction(a * ONE, b or 1)}[operator]
        assert is_noticed or abs(value - true) <= 2 + abs(true) / (1 << 50)
        if abs(true) <= LIFT_MOST - 16 * ONE:
            assert not is_noticed


@given(rows=PAIRS)
@settings(max_examples=8)
def test_quotients_of_whole_numbers_are_right_or_noticed(rows):
    expression = Arithmetic("/", column("a", BIG), column("b", BIG))
    for (a, b), (value, is_noticed, _) in zip(rows, found_of(expression, rows), strict=True):
        if b and not is_noticed:
            assert abs(value - Fraction(a * ONE, b)) <= 2 + abs(Fraction(a * ONE, b)) / (1 << 50)
        if b and max(abs(a), abs(b)) <= LIFT_MOST and abs(Fraction(a, b)) < 1 << 30:
            assert not is_noticed


@given(rows=PAIRS, mask=EDGE.filter(lambda word: abs(word) < 1 << 62))
@example(rows=[(SMALLEST, -1), (LARGEST, SMALLEST), (-1, -1), (0, -1), (12, 10)], mask=255)
@settings(max_examples=10)
def test_the_and_of_bits_is_right_for_every_word(rows, mask):
    a, b = column("a", BIG), column("b", BIG)
    for expression, wanted in (
        (Arithmetic("&", a, b), lambda x, y: x & y),
        (Arithmetic("&", a, Literal(mask, BIG)), lambda x, _: x & mask),
        (Arithmetic("&", Literal(mask, BIG), b), lambda _, y: y & mask),
    ):
        assert [value for value, _, _ in found_of(expression, rows)] == [wanted(x, y) for x, y in rows]
        most = Ranges({}).most(expression)
        assert all(abs(wanted(x, y)) <= most for x, y in rows)


CHANGES = {
    "as finer decimals": (Cast(column("a", BIG), FINE), lambda a: a * 10_000),
    "as doubles": (Cast(column("a", BIG), REAL), lambda a: a * ONE),
    "negated": (Negate(column("a", BIG)), lambda a: -a),
    "by a constant": (Arithmetic("*", column("a", BIG), Literal(1_000, BIG)), lambda a: a * 1_000),
    "a constant by it": (Arithmetic("*", Literal(-7, BIG), column("a", BIG)), lambda a: a * -7),
    "doubles by a constant": (Arithmetic("*", column("a", REAL), Literal(12, BIG)), lambda a: a * 12),
    "cubed": (Arithmetic("*", Arithmetic("*", column("a", BIG), column("a", BIG)), column("a", BIG)), lambda a: a**3),
}


@pytest.mark.parametrize("change", CHANGES)
@given(values=st.lists(EDGE, min_size=1, max_size=8))
@settings(max_examples=6)
def test_changes_of_one_number_are_right_or_noticed(change, values):
    expression, wanted = CHANGES[change]
    for a, (value, is_noticed, _) in zip(values, found_of(expression, [(a, 0) for a in values]), strict=True):
        assert is_noticed or value == wanted(a)
        if abs(wanted(a)) <= 1 << 60:
            assert not is_noticed


def test_what_a_case_does_not_choose_is_not_noticed():
    square = Arithmetic("*", column("a", BIG), column("a", BIG))
    is_small = Compare("<", column("a", BIG), Literal(1_000, BIG))
    expression = Case(((is_small, square),), Literal(-1, BIG))
    assert found_of(expression, [(999, 0), (1 << 61, 0)]) == [(998_001, 0, 1), (-1, 0, 1)]


@given(x=int64_vectors(n=8), bits=st.integers(0, 61))
@settings(max_examples=10)
def test_outside_is_about_the_size_for_every_word(x, bits):
    most = (1 << bits) - 1
    found = run_three_parties(lambda a, me: outside(a, most, me), x).opened
    assert found.tolist() == [abs(int(value)) > most for value in x]


@given(batches=st.lists(bool_vectors(n=70), min_size=1, max_size=3), is_set=st.booleans(), at=st.integers(0, 69))
@settings(max_examples=10)
def test_one_bit_says_whether_any_of_many_is_set(batches, is_set, at):
    batches = [np.zeros(70, bool), *batches] if is_set else [np.zeros(70, bool)] * len(batches)
    batches[-1] = np.arange(70) == at if is_set else batches[-1]

    def work(*parts):
        *bits, me = parts
        watch = Watch()
        for each in bits:
            watch.add(each, me)
        try:
            watch.end(me)
        except Outgrown:
            return "outgrown"
        return "fine"

    assert run_three_parties(work, *batches).opened == ("outgrown" if is_set else "fine")


def test_what_a_watch_sends_does_not_depend_on_what_it_finds():
    def work(bits, me):
        watch = Watch()
        watch.add(bits, me)
        try:
            watch.end(me)
        except Outgrown:
            return None
        return None

    runs = [run_three_parties(work, np.full(100, is_set)) for is_set in (False, True)]
    assert runs[0].transcripts == runs[1].transcripts


def test_nothing_is_sent_where_nothing_was_looked_at():
    assert run_three_parties(lambda me: Watch().end(me)).cost.rounds == 0


SCHEMA = (Field("k", Integer(32), nullable=False), Field("a", BIG), Field("f", REAL))
CHECKED = Checked((("a", WORD_MOST + 1), ("f", LIFT_MOST), ("k", 1 << 31)), (), ("s", "q"), is_by_row=True)


def no_noise(*_):
    raise AssertionError("nothing here has noise")


def ends_fine(work, *inputs):
    """What the work over shares returns, opened; None if it is found that something outgrew its word."""

    def watched(*parts):
        watch = Watch()
        result = work(*parts, watch)
        try:
            watch.end(parts[-1])
        except Outgrown:
            return None
        return result

    return run_three_parties(watched, *inputs).opened


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), EDGE, st.integers(-(1 << 50), 1 << 50), st.booleans()), min_size=1, max_size=12
    )
)
@example(rows=[(0, LIFT_MOST, 0, True)] * 3)
@example(rows=[(0, LIFT_MOST, 0, True), (0, -LIFT_MOST, 0, True)] * 3)
@example(rows=[(0, LARGEST, 0, False), (1, 5, ONE, True)])
@settings(max_examples=15)
def test_sums_of_groups_are_right_or_noticed(rows):
    outputs = [AggregateOutput("s", "sum", "a"), AggregateOutput("q", "sum_squares", "f")]

    def work(k, a, f, valid, me, watch):
        table = SecretTable(k.n, {"k": SecretColumn(k, width=32), "a": SecretColumn(a), "f": SecretColumn(f)}, valid)
        looking = Looking.of(CHECKED, watch)
        groups = looking.settle(aggregate_rows(table, SCHEMA, ["k"], outputs, [], me, looking=looking), k.n, me)
        assert list(groups.columns) == ["k", "s", "q"]
        return [groups.valid_bits(me), *(c.values for c in groups.columns.values())]

    columns = [np.array(c) for c in zip(*rows, strict=True)]
    opened = ends_fine(work, *columns)
    sums, squares = {}, {}
    for k, a, f, valid in rows:
        if valid:
            sums[k] = sums.get(k, 0) + a
            squares[k] = squares.get(k, 0) + Fraction(f * f, ONE)
    if opened is not None:
        valid, *found = opened
        got = {
            int(k): (int(s), int(q))
            for there, k, s, q in zip(valid, *(c.astype(np.int64) for c in found), strict=True)
            if there
        }
        assert {k: s for k, (s, _) in got.items()} == sums
        assert all(abs(q - squares[k]) <= 3 * len(rows) for k, (_, q) in got.items())
    largest = max([0, *map(abs, sums.values()), *squares.values()])
    if all(abs(a) <= LIFT_MOST and f * f < 1 << 92 for _, a, f, valid in rows if valid) and largest < 1 << 61:
        assert opened is not None


@given(values=st.lists(EDGE, min_size=1, max_size=10))
@example(values=[LIFT_MOST] * 3)
@settings(max_examples=10)
def test_running_sums_are_right_or_noticed(values):
    source = Input("x", (Field("n", BIG, nullable=False), Field("a", BIG, nullable=False)))
    outputs = (WindowOutput("s", "sum", "a", "rows"),)
    checked = Checked((("a", WORD_MOST + 1), ("n", WORD_MOST + 1)), (), ("s",), is_by_row=True)
    step = MpcStep("m1", Window(source, (), (SortKey("n"),), outputs), checked=checked)

    def work(n, a, me, watch):
        table = SecretTable(n.n, {"n": SecretColumn(n), "a": SecretColumn(a)})
        rows = apply(step, {"x": table}, me, watch=watch, draw=no_noise)
        assert list(rows.columns) == ["n", "a", "s"]
        return rows.columns["s"].values

    opened = ends_fine(work, np.arange(len(values)), np.array(values, np.int64))
    running = [sum(values[: n + 1]) for n in range(len(values))]
    if opened is not None:
        assert opened.astype(np.int64).tolist() == running
    if max(map(abs, [*running, *values])) < 1 << 61:
        assert opened is not None
