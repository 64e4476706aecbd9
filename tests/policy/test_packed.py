"""One number may hold several sums: what large factors keep apart is taken apart here, as whoever is told it would."""

import random

import pytest

from conclave.ir.expressions import Arithmetic, Column, Expression, Literal
from conclave.ir.types import Integer
from policy.packed import sums_in

DAYS, AGE = Column("days", Integer()), Column("age", Integer())
MOST, N = 120, 5
TOGETHER = MOST * N + 1  # above any sum of so many


def times(factor: int, expression: Expression) -> Expression:
    return Arithmetic("*", Literal(factor, Integer()), expression)


def value(expression: Expression, row: dict[str, int]) -> int:
    match expression:
        case Column(name):
            return row[name]
        case Literal(number):
            assert isinstance(number, int)
            return number
        case Arithmetic(operator, left, right):
            a, b = value(left, row), value(right, row)
            return a * b if operator == "*" else a + b if operator == "+" else a - b
    raise AssertionError(expression)


def test_a_large_factor_keeps_two_sums_apart_and_they_are_counted_as_two():
    rng = random.Random(7)
    packed = Arithmetic("+", DAYS, times(TOGETHER, Arithmetic("*", DAYS, AGE)))
    for _ in range(50):
        rows = [{"days": rng.randint(0, MOST), "age": rng.randint(0, MOST)} for _ in range(N)]
        above, below = divmod(sum(value(packed, row) for row in rows), TOGETHER)
        assert (below, above) == (sum(r["days"] for r in rows), sum(r["days"] * r["age"] for r in rows))
    assert sums_in(packed) == {("days",), ("age", "days")}


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        (times(1000, DAYS), 1),
        (Arithmetic("+", DAYS, Literal(1000, Integer())), 1),
        (Arithmetic("*", DAYS, Arithmetic("-", Literal(1, Integer()), AGE)), 1),
        (Arithmetic("*", DAYS, Arithmetic("-", Literal(1000, Integer()), AGE)), 2),
        (
            Arithmetic(
                "*", Arithmetic("+", DAYS, times(100, AGE)), Arithmetic("+", Literal(1, Integer()), times(100, AGE))
            ),
            4,
        ),
        (Arithmetic("+", DAYS, Arithmetic("/", times(1000, AGE), DAYS)), 2),
        (Arithmetic("-", times(1000, DAYS), times(1000, DAYS)), 1),
    ],
)
def test_a_sum_counts_for_as_many_as_its_factors_keep_apart(expression, number):
    assert len(sums_in(expression)) == number
