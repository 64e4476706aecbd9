"""Queries made at random: what the binder and the passes make of them answers as DuckDB does."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conclave.local.sqltext import to_sql
from conclave.passes.optimise import optimise
from conclave.sql.bind import bind
from tests.conclave.sql.federation import RECIPIENTS, TABLES, assert_same_rows, pooled, run

# Columns that hold small integers, by table; joins are on any pair of them.
COLUMNS = {
    "visits": ("id", "ward", "cost"),
    "wards": ("ward", "beds", "cost"),
    "flights": ("n", "delay"),
    "fares": ("delay", "fare"),
}


@pytest.fixture(scope="module")
def database():
    with pooled(5, 7) as connection:
        yield connection


@st.composite
def expressions(draw: st.DrawFn, columns: tuple[str, ...]) -> str:
    a, b = (draw(st.sampled_from(columns)) for _ in range(2))
    shapes = ("{a}", "{a}", "{a} + {b}", "{a} * {b} - 1", "{a} / {b}", "ABS({a})", "COALESCE({a}, {b}, 2)", "-{a}")
    more = (
        "CASE WHEN {a} > {b} THEN {a} ELSE 3 END",
        "NULLIF({a}, {b})",
        "({a} + 1.5) * 2",
        "{b} - (SELECT MAX(cost) FROM wards)",
    )
    return draw(st.sampled_from(shapes + more)).format(a=a, b=b)


@st.composite
def conditions(draw: st.DrawFn, columns: tuple[str, ...]) -> str:
    left, right = draw(expressions(columns)), draw(st.sampled_from((*columns, "2", "0", "NULL")))
    test = f"{left} {draw(st.sampled_from(('<', '>=', '=', '<>')))} {right}"
    shape = draw(
        st.sampled_from(("{t}", "NOT {t}", "({t} OR {c} > 1)", "{c} IS NULL", "({t} AND {c} BETWEEN 0 AND 5)"))
    )
    return shape.format(t=test, c=draw(st.sampled_from(columns)))


@st.composite
def where_clauses(draw: st.DrawFn, columns: tuple[str, ...]) -> str:
    """Return what WHERE asks: a condition, or a question to a subquery, or both."""
    plain, column = draw(conditions(columns)), draw(st.sampled_from(columns))
    table = draw(st.sampled_from(sorted(COLUMNS)))
    key, other = (f"q.{draw(st.sampled_from(COLUMNS[table]))}" for _ in range(2))
    inner = draw(conditions((key, other)))
    negated = draw(st.sampled_from(("", "NOT ")))
    questions = (
        f"{column} {negated}IN (SELECT {key} FROM {table} q WHERE {inner})",
        f"{negated}EXISTS (SELECT * FROM {table} q WHERE {key} = {column} AND {inner})",
        f"{negated}EXISTS (SELECT 1 FROM {table} q WHERE {other} <> {draw(st.sampled_from(columns))} AND {key} = {column})",
        f"{column} < (SELECT SUM({other}) FROM {table} q WHERE {key} = {column} AND {inner})",
        f"{column} <= (SELECT COUNT(*) FROM {table} q WHERE {column} = {key})",
    )
    return draw(st.sampled_from((plain, plain, *questions, *(f"{plain} AND {question}" for question in questions))))


@st.composite
def sources(draw: st.DrawFn, depth: int) -> tuple[str, tuple[str, ...]]:
    """Return a FROM clause and the qualified columns it offers."""
    joined, columns = "", ()
    for n in range(draw(st.integers(1, 2))):
        alias = f"t{n}"
        if depth and draw(st.booleans()):
            inner, names = draw(selects(depth - 1))
            table = f"({inner}) {alias}"
        else:
            name = draw(st.sampled_from(sorted(COLUMNS)))
            table, names = f"{name} {alias}", COLUMNS[name]
        own = tuple(f"{alias}.{name}" for name in names)
        if n:
            how = draw(st.sampled_from(("", "", "LEFT ", "SEMI ", "ANTI ")))
            joined += f" {how}JOIN {table} ON {draw(st.sampled_from(columns))} = {draw(st.sampled_from(own))}"
            if draw(st.booleans()):
                joined += f" AND {draw(conditions(own if how else columns + own))}"
            if how in ("SEMI ", "ANTI "):
                own = ()
        else:
            joined = table
        columns += own
    return joined, columns


@st.composite
def selects(draw: st.DrawFn, depth: int) -> tuple[str, tuple[str, ...]]:
    """Return a query and the names of its columns, all of them numbers."""
    if depth and draw(st.integers(0, 4)) == 0:
        (first, names), (second, others) = (draw(selects(depth - 1)) for _ in range(2))
        columns = tuple(f"u{n}" for n in range(min(len(names), len(others))))
        sides = zip((first, second), (names, others), strict=True)
        parts = (
            f"SELECT {', '.join(f'{n} AS {c}' for n, c in zip(own, columns, strict=False))} FROM ({sql}) x"
            for sql, own in sides
        )
        return " UNION ALL ".join(parts), columns
    source, columns = draw(sources(depth))
    where = f" WHERE {draw(where_clauses(columns))}" if draw(st.booleans()) else ""
    if draw(st.booleans()):
        items = draw(st.lists(expressions(columns), min_size=1, max_size=3))
        group = having = ""
        distinct = draw(st.sampled_from(("", "DISTINCT ")))
    else:
        keys = draw(st.lists(expressions(columns), max_size=2, unique=True))
        function = st.sampled_from(("SUM", "COUNT", "AVG", "MIN", "MAX"))
        calls = [f"{draw(function)}({draw(expressions(columns))})" for _ in range(draw(st.integers(1, 3)))]
        items, distinct = [*keys, "COUNT(*)", *calls], ""
        group = f" GROUP BY {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else ""
        having = f" HAVING {draw(conditions(tuple(calls)))}" if draw(st.booleans()) else ""
    names = tuple(f"c{n}" for n in range(len(items)))
    shown = ", ".join(f"{item} AS {name}" for item, name in zip(items, names, strict=True))
    return f"SELECT {distinct}{shown} FROM {source}{where}{group}{having}", names


@pytest.mark.deep
@settings(max_examples=150, deadline=None, derandomize=True)
@given(query=selects(depth=2))
def test_a_random_query_answers_as_duckdb_does(database: duckdb.DuckDBPyConnection, query: tuple[str, tuple[str, ...]]):
    sql, _ = query
    bound = bind(sql, TABLES, RECIPIENTS)
    best = optimise(bound)
    assert [(f.name, f.type) for f in best.schema] == [(f.name, f.type) for f in bound.schema]
    expected = run(database, sql)
    assert_same_rows(run(database, to_sql(bound)), expected, ordered=False)
    assert_same_rows(run(database, to_sql(best)), expected, ordered=False)
