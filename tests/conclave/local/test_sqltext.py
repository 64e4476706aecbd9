"""Queries as text: goldens for the shape; names, types and rows by both engines."""

import decimal
import math
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.ir.errors import TypeProblem
from conclave.ir.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Compare,
    Expression,
    IsNull,
    Literal,
    Logic,
    Negate,
    Not,
)
from conclave.ir.nodes import (
    Aggregate,
    AggregateOutput,
    Collect,
    Concat,
    CrossOne,
    Filter,
    Input,
    Join,
    Limit,
    Node,
    Output,
    Project,
    Scan,
    Sort,
)
from conclave.ir.types import Boolean, Date, Decimal, Double, Field, Integer, Varchar
from conclave.ir.window import SortKey
from conclave.local.encode import arrow_type
from conclave.local.sqlexpr import view_name
from conclave.local.sqltext import to_sql
from tests.conclave.local.conftest import Tables

FIELDS = (
    Field("carrier", Varchar(2)),
    Field("delay", Integer(32)),
    Field("fare", Decimal(9, 2), nullable=False),
    Field("day", Date()),
    Field("weight", Double()),
    Field("late", Boolean()),
)
FLIGHTS = Scan("flights", "alpha/flights", "alpha", FIELDS)
NAMES = Scan("names", "alpha/names", "alpha", (Field("code", Varchar(2)), Field("name", Varchar(30))))
ROWS = {
    "carrier": ["UA", "UA", "B6", None, "B6"],
    "delay": [10, -5, 2**31 - 1, 7, None],
    "fare": [decimal.Decimal(n) for n in ("10.50", "20.25", "0.01", "-3.00", "9999999.99")],
    "day": [None, *pa.array([0, 1, 15000, -30], pa.date32()).to_pylist()],
    "weight": [0.5, None, 0.0, 2.0, -1.25],
    "late": [True, False, None, True, False],
}


def col(name: str) -> Column:
    found = next(f for f in FIELDS if f.name == name)
    return Column(name, found.type, found.nullable)


def num(value: int) -> Literal:
    return Literal(value, Integer(64))


def by_carrier(*outputs: AggregateOutput, of: Node = FLIGHTS) -> Aggregate:
    return Aggregate(of, ("carrier",), outputs)


@pytest.fixture(scope="module")
def local(tables) -> Tables:
    schema = pa.schema([(f.name, arrow_type(f.type)) for f in FIELDS])
    datasets = {
        "alpha/flights": (FIELDS, pa.table(ROWS, schema=schema)),
        "alpha/names": (NAMES.schema, pa.table({"code": ["UA", "B6"], "name": ["United", "Jet'Blue"]})),
    }
    return tables(datasets, {"s1": pa.table({"n": pa.array([3, 4], pa.int64())})})


@pytest.fixture(scope="module")
def run(local):
    return local.run


@pytest.fixture(scope="module")
def rows(local):
    return local.rows


SUM = AggregateOutput("delay", "sum", "delay")
COUNT = AggregateOutput("n", "count", None)
LATE = Filter(FLIGHTS, Logic("and", Compare(">", col("delay"), num(-9)), Not(IsNull(col("carrier")))))
MEAN = Output("mean", Arithmetic("/", Column("delay", Integer(64)), Column("n", Integer(64))))
TWICE = Project(FLIGHTS, (Output("carrier", col("carrier")), Output("x", Arithmetic("*", col("delay"), num(2)))))

