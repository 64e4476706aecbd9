"""The 22 queries of TPC-H over three parties: orders and lineitem split among them, the small tables at one each.

Their parameters are the ones for validation; the fraction of query 11 is by definition 0.0001 by the scale factor.
"""

import datetime
import decimal
import shutil
import subprocess
import sysconfig
from pathlib import Path

import duckdb
import pytest

from conclave.plan.steps import MpcStep
from renderer.answer import rows_of
from renderer.trial import parse_tables, prepare
from tests.conclave.twins import assert_same_costs

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tpch.sql"
QUERIES = dict(block.split("\n", 1) for block in FIXTURE.read_text().split("-- ")[1:])
PARTIES = ("alpha", "bravo", "carol")
SPLIT = {"orders": "o_orderkey", "lineitem": "l_orderkey"}
OWNERS = {
    "customer": "alpha", "nation": "bravo", "region": "bravo", "supplier": "bravo", "part": "carol", "partsupp": "carol",
}  # fmt: skip
SCALE_FACTOR = "0.01"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """DuckDB with the pooled tables, and the parties' files beside it."""
    folder = tmp_path_factory.mktemp("tpch")
    generator = shutil.which("tpchgen-cli", path=sysconfig.get_path("scripts"))
    assert generator is not None
    command = [generator, "parquet", "-s", SCALE_FACTOR, "--output-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    with duckdb.connect() as connection:
        for table in (*OWNERS, *SPLIT):
            connection.execute(f"CREATE TABLE {table} AS FROM '{folder}/{table}.parquet'")
        for table, key in SPLIT.items():
            for n, party in enumerate(PARTIES):
                rows = f"SELECT * FROM {table} WHERE {key} % {len(PARTIES)} = {n}"
                connection.execute(f"COPY ({rows}) TO '{folder}/{table}-{party}.parquet'")
        yield connection, folder


def tables(folder):
    options = [f"{table}={owner}:{folder}/{table}.parquet" for table, owner in OWNERS.items()]
    for table in SPLIT:
        options.append(f"{table}=" + ",".join(f"{party}:{folder}/{table}-{party}.parquet" for party in PARTIES))
    return parse_tables(options)


@pytest.mark.deep
@pytest.mark.parametrize("number", QUERIES)
def test_three_parties_answer_tpch_as_duckdb_does(number, database):
    connection, folder = database
    query = QUERIES[number]
    trial = prepare(query, tables(folder), None)
    assert any(isinstance(step, MpcStep) for step in trial.plan.steps)
    ended, (alone, costs) = trial.run_all(lambda _: None), trial.run_alone()
    assert_same_costs(trial.plan, ended, costs)
    expected = [list(map(_plain, row)) for row in connection.sql(query).fetchall()]
    for answer in (ended[trial.plan.query.recipients[0]].answer, alone):
        got = [list(map(_plain, row.values())) for row in rows_of(answer)]
        assert len(got) == len(expected)
        for row, wanted in zip(got, expected, strict=True):
            assert row == [
                pytest.approx(value, rel=1e-6, abs=1e-6) if isinstance(value, float) else value for value in wanted
            ]


def _plain(value):
    match value:
        case bool():
            return value
        case int() | float() | decimal.Decimal():
            return float(value)
        case datetime.date():
            return value.isoformat()
    return value
