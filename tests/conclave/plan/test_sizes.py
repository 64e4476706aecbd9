"""How many rows there would be without conditions: never fewer than there are, and as many where nothing is put together."""

import duckdb
import pytest

from conclave.compile import compile_query
from conclave.ir.nodes import Concat
from conclave.ir.walk import nodes_in
from conclave.local.sqltext import to_sql
from conclave.plan.sizes import repeats_rows, without_conditions
from tests.conclave.protected import COMPUTE, arrow, scan

TABLES = {"visits": scan("alpha/visits"), "persons": scan("carol/persons")}
QUERIES = {
    "SELECT patient, ward FROM visits WHERE cost > 9": 12,
    "SELECT DISTINCT ward FROM visits WHERE cost > 9": 5,
    "SELECT patient, region FROM visits JOIN persons ON patient = person WHERE region = 'x'": 9,
    "SELECT patient, region FROM visits LEFT JOIN persons ON patient = person": 12,
    "SELECT patient FROM visits WHERE patient IN (SELECT person FROM persons)": 12,
    "SELECT patient FROM visits WHERE ward = 'A' UNION ALL SELECT patient FROM visits WHERE ward = 'B'": 24,
    "SELECT DISTINCT patient FROM (SELECT patient FROM visits UNION ALL SELECT person FROM persons) AS u": 12,
    """SELECT patient, region FROM (SELECT patient FROM visits UNION ALL SELECT person FROM persons) AS u
        LEFT JOIN (SELECT DISTINCT person, region FROM persons) AS p ON patient = person""": 18,
}


def query(sql):
    return compile_query(sql, TABLES, ("analyst",), COMPUTE).query.source


@pytest.mark.parametrize("sql", QUERIES)
def test_without_conditions_there_are_no_fewer_rows(sql):
    with duckdb.connect() as connection:
        for dataset in ("alpha/visits", "carol/persons"):
            connection.register(dataset, arrow(dataset))
        parts = without_conditions(query(sql))
        counts = [connection.sql(to_sql(part)).fetchall() for part in parts]
        n_rows = len(connection.sql(to_sql(query(sql))).fetchall())
    assert all(len(each) == 1 for each in counts)
    assert sum(count for ((count,),) in counts) == QUERIES[sql] >= n_rows
    # Each is rounded up by itself, so none adds up numbers.
    assert not any(isinstance(node, Concat) for part in parts for node in nodes_in(part))


@pytest.mark.parametrize(
    ("sql", "repeats"),
    [
        ("SELECT v.patient FROM visits AS v JOIN visits AS w ON v.ward = w.ward", True),
        ("SELECT v.patient FROM visits AS v LEFT JOIN visits AS w ON v.patient = w.patient", True),
        ("SELECT v.patient FROM visits AS v JOIN persons ON v.patient = person", False),
        ("SELECT v.patient FROM visits AS v JOIN (SELECT DISTINCT ward FROM visits) AS w ON v.ward = w.ward", False),
        ("SELECT patient FROM visits WHERE ward IN (SELECT ward FROM visits WHERE cost > 9)", False),
    ],
)
def test_rows_are_repeated_by_a_join_of_which_neither_side_is_unique(sql, repeats):
    assert repeats_rows(query(sql)) == repeats
