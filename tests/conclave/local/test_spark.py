"""Queries of the language's examples on Spark: the answer is DuckDB's own, to the query as it was written.

Those are chosen whose words mean something else to Spark, or whose names or order it could take differently.
"""

import pyarrow as pa
import pytest

from conclave.ir.nodes import Limit, Sort
from conclave.ir.types import Schema
from conclave.ir.walk import scans_in
from conclave.local.encode import arrow_type
from conclave.local.sqlexpr import view_name
from conclave.sql.bind import bind
from tests.conclave.local.conftest import Tables
from tests.conclave.sql.federation import (
    FIXTURES,
    RECIPIENTS,
    TABLES,
    Result,
    assert_same_rows,
    pooled,
    queries,
    run,
)

CHOSEN = (
    "every aggregate",
    "variances",
    "medians and other quantiles",
    "distinct sums and averages",
    "filtered aggregates",
    "having an aggregate that is not shown",
    "group by an expression over a subquery",
    "order by alias, position, expression, nulls",
    "tricky names",
    "left join",
    "semi join",
    "anti join",
    "like and not like",
    "a case-insensitive like",
    "parts of dates",
    "dates cut to the month",
    "parts of text",
    "rounding",
    "rounding decimals",
    "intervals",
    "whole division and remainders",
    "the largest and smallest of several",
    "totals of partitions beside their rows, by an expression",
    "ranks of groups",
    "dates",
    "casts",
    "the ends of texts",
    "tests of texts",
    "signs and whole parts",
    "differences of dates in months, quarters and years",
    "names of days and months",
    "covariances and lines by groups",
    "conditions that are counted",
    "parts of equal sizes",
    "shares of a partition",
    "values at rows of a partition",
    "moving frames",
    "frames up to the last row",
    "groups of all combinations, and which they are",
    "values at the largest and the least of another",
    "comparisons with all and any",
    "rows of values",
)
BY_TITLE = {query.title: query for query in queries(FIXTURES / "sql" / "accepted.sql")}
pytestmark = [pytest.mark.spark, pytest.mark.parametrize("tables", ["spark"], indirect=True)]


@pytest.fixture(scope="module")
def database():
    with pooled(3, 12) as connection:
        yield connection


@pytest.fixture(scope="module")
def spark(tables, database) -> Tables:
    datasets: dict[str, tuple[Schema, pa.Table]] = {}
    for table in TABLES.values():
        for scan in scans_in(table):
            schema = pa.schema([(f.name, arrow_type(f.type)) for f in scan.schema])
            held = database.sql(f"SELECT * FROM {view_name(scan.dataset)}").to_arrow_table().cast(schema)
            datasets[scan.dataset] = (scan.schema, held)
    return tables(datasets, {})


@pytest.mark.parametrize("title", CHOSEN)
def test_a_query_answers_on_spark_as_on_duckdb(spark, database, title):
    query = BY_TITLE[title]
    bound = bind(query.sql, TABLES, RECIPIENTS)
    answer = spark.run(bound)
    assert answer.schema.types == [arrow_type(f.type) for f in bound.schema]
    expected = run(database, query.sql)
    got = Result(answer.column_names, expected.types, [tuple(row.values()) for row in answer.to_pylist()])
    assert got.names == expected.names
    assert_same_rows(got, expected, ordered=isinstance(bound.source, Sort | Limit))
