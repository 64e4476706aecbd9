"""Whole queries, compiled, shared and computed by three parties, against DuckDB over the pooled rows."""

import datetime
import decimal
import random
import re
from pathlib import Path

import duckdb
import pytest

from conclave.sql.parse import parse
from renderer.answer import rows_of
from renderer.trial import parse_tables, prepare
from tests.conclave.twins import assert_same_costs

FIXTURE = Path(__file__).parents[1] / "fixtures" / "answers.sql"
QUERIES = [query.strip() for query in FIXTURE.read_text().split(";\n") if query.strip()]
TABLES = {
    "t": "t=alpha:{0}/t1.parquet,bravo:{0}/t2.parquet,carol:{0}/t3.parquet",
    "y": "y=bravo:{0}/y.parquet",
    "m": "m=carol:{0}/m.parquet",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three parts of one table (one of them empty), a table with unique keys, and one with keys that repeat."""
    folder = tmp_path_factory.mktemp("data")
    with duckdb.connect() as connection:
        for name, n_rows in (("t1", 7), ("t2", 12), ("t3", 0)):
            connection.execute(
                f"CREATE OR REPLACE TABLE {name} (id INT, k VARCHAR, v INT, big BIGINT, d DECIMAL(9,2), s VARCHAR,"
                " b BOOLEAN, dt DATE, f DOUBLE)"
            )
            generator = random.Random(name)
            for index in range(n_rows):
                row = _row(1000 * n_rows + index, generator)
                connection.execute(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute(
            "CREATE TABLE y AS SELECT * FROM (VALUES (1, 'one'), (2, 'two'), (-3, 'minus three'), (4, NULL)) y(v, label)"
        )
        connection.execute("CREATE TABLE m AS SELECT range % 4 AS k2, range * 3 AS w FROM range(9)")
        for name in ("t1", "t2", "t3", "y", "m"):
            connection.execute(f"COPY {name} TO '{folder}/{name}.parquet'")
    return folder


def _row(number, generator):
    return (
        number,
        generator.choice(["a", "bb", "ccc", ""]) if generator.random() > 0.15 else None,
        generator.choice([-5, -4, -3, -2, -1, 1, 2, 3, 4, 5]) if generator.random() > 0.2 else None,
        generator.randint(-(10**9), 10**9),
        decimal.Decimal(generator.randint(-99999, 99999)) / 100,
        generator.choice(["alphabetical", "beta-carotene-long", "gamma rays"]),
        generator.random() > 0.5,
        datetime.date(2020, 1, 1) + datetime.timedelta(generator.randint(0, 900)),
        generator.random() * 100 - 50,
    )


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_three_parties_answer_what_duckdb_answers(query, data):
    used = [option.format(data) for name, option in TABLES.items() if re.search(rf"\b{name}\b", query)]
    trial = prepare(query, parse_tables(used), None)
    ended, (alone, costs) = trial.run_all(lambda _: None), trial.run_alone()
    assert_same_costs(trial.plan, ended, costs)
    got = [tuple(row.values()) for row in rows_of(ended[trial.plan.query.recipients[0]].answer)]
    of_twin = [tuple(row.values()) for row in rows_of(alone)]
    with duckdb.connect() as connection:
        connection.execute("SET error_on_division_by_zero = false")  # in this project it is NULL
        for name, files in (("t", ["t1", "t2", "t3"]), ("y", ["y"]), ("m", ["m"])):
            paths = [f"{data}/{file}.parquet" for file in files]
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({paths})")
        wanted = connection.sql(query).fetchall()
    if parse(query).args.get("order") is None:
        got, of_twin, wanted = (sorted(rows, key=_sort_key) for rows in (got, of_twin, wanted))
    for rows in (got, of_twin):
        assert [[_comparable(v) for v in row] for row in rows] == [[_near(v) for v in row] for row in wanted]


def _near(value):
    value = _comparable(value)
    return pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, int | float) else value


def _comparable(value):
    match value:
        case decimal.Decimal():
            return float(value)
        case datetime.date():
            return value.isoformat()
    return value


def _sort_key(row):
    return [
        (value is None, str(_comparable(value)) if isinstance(value, str | datetime.date) else "", _number(value))
        for value in row
    ]


def _number(value):
    return round(float(value), 4) if isinstance(value, int | float | decimal.Decimal) else 0.0