GOLDENS: dict[str, tuple[Node, str]] = {
    "one flat select from a chain": (
        Sort(
            Project(
                Filter(by_carrier(SUM, COUNT, of=LATE), Compare(">=", Column("n", Integer(64)), num(1))),
                (Output("carrier", col("carrier")), MEAN),
            ),
            (SortKey("mean", descending=True),),
        ),
        """\
SELECT "carrier", CAST(SUM("delay") AS DOUBLE) / NULLIF(COUNT(*), 0) AS "mean"
FROM "alpha/flights"
WHERE "delay" > -9
  AND "carrier" IS NOT NULL
GROUP BY "carrier"
HAVING COUNT(*) >= 1
ORDER BY "mean" DESC NULLS LAST""",
    ),
    "an aggregate over an expression": (
        by_carrier(AggregateOutput("total", "sum", "x"), of=TWICE),
        """\
SELECT "carrier", CAST(SUM(CAST("delay" AS BIGINT) * 2) AS BIGINT) AS "total"
FROM "alpha/flights"
GROUP BY "carrier\"""",
    ),
    "no outputs is distinct": (by_carrier(), 'SELECT DISTINCT "carrier"\nFROM "alpha/flights"'),
    "a total of counts is never null": (
        Aggregate(
            Input("s1", (Field("n", Integer(64), nullable=False),)),
            (),
            (AggregateOutput("n", "sum", "n", True),),
        ),
        'SELECT CAST(COALESCE(SUM("n"), 0) AS BIGINT) AS "n"\nFROM "s1"',
    ),
    "an aggregate of an aggregate nests": (
        Aggregate(by_carrier(COUNT), (), (AggregateOutput("most", "max", "n"),)),
        """\
SELECT MAX("n") AS "most"
FROM (
  SELECT "carrier", COUNT(*) AS "n"
  FROM "alpha/flights"
  GROUP BY "carrier"
)""",
    ),
    "parts one after another": (
        Collect(Concat((by_carrier(), Limit(by_carrier(), 1))), ("bravo",)),
        """\
SELECT DISTINCT "carrier"
FROM "alpha/flights"
UNION ALL
(
  SELECT DISTINCT "carrier"
  FROM "alpha/flights"
  LIMIT 1
)""",
    ),
    "a join qualifies its columns": (
        Join(Project(LATE, (Output("carrier", col("carrier")),)), NAMES, (("carrier", "code"),)),
        """\
SELECT l."carrier" AS "carrier", r."code" AS "code", r."name" AS "name"
FROM "alpha/flights" AS l
JOIN "alpha/names" AS r ON l."carrier" = r."code"
WHERE l."delay" > -9
  AND l."carrier" IS NOT NULL""",
    ),
}


@pytest.mark.parametrize("title", GOLDENS)
def test_a_query_is_shown_as_a_person_would_write_it(title):
    node, text = GOLDENS[title]
    assert to_sql(node) == text


@pytest.mark.parametrize("title", GOLDENS)
def test_the_answer_has_the_declared_names_and_types(title, run):
    node, _ = GOLDENS[title]
    assert [(f.name, f.type) for f in run(node).schema] == [(f.name, arrow_type(f.type)) for f in node.schema]


CONSTANTS = {
    "quote": Literal("O'Hare; --", Varchar(10)),
    "double": Literal(0.1, Double()),
    "tiny": Literal(-1e-7, Double()),
    "decimal": Literal(decimal.Decimal("-1.5"), Decimal(4, 2)),
    "least": Literal(-(2**63), Integer(64)),
    "day": Literal(ROWS["day"][1], Date()),
    "yes": Literal(True, Boolean()),
    "none": Literal(None, Decimal(7, 3)),
}


def test_constants_keep_value_and_type(run):
    node = Project(Limit(FLIGHTS, 1), tuple(Output(name, literal) for name, literal in CONSTANTS.items()))
    answer = run(node)
    assert answer.to_pylist() == [{name: literal.value for name, literal in CONSTANTS.items()}]
    assert answer.schema.types == [arrow_type(f.type) for f in node.schema]


def test_integers_do_not_overflow_in_a_narrow_type(rows):
    node = Project(FLIGHTS, (Output("x", Arithmetic("+", col("delay"), col("delay"))),))
    assert (2**32 - 2,) in rows(node)


def test_division_by_zero_is_null(rows):
    node = Project(FLIGHTS, (Output("x", Arithmetic("/", col("delay"), col("weight"))),))
    assert Counter(rows(node)) == Counter([(20.0,), (None,), (None,), (3.5,), (None,)])


