"""What conditions leave of rows: "within" and "disjoint" are only said where they are true, with DuckDB as the judge."""

import datetime
import decimal

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.ir.expressions import Column, Compare, Expression, IsNull, Literal, Logic, Not
from conclave.ir.show import show_expression
from conclave.ir.types import Date, Decimal, Double, Integer, Varchar
from policy.domain import passed

AGE, WARD = Column("age", Integer(32)), Column("ward", Varchar(3))
NUMBERS, NAMES = (None, *range(-1, 5)), (None, "a", "b", "c")
OPERATORS = ("=", "<>", "<", "<=", ">", ">=")

numbers = st.integers(0, 3).map(lambda n: Literal(n, Integer(32)))
comparisons = st.one_of(
    st.builds(Compare, st.sampled_from(OPERATORS), st.just(AGE), numbers),
    st.builds(Compare, st.sampled_from(OPERATORS), numbers, st.just(AGE)),
    st.builds(
        Compare, st.sampled_from(OPERATORS), st.just(WARD), st.sampled_from("abc").map(lambda w: Literal(w, Varchar(1)))
    ),
    st.sampled_from((AGE, WARD)).map(IsNull),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(inner.map(Not), st.builds(Logic, st.sampled_from(("and", "or")), inner, inner)),
    max_leaves=4,
)


def rows_that_pass(each: list[Expression]) -> set[tuple[object, object]]:
    rows = ", ".join(
        f"({'NULL' if n is None else n}::INTEGER, {'NULL' if w is None else repr(w)}::VARCHAR)"
        for n in NUMBERS
        for w in NAMES
    )
    where = " AND ".join(f"({show_expression(condition)})" for condition in each) or "true"
    return set(duckdb.sql(f"SELECT * FROM (VALUES {rows}) AS t(age, ward) WHERE {where}").fetchall())


@settings(max_examples=100, deadline=None)
@given(one=st.lists(conditions, max_size=3), other=st.lists(conditions, max_size=3))
def test_within_and_disjoint_are_true_where_they_are_said(one, other):
    mine, theirs = rows_that_pass(one), rows_that_pass(other)
    if passed(one).is_within(passed(other)):
        assert mine <= theirs
    if passed(one).is_disjoint_from(passed(other)):
        assert not mine & theirs


def day(operator: str, text: str) -> Expression:
    return Compare(operator, Column("day", Date()), Literal(datetime.date.fromisoformat(text), Date()))


def test_equal_windows_are_equal_however_their_ends_are_written():
    january = passed([day(">=", "2024-01-01"), day("<", "2024-02-01")])
    also = passed([day(">", "2023-12-31"), day("<=", "2024-01-31")])
    assert january.is_within(also)
    assert also.is_within(january)
    assert january.is_disjoint_from(passed([day(">=", "2024-02-01")]))
    assert not january.is_disjoint_from(passed([day(">=", "2024-01-31")]))


def test_decimals_that_are_one_double_are_not_told_apart():
    ratio = Column("ratio", Double())
    one, other = (
        passed([Compare("=", ratio, Literal(decimal.Decimal(text), Decimal(18, 17)))])
        for text in ("0.1", "0.10000000000000001")
    )
    assert not one.is_disjoint_from(other)


def test_values_of_different_kinds_are_not_held_against_one_another():
    """A column may have been declared otherwise when an earlier workflow was merged."""
    as_text = Compare(">", Column("day", Varchar(10)), Literal("2024-01-01", Varchar(10)))
    assert not passed([as_text]).is_disjoint_from(passed([day("<", "2023-01-01")]))
    assert not passed([as_text]).is_within(passed([day(">", "2024-01-01")]))
