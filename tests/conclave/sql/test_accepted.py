import functools

import duckdb
import pytest

from conclave.ir.nodes import Collect, Limit, Sort
from conclave.local.sqltext import to_sql
from conclave.passes.optimise import optimise
from conclave.sql.bind import bind
from tests.conclave.sql.federation import (
    FIXTURES,
    RECIPIENTS,
    TABLES,
    Query,
    assert_same_rows,
    pooled,
    queries,
    run,
    types_of,
)

SHORT = [Query(title, sql.split("\n-- is")[0]) for title, sql in queries(FIXTURES / "sql" / "short.sql")]
ACCEPTED = [*queries(FIXTURES / "sql" / "accepted.sql"), *SHORT]


@pytest.fixture(scope="module", params=[(1, 8), (3, 12), (4, 0)], ids=lambda p: f"seed{p[0]}-{p[1]}rows")
def database(request):
    with pooled(*request.param) as connection:
        yield connection


@functools.cache
def compiled_from(sql: str) -> tuple[tuple[Collect, str], ...]:
    """Return the bound and the optimised tree, each with its SQL: the same whatever the tables hold."""
    bound = bind(sql, TABLES, RECIPIENTS)
    return tuple((tree, to_sql(tree)) for tree in (bound, optimise(bound)))


@pytest.mark.parametrize("query", ACCEPTED, ids=lambda query: query.title)
def test_a_bound_query_answers_as_duckdb_does(database: duckdb.DuckDBPyConnection, query: Query):
    expected = run(database, query.sql)
    compiled = compiled_from(query.sql)
    bound = compiled[0][0]
    is_ordered = isinstance(bound.source, Sort | Limit)
    assert [f.name for f in bound.schema] == expected.names
    for tree, sql in compiled:
        got = run(database, sql)
        assert [(f.name, f.type) for f in tree.schema] == [(f.name, f.type) for f in bound.schema]
        assert (got.names, got.types) == (expected.names, types_of(tree.schema))
        assert_same_rows(got, expected, ordered=is_ordered)
        for column, field in zip(zip(*got.rows, strict=True), tree.schema, strict=False):
            assert field.nullable or None not in column