def test_the_root_of_a_negative_number_is_null(rows):
    below = Arithmetic("-", Cast(col("delay"), Double()), num(5))
    root = Call("sqrt", (below,), Double())
    found = rows(Project(FLIGHTS, (Output("x", root), Output("delay", col("delay")))))
    assert len(found) == len(ROWS["delay"])
    assert all(x == (None if d is None or d < 5 else pytest.approx(math.sqrt(d - 5))) for x, d in found)
    assert root.nullable


def test_an_output_named_like_another_column_captures_nothing(rows):
    swapped = Project(
        Sort(FLIGHTS, (SortKey("delay"),)),
        (Output("delay", Negate(col("fare"))), Output("carrier", col("carrier"))),
    )
    fares = [row[0] for row in rows(swapped)]
    assert fares == [decimal.Decimal(n) for n in ("-20.25", "3.00", "-10.50", "-0.01", "-9999999.99")]
    grouped = Project(by_carrier(SUM, COUNT), (Output("n", Column("delay", Integer(64))), Output("delay", num(1))))
    long_sums = Filter(grouped, Compare(">", Column("n", Integer(64)), num(5)))
    assert sorted(rows(long_sums)) == [(7, 1), (2**31 - 1, 1)]


def test_a_constant_key_is_no_position(rows):
    constant = Project(FLIGHTS, (Output("k", num(2)), Output("delay", col("delay"))))
    assert rows(Aggregate(constant, ("k",), (COUNT,))) == [(2, 5)]


def test_constants_over_an_ungrouped_aggregate_stay_one_row(rows):
    total = Aggregate(FLIGHTS, (), (COUNT,))
    assert rows(Project(total, (Output("one", num(1)),))) == [(1,)]
    assert rows(Aggregate(Project(FLIGHTS, ()), (), (COUNT,))) == [(5,)]


def of_fare(fare: str) -> Filter:
    return Filter(FLIGHTS, Compare("=", col("fare"), Literal(decimal.Decimal(fare), Decimal(9, 2))))


def test_a_limit_is_taken_before_what_follows_it(rows):
    two = Limit(Sort(FLIGHTS, (SortKey("fare"),)), 2)
    assert rows(Aggregate(two, (), (COUNT,))) == [(2,)]
    assert rows(Filter(two, Compare(">", col("fare"), num(0)))) == rows(of_fare("0.01"))
    assert rows(Limit(two, 1)) == rows(of_fare("-3.00"))
    assert len(rows(Sort(two, (SortKey("day"),)))) == 2


def test_joins_of_joins_and_of_aggregates_answer_right(rows):
    counts = by_carrier(COUNT)
    named = Join(counts, NAMES, (("carrier", "code"),))
    total = Project(
        Aggregate(FLIGHTS, (), (AggregateOutput("all", "count", None),)),
        (Output("all", Column("all", Integer(64))),),
    )
    assert sorted(rows(CrossOne(named, total))) == [
        ("B6", 2, "B6", "Jet'Blue", 5),
        ("UA", 2, "UA", "United", 5),
    ]
    assert sorted(rows(CrossOne(Project(total, (Output("total", Column("all", Integer(64))),)), named)))[0][0] == 5


def test_a_long_expression_read_twice_is_computed_once(rows):
    wide: Expression = col("delay")
    for _ in range(12):
        wide = Arithmetic("+", wide, col("delay"))
    node: Node = FLIGHTS
    for _ in range(6):
        node = Project(node, (Output("delay", wide),))
        wide = Arithmetic("+", Column("delay", Integer(64)), Column("delay", Integer(64)))
    assert (10 * 13 * 2**5,) in rows(node)
    assert len(to_sql(node)) < 2000


def test_what_cannot_be_written_as_sql_is_refused():
    with pytest.raises(TypeProblem):
        to_sql(Project(FLIGHTS, (Output("x", Literal("a\0b", Varchar(5))),)))
    with pytest.raises(TypeProblem):
        to_sql(Project(FLIGHTS, (Output("x", Literal(float("inf"), Double())),)))
    with pytest.raises(TypeProblem):
        view_name("a\0b")


