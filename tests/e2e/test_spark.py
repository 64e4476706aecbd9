"""A workflow one of whose owners names a Spark Connect server in its party document: real workers, real Swift, real Spark."""

import duckdb
import pytest

from renderer.check import load_workspace
from tests.e2e.conftest import MARKET, Federation
from tests.e2e.test_backends import move, signed
from tests.spark.server import SparkServer

DUCKDB = "  engine: duckdb\n"


@pytest.fixture
def lake(federation, few_flights, spark_server, tmp_path) -> SparkServer:
    """ewr's flights are where its Spark reads them, and nowhere else."""
    place, endpoint = tmp_path / "lake" / "flights.csv", f"sc://127.0.0.1:{spark_server.port}"
    place.parent.mkdir()
    policy, signature = signed(federation, "ewr")
    for name, content in {
        "": few_flights["ewr"].read_bytes(),
        ".policy.yaml": policy,
        ".policy.yaml.sig": signature,
    }.items():
        place.with_name(place.name + name).write_bytes(content)
    secret = federation.root / "secrets" / "airport-ewr" / "spark"
    secret.mkdir(parents=True)
    (secret / "SPARK_REMOTE").write_text(endpoint)
    (secret / "SPARK_TOKEN").write_text(spark_server.token)
    move(federation, "ewr", f"      backend: spark\n      path: file://{place}\n", "", (endpoint,))
    document = federation.root / "workflows" / "parties" / "ewr.yaml"
    assert document.read_text().count(DUCKDB) == 1
    engine = f"  engine:\n    spark:\n      endpoint: {endpoint}\n      credentials: spark\n"
    document.write_text(document.read_text().replace(DUCKDB, engine))
    federation.steward("ewr").delete_object("flights", "flights.csv")
    federation.render()
    return spark_server


def expected_of(federation: Federation, files: list[str]) -> float:
    query = load_workspace(federation.root).workflows["market-concentration"].model.spec.query
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE flights AS FROM read_csv($files, nullstr = 'NA')", {"files": files})
        ((expected,),) = connection.execute(query).fetchall()
    return float(expected)


@pytest.mark.spark
def test_an_owner_whose_document_names_a_spark_takes_part_like_any_other(federation, lake, few_flights):
    ended = federation.run(MARKET)
    assert ended.exit_code == 0, ended
    assert ended.filed.problems == ()
    expected = expected_of(federation, [str(path) for path in few_flights.values()])
    assert ended.filed.rows == [{"hhi": pytest.approx(expected, rel=1e-6)}]
    # Nothing of a file was brought to ewr's worker, and the token is in nobody's words.
    assert [event["dataset"] for event in federation.said("data looked at")] == ["ewr/flights"]
    assert not any(lake.token in str(event) for event in federation.events)
