"""What an owner's engine computes under a minimum never fails, whatever the rows: DuckDB is asked, at the ends of the types."""

import random

import duckdb
import pytest

from conclave.compile import compile_query
from conclave.ir.errors import QueryProblem
from conclave.ir.expressions import Arithmetic, Column, Literal, Negate
from conclave.ir.types import Integer
from conclave.local.sqlexpr import view_name
from conclave.plan.steps import LocalStep
from policy.local_sizes import check_local_sizes
from policy.spans import Span, span_of
from tests.policy.conftest import policy, scan

COLUMNS = {"id": "bigint", "small": "smallint", "number": "integer", "big": "bigint", "price": "decimal(9,2)",
           "large": "decimal(18,4)", "day": "date"}  # fmt: skip
EXTREMES = {
    "id": (1,), "small": (-(2**15), 2**15 - 1), "number": (-(2**31), 2**31 - 1), "big": (-(2**63), 2**63 - 1, -1),
    "price": ("-9999999.99", "9999999.99"), "large": ("-99999999999999.9999", "99999999999999.9999"),
    "day": ("0001-01-01", "9999-12-31"),
}  # fmt: skip
LATER = "> DATE '2000-01-01'"
PARTIES = ("alpha", "bravo", "carol")


def with_minimum(dataset="alpha/visits"):
    own = {name: {"type": kind} for name, kind in COLUMNS.items()}
    own["id"]["subject"] = True
    return policy(dataset, columns=own, minimum={"subjects": 3})


def local_sql(expression, compared="+ 0.5e0 > 3"):
    """The plan's own SQL for a condition on an expression, and whether the verifier takes it for certain."""
    made = compile_query(
        f"SELECT COUNT(*) AS n FROM visits WHERE {expression} {compared}",
        {"visits": scan("alpha/visits", columns=COLUMNS)}, ("analyst",), PARTIES,
    )  # fmt: skip
    is_certain = not list(check_local_sizes(made, {"alpha/visits": with_minimum()}))
    return [step.sql for step in made.steps if isinstance(step, LocalStep)], is_certain


@pytest.fixture(scope="module")
def database():
    """A table in which every column's least and largest value stand, NULL elsewhere."""
    with duckdb.connect() as connection:
        name = view_name("alpha/visits")
        columns = ", ".join(f"{view_name(c)} {kind}" for c, kind in COLUMNS.items())
        connection.execute(f"CREATE TABLE {name} ({columns})")
        for row in range(3):
            for other in range(3):
                values = [ends[(row if k % 2 else other) % len(ends)] for k, ends in enumerate(EXTREMES.values())]
                connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(values))})", values)
        yield connection


def fails(database, statements):
    try:
        for sql in statements:
            database.execute(sql).fetchall()
    except duckdb.Error:
        return True
    return False


@pytest.mark.parametrize(
    "expression",
    ["-big", "0 - big", "big // -1", "big % -1", "big * -1", "ABS(big)", "big + 1", "number * big",
     "(day - DATE '2000-01-01') * 500000000000000000", "(day - day + 1) * 9223372036854775807 + big",
     "CASE WHEN id = 1 THEN -big ELSE 0 END", "large * large * 1000000"],
)  # fmt: skip
def test_what_fails_for_one_row_is_never_taken_for_certain(database, expression):
    statements, is_certain = local_sql(expression)
    assert fails(database, statements)
    assert not is_certain


@pytest.mark.parametrize(
    "expression",
    ["-number", "-small", "number // -1", "number * number", "big // 10", "(big & 8)", "(small & -1)", "price * 3", "day - 3 - day",
     "day - DATE '2000-01-01'", "(day - day) * 1000", "(day + INTERVAL 7 YEAR) - day", "CASE WHEN id = 7 THEN big END", "ABS(small)",
     "ROUND(price, 1)", "FLOOR(large)", "price + price", "number % 7"],
)  # fmt: skip
def test_what_cannot_fail_is_asked_for(database, expression):
    statements, is_certain = local_sql(expression)
    assert is_certain
    assert not fails(database, statements)


@pytest.mark.parametrize("interval", ["3507000 MONTH", "120001 MONTH", "10001 YEAR", "522858 WEEK"])
def test_no_interval_leaves_what_engines_count_in(interval):
    with pytest.raises(QueryProblem, match="an INTERVAL that is not a whole constant"):
        local_sql(f"day + INTERVAL {interval}", LATER)


def test_many_intervals_do_not_either(database):
    for n in (3, 40):
        statements, is_certain = local_sql("day" + " + INTERVAL 10000 YEAR" * n, LATER)
        assert is_certain == (not fails(database, statements)) == (n == 3)


def made_up(draw, depth):
    """A random expression, as SQL, and whether it is a date."""
    kind = draw.randrange(8) if depth else 0
    if kind == 0:
        names = ("small", "number", "big", "price", "large", "1", "-1", "7", "1000", "2.5", "4000000000")
        return draw.choice(names)
    one, other = made_up(draw, depth - 1), made_up(draw, depth - 1)
    if kind == 1:
        return f"(-{one})"
    if kind == 2:
        return f"CASE WHEN id = {draw.randrange(3)} THEN {one} ELSE {other} END"
    if kind == 3:
        whole = [draw.choice(("small", "number", "big", "-1", "3")) for _ in range(2)]
        return f"({whole[0]} {draw.choice(('//', '%', '&'))} {whole[1]})"
    if kind == 4:
        days = f"(day {draw.choice('+-')} {draw.choice(('small', '900000', '3'))})"
        return draw.choice((f"({days} - DATE '1970-01-01')", "(day - day)", "YEAR(day)"))
    if kind == 5:
        return f"{draw.choice(('ROUND', 'FLOOR', 'CEIL', 'ABS'))}({one})"
    return f"({one} {draw.choice('+-*')} {other})"


@pytest.mark.parametrize("seed", range(6))
def test_of_random_expressions_none_that_is_taken_fails(database, seed):
    draw, n_certain, n_failing = random.Random(seed), 0, 0
    for _ in range(30):
        expression = made_up(draw, 3)
        try:
            statements, is_certain = local_sql(expression)
        except QueryProblem:
            continue  # a product of too many decimals
        is_failing = fails(database, statements)
        assert not (is_certain and is_failing), expression
        n_certain, n_failing = n_certain + is_certain, n_failing + is_failing
    assert n_certain > 3
    assert n_failing


def test_spans_hold_what_numbers_can_be():
    tiny, unknown = Column("tiny", Integer(8)), Column("real", Integer(64))
    assert span_of(Negate(tiny), {}) == Span(-127, 128)
    assert span_of(Arithmetic("&", tiny, Literal(12, Integer(8))), {}) == Span(0, 127)
    assert span_of(Arithmetic("%", tiny, Literal(3, Integer(8))), {}) == Span(-128, 127)
    assert span_of(Arithmetic("+", unknown, tiny), {"real": 10}) == Span(-138, 137)
