"""A party whose local steps run on Spark: what its document may say, and who is given what."""

from pathlib import Path

import pytest

from policy.problem import DocumentError
from renderer.check import load_workspace
from renderer.grant import grant
from renderer.job import secrets_of_compute, secrets_of_fetch, secrets_of_publish
from tests.renderer.conftest import NOW, edit, plan
from tests.renderer.mistakes import BRAVO, SWIFT_PLACE
from worker.runspec import RunSpec, SparkSource

PLACE = "backend: spark\n      path: s3a://lake/visits\n      format: parquet"
ENGINE = "  engine:\n    spark: {endpoint: 'sc://192.0.2.7:15002', credentials: bravo-spark}\n  egress:\n    - {cidr: 192.0.2.0/24, port: 15002}\n"


def on_spark(federation: Path, place: str = PLACE, engine: str = ENGINE) -> None:
    edit(federation, BRAVO, SWIFT_PLACE, place)
    edit(federation, BRAVO, "  egress:\n", engine)


def test_the_worker_is_told_of_its_spark_and_both_who_compute_and_who_fetch_get_its_secret(federation: Path) -> None:
    on_spark(federation)
    planned = plan(load_workspace(federation, NOW))
    (member,) = (member for member in planned.members if member.name == "bravo")
    (source,) = member.own.sources
    assert isinstance(source, SparkSource)
    assert (source.endpoint, source.path) == ("sc://192.0.2.7:15002", "s3a://lake/visits")
    assert "bravo-spark" in secrets_of_fetch(member.own)
    assert secrets_of_compute(member.own) == {member.own.identity, "bravo-spark"}
    assert "bravo-spark" not in secrets_of_publish(member.own)
    text = planned.run_spec(member).model_dump_json(by_alias=True)
    assert RunSpec.model_validate_json(text) == planned.run_spec(member)
    for other in planned.members:
        assert other.name == "bravo" or secrets_of_compute(other.own) == {other.own.identity}


def test_the_owners_grant_lets_compute_have_that_secret_and_the_pods_reach_that_port(federation: Path) -> None:
    on_spark(federation)
    workspace = load_workspace(federation, NOW)
    text = grant(workspace.party_models["bravo"], workspace)
    (line,) = (line for line in text.splitlines() if line.strip().startswith("compute:"))
    assert "bravo-spark" in line
    assert "15002" in text


@pytest.mark.parametrize(
    ("place", "engine", "said"),
    [
        (PLACE, "  egress:\n", "datasets.visits.backend: is read by Spark, and the party's engine is DuckDB"),
        (SWIFT_PLACE, ENGINE, "datasets.visits.backend: is not where the party's Spark reads"),
        (PLACE, ENGINE.replace("15002}\n", "15003}\n"), "engine.spark.endpoint: is not within the party's egress"),
        (PLACE + "\n      compression: gzip", ENGINE, "datasets.visits.compression: is not taken off"),
        (PLACE.replace("parquet", "tab"), ENGINE, "datasets.visits.format: is not read by Spark"),
        (PLACE.replace("visits\n", "visits.csv.gz\n"), ENGINE, "datasets.visits.path: has an ending by which Spark"),
        (PLACE.replace("lake/visits", "lake/../visits"), ENGINE, "datasets.visits.path: leads out"),
        (PLACE.replace("lake/visits", "lake/v*"), ENGINE, "datasets.visits.path"),
        (PLACE, ENGINE.replace(":15002'", ":15002/;token=x'"), "engine.spark.endpoint"),
        (PLACE, ENGINE.replace("bravo-spark", "bravo-key"), "identity.secret: is also the name of a store's"),
    ],
)
def test_a_document_that_does_not_fit_its_spark_is_refused_at_the_field(federation, place, engine, said):
    on_spark(federation, place, engine)
    with pytest.raises(DocumentError) as caught:
        load_workspace(federation, NOW)
    assert said in str(caught.value)