# An independent evaluator of SQL's three-valued logic and arithmetic, over one row of integers.
ROW = {"a": 3, "b": -2, "c": None, "d": 0}
ROW_FIELDS = tuple(Field(name, Integer(32)) for name in ROW)


def numbers(depth: int = 3) -> st.SearchStrategy[Expression]:
    leaves = st.sampled_from([Column(f.name, f.type) for f in ROW_FIELDS]) | st.integers(-9, 9).map(num)
    if depth == 0:
        return leaves
    inner = numbers(depth - 1)
    return st.one_of(
        leaves,
        st.builds(Arithmetic, st.sampled_from("+-*"), inner, inner),
        st.builds(Negate, inner),
        st.builds(Case, st.tuples(st.tuples(conditions(depth - 1), inner)), inner),
        st.builds(Cast, inner, st.just(Integer(64))),
    )


def conditions(depth: int = 3) -> st.SearchStrategy[Expression]:
    compared = st.builds(
        Compare,
        st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
        numbers(max(depth - 1, 0)),
        numbers(max(depth - 1, 0)),
    )
    if depth == 0:
        return compared
    inner = conditions(depth - 1)
    return st.one_of(
        compared,
        st.builds(IsNull, numbers(depth - 1)),
        st.builds(IsNull, inner),
        st.builds(Not, inner),
        st.builds(Logic, st.sampled_from(["and", "or"]), inner, inner),
        st.builds(Compare, st.sampled_from(["=", "<>"]), inner, inner),
    )


def value_of(expression: Expression) -> int | bool | None:
    match expression:
        case Column(name):
            return ROW[name]
        case Literal(value):
            return value
        case Negate(operand):
            x = value_of(operand)
            return None if x is None else -x
        case Cast(operand):
            return value_of(operand)
        case Not(operand):
            x = value_of(operand)
            return None if x is None else not x
        case IsNull(operand):
            return value_of(operand) is None
        case Case(((condition, value),), default):
            return value_of(value) if value_of(condition) is True else value_of(default)
        case Logic(operator, left, right):
            sides = {value_of(left), value_of(right)}
            decisive = operator == "or"
            return decisive if decisive in sides else None if None in sides else not decisive
        case Arithmetic(operator, left, right) | Compare(operator, left, right):
            x, y = value_of(left), value_of(right)
            if x is None or y is None:
                return None
            return {
                "+": lambda: x + y,
                "-": lambda: x - y,
                "*": lambda: x * y,
                "=": lambda: x == y,
                "<>": lambda: x != y,
                "<": lambda: x < y,
                "<=": lambda: x <= y,
                ">": lambda: x > y,
                ">=": lambda: x >= y,
            }[operator]()
    raise AssertionError(expression)


@pytest.fixture(scope="module")
def one_row(tables) -> Tables:
    schema = pa.schema([(f.name, pa.int32()) for f in ROW_FIELDS])
    table = pa.table({name: [value] for name, value in ROW.items()}, schema=schema)
    return tables({"alpha/t": (ROW_FIELDS, table)}, {})


def agrees(one_row: Tables, expressions: list[Expression]) -> None:
    node = Project(
        Scan("t", "alpha/t", "alpha", ROW_FIELDS),
        tuple(Output(f"x{i}", e) for i, e in enumerate(expressions)),
    )
    answer = one_row.run(node)
    assert list(answer.to_pylist()[0].values()) == [value_of(e) for e in expressions]
    assert answer.schema.types == [arrow_type(f.type) for f in node.schema]


@pytest.mark.parametrize("tables", ["duckdb"], indirect=True)
@given(expressions=st.lists(numbers() | conditions(), min_size=1, max_size=8))
def test_expressions_mean_in_duckdb_what_they_mean_in_the_ir(one_row, expressions):
    agrees(one_row, expressions)


@pytest.mark.spark
@pytest.mark.parametrize("tables", ["spark"], indirect=True)
@given(expressions=st.lists(numbers() | conditions(), min_size=10, max_size=20))
@settings(max_examples=15)
def test_expressions_mean_in_spark_what_they_mean_in_the_ir(one_row, expressions):
    agrees(one_row, expressions)
